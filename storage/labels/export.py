"""Reads a Label Studio export: JSON, which holds everything, or the flat formats JSON_MIN, CSV and TSV.

Format:
https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import InputError
from storage.label_studio.label_config import LabelConfig, Task, render
from storage.labels import export_checks, export_flat
from storage.labels.annotation_merge import is_for_recording, region_ids
from storage.labels.export_address import is_address, path_of
from storage.printable import shortened
from storage.text.json_text import parse_json

TIME_NAMES = frozenset({"time", "timestamp", "t", "date", "datetime", "index", "seconds"})
CURE = "export the project from Label Studio as JSON"


@dataclass(frozen=True)
class ExportedTask:
    """One task of an export.

    Attributes:
        name: for messages: its number and its recording.
        address: of the recording, from its data; "" where there is none.
        data: task data without that address.
        annotations: as exported.
        predictions: number of its predictions, which are not imported.
        columns: the recording itself, by column, where the task data holds it (`valueType="json"`).
        drafts: number of edits that nobody submitted, which are not imported.
        is_flat: from a flat format; `lost` of an annotation names the columns that were not imported.
    """

    name: str
    address: str
    data: dict[str, Any]
    annotations: list[dict[str, Any]]
    predictions: int
    columns: dict[str, Any] | None = None
    drafts: int = 0
    is_flat: bool = False


def read(path: Path, config: LabelConfig | None = None) -> list[ExportedTask]:
    """Read an export.

    Args:
        path: the file: JSON, or by its name CSV or TSV.
        config: names the key of the task data that holds the recording, and the tags of a flat export; without it
            both are recognised by their values.

    Raises:
        InputError: it is no export, or a field is invalid; names task and field.
    """
    where = str(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError("the export is not there", where=where, cure="check the path") from error
    except OSError as error:
        what = "the export cannot be read"
        raise InputError(what, where=where, why=str(error.strerror), cure="check it") from error
    if path.suffix.lower() in (".csv", ".tsv"):
        rows = export_flat.read_table(where, data)
        return _tasks(export_flat.tasks(rows, config), where, config, is_flat=True)
    try:
        value = parse_json(where, data)
    except InputError as error:
        what = "the export is not JSON" if error.why.startswith("not JSON") else "the export cannot be used"
        why = error.why.removeprefix("not JSON: ")
        raise InputError(what, where=where, why=why, cure=CURE) from error
    if not isinstance(value, list):
        raise InputError("not a Label Studio export", where=where, why="it is no list of tasks", cure=CURE)
    is_flat = export_flat.is_flat(value)
    return _tasks(export_flat.tasks(value, config) if is_flat else value, where, config, is_flat=is_flat)


def _tasks(
    value: Sequence[Any], where: str, config: LabelConfig | None, *, is_flat: bool
) -> list[ExportedTask]:
    for number, task in enumerate(value, 1):
        name = task.get("id", number) if isinstance(task, dict) else number
        export_checks.check(task, f"{where}: task {shortened(str(name), 40)}")
    return [_task(task, number, config, is_flat) for number, task in enumerate(value, 1)]


def _task(task: dict[str, Any], number: int, config: LabelConfig | None, is_flat: bool) -> ExportedTask:
    data = dict(task["data"])
    number = number if task.get("id") is None else task["id"]
    key = _recording_key(data, config)
    recording = data.pop(key) if key else ""
    columns = recording if isinstance(recording, dict) else None
    address = str(recording) if columns is None else f"task{number}.csv"
    annotations = list(task.get("annotations") or [])
    # The key of old exports; a converter may write both.
    annotations += [a for a in task.get("completions") or [] if a not in annotations]
    if not is_flat:
        annotations = [{key: a[key] for key in a if key != "lost"} for a in annotations]
    file_name = path_of(address).rpartition("/")[2] or "no recording"
    return ExportedTask(
        name=f"task {number} ({shortened(file_name, 100)})",
        address=address,
        data=data,
        annotations=annotations,
        predictions=len(task.get("predictions") or ()),
        columns=columns,
        drafts=len(task.get("drafts") or ()),
        is_flat=is_flat,
    )


def _recording_key(data: Mapping[str, Any], config: LabelConfig | None) -> str:
    """Key of the task data that holds the recording; "" where there is none, or more than one candidate."""
    if config is not None and isinstance(data.get(config.data_key), str | dict) and data[config.data_key]:
        return config.data_key
    keys = [key for key, value in data.items() if is_address(value)]
    objects = {key: value.values() for key, value in data.items() if isinstance(value, dict)}
    keys = keys or [key for key, columns in objects.items() if any(isinstance(c, list) for c in columns)]
    return keys[0] if len(keys) == 1 else ""


def label_config(tasks: Sequence[ExportedTask], header: Sequence[str]) -> str:
    """Make a label config from the labels and tags of an export and the columns of a recording.

    It is for regions where there are any, else for choices for the whole recording, several of them where an
    annotation has several.

    Raises:
        InputError: the export has no label, or choices of more than one control tag, or the recording has no column
            but the time.
    """
    results = [a.get("result") or [] for task in tasks for a in task.annotations]
    items = [item for result in results for item in result if _is_region(item)]
    task: Task = "segmentation"
    if not items:
        items = [item for result in results for item in _choices(result)]
        task = "multilabel" if any(len(_labels(item)) > 1 for item in items) else "multiclass"
    cure = "labeltrail import PATH --labels EXPORT.json --label-config FILE"
    labels = tuple(sorted({label for item in items for label in _labels(item)}))
    if not labels:
        raise InputError("no label config can be made from this export: it has no label", cure=cure)
    tags = sorted({str(item.get("from_name")) for item in items})
    if task != "segmentation" and len(tags) > 1:
        why = f"whole recordings have choices of {', '.join(tags)}, and a model is trained on one tag"
        raise InputError("no label config can be made from this export", why=why, cure=cure)
    time = header[0] if header and header[0].lower() in TIME_NAMES else None
    channels = tuple(name for name in header if name != time)
    if not channels:
        what = "no label config can be made: the recording has no channel"
        raise InputError(what, cure="add --label-config FILE")
    control, shown = items[0].get("from_name") or "label", items[0].get("to_name") or "ts"
    return render(channels, labels, time, task=task, control_tag=control, object_tag=shown)


def problems(annotation: Mapping[str, Any], config: LabelConfig) -> list[str]:
    """Why an annotation is incompatible with a label config; empty where it is compatible."""
    result = annotation.get("result") or []
    regions = [item for item in result if _is_region(item)]
    if config.result_kind == "regions":
        # Choices on regions are no training data.
        incomplete = [item for item in regions if not {"start", "end"} <= item["value"].keys()]
        texts = [text for item in regions for text in _incompatibilities(item, "region", config)]
        return texts + [f"region {item.get('id')}: without start or end" for item in incomplete]
    texts = [f"region {item.get('id')}: the label config asks for choices" for item in regions]
    for item in _choices(result):
        texts += _incompatibilities(item, "choice", config)
        if len(_labels(item)) > 1 and config.task != "multilabel":
            texts.append(f"choice {item.get('id')}: several, where the label config asks for one")
    return texts


def _incompatibilities(item: dict[str, Any], kind: str, config: LabelConfig) -> list[str]:
    """Tags and labels of a region or a choice that the label config lacks."""
    texts = []
    if item.get("from_name") != config.control_tag or item.get("to_name") != config.object_tag:
        names = f"{item.get('from_name')!r} on {item.get('to_name')!r}"
        texts.append(f"{kind} {item.get('id')}: no tag {names} in the label config")
    unknown = sorted(label for label in set(_labels(item)) if config.label_of(label) is None)
    if unknown:
        what = "label" if kind == "region" else "choice"
        names = ", ".join(map(repr, unknown))
        texts.append(f"{kind} {item.get('id')}: no {what} {names} in the label config")
    return texts


def _labels(item: dict[str, Any]) -> list[str]:
    """Labels of a region or a choice."""
    value = item["value"]
    return [str(label) for label in value.get("timeserieslabels", value.get("choices"))]


def _choices(result: Iterable[Any]) -> list[dict[str, Any]]:
    """The choices of a result that are for the whole recording."""
    items = [item for item in result if isinstance(item, dict)]
    regions = region_ids(items)
    return [i for i in items if is_for_recording(i, regions) and isinstance(i["value"].get("choices"), list)]


def _is_region(item: Any) -> bool:
    value = item.get("value") if isinstance(item, dict) else None
    return isinstance(value, dict) and isinstance(value.get("timeserieslabels"), list)
