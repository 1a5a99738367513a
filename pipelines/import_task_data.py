"""Task data of an export, such as who a recording is of, for recordings that are there and for new ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.imported import Finding, Imported
from pipelines.incoming import group_of
from stages import params as parameters
from storage import sets, tasks
from storage.errors import NotFoundError
from storage.export import ExportedTask
from storage.printable import shortened
from storage.project import Project
from storage.remote import Remote

Data = dict[str, Any]


def plan(
    project: Project, remote: Remote, matched: Mapping[str, list[ExportedTask]], done: Imported
) -> dict[str, Data]:
    """The task data that series will have, of those of which the export says something new.

    Raises:
        InputError: somebody's recordings would be in two sets; names the cure.
    """
    known = tasks.read(project.root / tasks.PATH)
    found: dict[str, Data] = {}
    for series, some in sorted(matched.items()):
        held = known[series] if series in known else _in_bucket(remote, series)
        merged = dict(held)
        for task in some:
            _merge(merged, task, series, remote.data_key, done)
        if merged != held or series not in known:
            found[series] = merged
    _check_sets(project, known | found)
    return found


def _in_bucket(remote: Remote, series: str) -> Data:
    key = remote.task_key(series)
    try:
        return remote.parse_task(key, remote.bucket.get(key)[0])
    except NotFoundError:
        return {}


def _merge(merged: Data, task: ExportedTask, series: str, data_key: str, done: Imported) -> None:
    """Add what a task says to what is known; what is known stays."""
    for name, value in task.data.items():
        if name in ("series", data_key):  # Labeltrail's own: where the recording lies in the bucket
            continue
        if merged.setdefault(name, value) != value:
            kept, new = (shortened(repr(side), 60) for side in (merged[name], value))
            what = f"its {shortened(name, 60)} is {kept} here and {new} in the export: it was kept"
            cure = (
                f"edit the line of {shortened(series)} in {tasks.PATH} if that is wrong, then labeltrail sync"
            )
            done.findings.append(Finding(task.name, what, cure, False))
            done.leave_out("task data", 1)


def _check_sets(project: Project, data: Mapping[str, Data]) -> None:
    """Nobody is in two sets, with the groups that series will have."""
    rules = parameters.load(project.root / parameters.PATH).sets
    rows = sets.read(project.root / sets.PATH)
    groups = {key: group_of(data.get(key, {}).get(rules.group)) or row.group for key, row in rows.items()}
    sets.refuse_divided({key: sets.Row(groups[key], row.set) for key, row in rows.items()})
