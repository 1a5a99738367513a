"""A Label Studio JSON export: tasks with their annotations, from any Label Studio.

Format: https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from storage.errors import InputError
from storage.label_config import LabelConfig, Task, render
from storage.record_merge import marked, of_whole

# Label Studio puts a hash before the name of an uploaded file.
UPLOADED = re.compile(r"^[0-9a-f]{8}-")
TIME_NAMES = frozenset({"time", "timestamp", "t", "date", "datetime", "index", "seconds"})


@dataclass(frozen=True)
class ExportedTask:
    """One task of an export.

    Attributes:
        name: how to name it to a person: its number and its recording.
        address: what its data says about where the recording is.
        data: task data without that address.
        annotations: as exported.
        predictions: how many predictions came along; they are not imported.
        columns: the recording itself, by column, where the task data holds it (`valueType="json"`).
    """

    name: str
    address: str
    data: dict[str, Any]
    annotations: list[dict[str, Any]]
    predictions: int
    columns: dict[str, Any] | None = None


def read(path: Path, data_key: str | None = None) -> list[ExportedTask]:
    """Read an export.

    Args:
        path: the JSON file.
        data_key: key of the task data that holds the recording; found by its `.csv` where not given.

    Raises:
        InputError: not JSON, not a list of tasks, or a task without a recording; names the task.
    """
    cure = "export the project from Label Studio as JSON (not JSON_MIN, CSV or TSV)"
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError("the export is not there", where=str(path), cure="check the path") from error
    except ValueError as error:
        raise InputError("the export is not JSON", where=str(path), why=str(error), cure=cure) from error
    if not isinstance(value, list) or not all(
        isinstance(t, dict) and isinstance(t.get("data"), dict) for t in value
    ):
        raise InputError(
            "not a Label Studio export", where=str(path), why="it is no list of tasks", cure=cure
        )
    return [_task(task, number, path, data_key) for number, task in enumerate(value, 1)]


def _task(task: dict[str, Any], number: int, path: Path, data_key: str | None) -> ExportedTask:
    data = dict(task["data"])
    keys = [data_key] if data_key in data else [key for key, value in data.items() if _is_recording(value)]
    if len(keys) != 1:
        why = f"its data has {', '.join(map(repr, data)) or 'no keys'}"
        cure = 'name the key in the label config: <TimeSeries value="$KEY">'
        raise InputError(
            "a task does not say where its recording is", where=f"{path}: task {number}", why=why, cure=cure
        )
    recording = data.pop(str(keys[0]))
    columns = recording if isinstance(recording, dict) else None
    address = str(recording) if columns is None else f"task{task.get('id', number)}.csv"
    annotations = [a for a in task.get("annotations") or task.get("completions") or [] if isinstance(a, dict)]
    name = f"task {task.get('id', number)} ({PurePosixPath(address).name})"
    return ExportedTask(name, address, data, annotations, len(task.get("predictions") or ()), columns)


def _is_recording(value: Any) -> bool:
    """An address that ends in .csv, or columns."""
    return isinstance(value, dict) or (isinstance(value, str) and value.partition("?")[0].endswith(".csv"))


def match(tasks: Iterable[ExportedTask], series: Iterable[str]) -> dict[str, list[ExportedTask]]:
    """Find the series of each task by the end of its address; the longest common path wins.

    Returns:
        Tasks by series key; tasks without a series under the key "".
    """
    by_name: dict[str, list[str]] = {}
    for key in series:
        by_name.setdefault(PurePosixPath(key).name, []).append(key)
    found: dict[str, list[ExportedTask]] = {}
    for task in tasks:
        stem = task.address.partition("?")[0].removesuffix(".csv")
        name = PurePosixPath(stem).name
        candidates = by_name.get(name) or by_name.get(UPLOADED.sub("", name)) or []
        best = max(candidates, key=lambda key: (_common(stem, key), key), default="")
        found.setdefault(best, []).append(task)
    return found


def _common(a: str, b: str) -> int:
    """How many path parts two addresses share, counted from the end."""
    count = 0
    for left, right in zip(reversed(PurePosixPath(a).parts), reversed(PurePosixPath(b).parts), strict=False):
        if left != right:
            break
        count += 1
    return count


def label_config(tasks: Sequence[ExportedTask], header: Sequence[str]) -> str:
    """A label config for an export: its labels and tag names, and the columns of a recording.

    It asks for regions where there are any, else what the whole recording is: for several answers where somebody
    gave several.

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
        why = f"whole recordings have choices of {', '.join(tags)}, and one tag is learnt"
        raise InputError("no label config can be made from this export", why=why, cure=cure)
    time = header[0] if header and header[0].lower() in TIME_NAMES else None
    channels = tuple(name for name in header if name != time)
    if not channels:
        raise InputError(
            "no label config can be made: the recording has no channel", cure="add --label-config FILE"
        )
    names = {"control_tag": items[0]["from_name"], "object_tag": items[0]["to_name"]}
    return render(channels, labels, time, task=task, **names)


def problems(annotation: Mapping[str, Any], config: LabelConfig) -> list[str]:
    """Why an annotation does not fit a label config; empty where it does."""
    result = annotation.get("result") or []
    regions = [item for item in result if _is_region(item)]
    if config.task == "segmentation":
        # Choices beside regions are nothing that is learnt.
        incomplete = [item for item in regions if not {"start", "end"} <= item["value"].keys()]
        found = [text for item in regions for text in _misfits(item, "region", config)]
        return found + [f"region {item.get('id')}: without start or end" for item in incomplete]
    found = [f"region {item.get('id')}: the label config asks for choices" for item in regions]
    for item in _choices(result):
        found += _misfits(item, "choice", config)
        if len(_labels(item)) > 1 and config.task != "multilabel":
            found.append(f"choice {item.get('id')}: several, where the label config asks for one")
    return found


def _misfits(item: dict[str, Any], kind: str, config: LabelConfig) -> list[str]:
    """What the label config lacks for a region or a choice."""
    found = []
    if item.get("from_name") != config.control_tag or item.get("to_name") != config.object_tag:
        names = f"{item.get('from_name')!r} on {item.get('to_name')!r}"
        found.append(f"{kind} {item.get('id')}: no tag {names} in the label config")
    strange = sorted(label for label in set(_labels(item)) if config.label_of(label) is None)
    if strange:
        what = "label" if kind == "region" else "choice"
        found.append(
            f"{kind} {item.get('id')}: no {what} {', '.join(map(repr, strange))} in the label config"
        )
    return found


def _labels(item: dict[str, Any]) -> list[str]:
    """What a region or a choice says."""
    value = item["value"]
    return [str(label) for label in value.get("timeserieslabels", value.get("choices"))]


def _choices(result: Iterable[Any]) -> list[dict[str, Any]]:
    """The choices of a result that are for the whole recording."""
    items = [item for item in result if isinstance(item, dict)]
    regions = marked(items)
    return [i for i in items if of_whole(i, regions) and isinstance(i["value"].get("choices"), list)]


def _is_region(item: Any) -> bool:
    value = item.get("value") if isinstance(item, dict) else None
    return isinstance(value, dict) and isinstance(value.get("timeserieslabels"), list)
