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
from storage.label_config import LabelConfig, render

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

    Raises:
        InputError: the export has no labeled region, or the recording no column but the time.
    """
    items = [
        item for task in tasks for a in task.annotations for item in a.get("result") or () if _is_region(item)
    ]
    labels = tuple(sorted({label for item in items for label in item["value"]["timeserieslabels"]}))
    if not labels:
        cure = "labeltrail import PATH --labels EXPORT.json --label-config FILE"
        raise InputError("no label config can be made from this export: it has no labeled region", cure=cure)
    time = header[0] if header and header[0].lower() in TIME_NAMES else None
    channels = tuple(name for name in header if name != time)
    if not channels:
        raise InputError(
            "no label config can be made: the recording has no channel", cure="add --label-config FILE"
        )
    return render(channels, labels, time, control_tag=items[0]["from_name"], object_tag=items[0]["to_name"])


def problems(annotation: Mapping[str, Any], config: LabelConfig) -> list[str]:
    """Why an annotation does not fit a label config; empty where it does."""
    found = []
    for item in annotation.get("result") or ():
        if not _is_region(item):
            continue
        if item.get("from_name") != config.control_tag or item.get("to_name") != config.object_tag:
            names = f"{item.get('from_name')!r} on {item.get('to_name')!r}"
            found.append(f"region {item.get('id')}: no tag {names} in the label config")
        strange = sorted(set(item["value"]["timeserieslabels"]) - set(config.labels))
        if strange:
            found.append(
                f"region {item.get('id')}: no label {', '.join(map(repr, strange))} in the label config"
            )
        if not {"start", "end"} <= item["value"].keys():
            found.append(f"region {item.get('id')}: without start or end")
    return found


def _is_region(item: Any) -> bool:
    value = item.get("value") if isinstance(item, dict) else None
    return isinstance(value, dict) and isinstance(value.get("timeserieslabels"), list)
