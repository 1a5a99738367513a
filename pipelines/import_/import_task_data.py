"""Task data of an export, such as the subject of a recording, for known recordings and for new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.import_.result import ImportResult
from pipelines.sync.apply import group_of
from stages import params as parameters
from storage.label_studio import label_config_xml
from storage.labels.export import ExportedTask
from storage.printable import shortened
from storage.project_files import splits_file, tasks_file
from storage.remote import task_objects
from storage.remote.remote import Remote
from storage.s3.bucket import parallel

Data = dict[str, Any]
SHOWN = 3  # series that are named


def merge(
    known: Mapping[str, Data], remote: Remote, matched: Mapping[str, list[ExportedTask]], result: ImportResult
) -> dict[str, Data]:
    """New task data by series, where the export adds something to that of work tree (`known`) or bucket."""
    found: dict[str, Data] = {}
    unknown = [series for series in matched if series not in known]
    in_bucket = zip(unknown, parallel(lambda series: _in_bucket(remote, series), unknown), strict=True)
    existing = dict(known) | dict(in_bucket)
    for series, tasks in sorted(matched.items()):
        merged = dict(existing[series])
        for task in tasks:
            _add(merged, task, series, remote.data_key, result)
        if merged != existing[series]:
            found[series] = merged
    return found


def note_missing(
    known: Mapping[str, Data], remote: Remote, config: str, series: Iterable[str], result: ImportResult
) -> None:
    """Add notes about task data that the label config shows and tasks lack: Label Studio leaves it empty.

    Args:
        known: task data of work tree and export, by series.
        remote: whose bucket has the others'.
        config: the label config's text.
        series: those that are imported.
        result: of the import.
    """
    keys = [key for key in label_config_xml.shown_keys(config, "") if key not in ("series", remote.data_key)]
    if not keys:
        return
    names = sorted(series)
    fields = parallel(lambda name: known.get(name) or _in_bucket(remote, name), names)
    data = dict(zip(names, fields, strict=True))
    for key in keys:
        lacking = [name for name in names if key not in data[name]]
        if lacking:
            shown = ", ".join(map(shortened, lacking[:SHOWN])) + (", .." if len(lacking) > SHOWN else "")
            what = f"it shows ${shortened(key)}, which the tasks of {len(lacking)} series lack: {shown}"
            cure = "nothing, if there is none; else import an export whose task data has it"
            result.note("the label config", what, cure)


def _in_bucket(remote: Remote, series: str) -> Data:
    return task_objects.task_data(remote, remote.task_key(series)) or {}


def _add(merged: Data, task: ExportedTask, series: str, data_key: str, result: ImportResult) -> None:
    """Add a task's data to the known data, which wins."""
    for name, value in task.data.items():
        if name in ("series", data_key):
            if value != series:
                what = f"its {shortened(name, 60)} was left out: the project stores the recording there"
                result.note(task.name, what, "rename it in the export, then import again")
                result.count_left_out("values of task data", 1)
            continue
        if merged.setdefault(name, value) != value:
            kept, new = (shortened(repr(side), 60) for side in (merged[name], value))
            what = f"its {shortened(name, 60)} is {kept} here and {new} in the export: it was kept"
            cure = f"edit the line of {shortened(series)} in {tasks_file.PATH} if that is wrong, then labeltrail sync"
            result.note(task.name, what, cure)
            result.count_left_out("values of task data", 1)


def check_splits(root: Path, data: Mapping[str, Data]) -> None:
    """Check that no group would be in two splits.

    Raises:
        InputError: one would, after the import of this task data; names the cure.
    """
    rules = parameters.load(root / parameters.PATH).splits
    rows = splits_file.read(root / splits_file.PATH)
    groups = {key: group_of(data.get(key, {}).get(rules.group)) or row.group for key, row in rows.items()}
    splits_file.check_groups({key: splits_file.Row(groups[key], row.split) for key, row in rows.items()})
