"""Task data of an export, such as who a recording is of, for recordings that are there and for new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipelines.import_.result import Finding, ImportResult
from pipelines.sync.apply import group_of
from stages import params as parameters
from storage.label_studio import label_config_xml
from storage.labels.export import ExportedTask
from storage.printable import shortened
from storage.project import Project
from storage.project_files import splits_file, tasks_file
from storage.remote import task_objects
from storage.remote.remote import Remote
from storage.s3.bucket import parallel

Data = dict[str, Any]
SHOWN = 3  # series that are named


def plan(
    project: Project, remote: Remote, matched: Mapping[str, list[ExportedTask]], done: ImportResult
) -> dict[str, Data]:
    """New task data by series, where the export adds something.

    Raises:
        InputError: somebody's recordings would be in two splits; names the cure.
    """
    known = tasks_file.read(project.root / tasks_file.PATH)
    found: dict[str, Data] = {}
    unknown = [series for series in matched if series not in known]
    held_there = dict(zip(unknown, parallel(lambda series: _in_bucket(remote, series), unknown), strict=True))
    for series, some in sorted(matched.items()):
        held = known[series] if series in known else held_there[series]
        merged = dict(held)
        for task in some:
            _merge(merged, task, series, remote.data_key, done)
        if merged != held:
            found[series] = merged
    _check_sets(project, known | found)
    return found


def note_missing(
    project: Project,
    remote: Remote,
    config: str,
    series: Iterable[str],
    found: Mapping[str, Data],
    done: ImportResult,
) -> None:
    """Tell which task data the label config shows and tasks lack: Label Studio leaves a gap there.

    Args:
        project: whose work tree knows task data.
        remote: whose bucket does.
        config: the label config's text.
        series: those that are imported.
        found: their task data, of those of which an export says something new.
        done: where notes go.
    """
    keys = [key for key in label_config_xml.shown_keys(config, "") if key not in ("series", remote.data_key)]
    if not keys:
        return
    known = tasks_file.read(project.root / tasks_file.PATH)
    names = sorted(series)
    held = parallel(lambda name: found.get(name) or known.get(name) or _in_bucket(remote, name), names)
    data = dict(zip(names, held, strict=True))
    for key in keys:
        lacking = [name for name in names if key not in data[name]]
        if lacking:
            shown = ", ".join(map(shortened, lacking[:SHOWN])) + (", .." if len(lacking) > SHOWN else "")
            what = f"it shows ${shortened(key)}, which the tasks of {len(lacking)} series lack: {shown}"
            cure = "nothing, if there is none; else import an export whose task data has it"
            done.findings.append(Finding("the label config", what, cure, False))


def _in_bucket(remote: Remote, series: str) -> Data:
    return task_objects.task_data(remote, remote.task_key(series)) or {}


def _merge(merged: Data, task: ExportedTask, series: str, data_key: str, done: ImportResult) -> None:
    """Add a task's data to the known data, which wins."""
    for name, value in task.data.items():
        if name in ("series", data_key):
            if value != series:
                what = f"its {shortened(name, 60)} was left out: the project stores the recording there"
                done.findings.append(
                    Finding(task.name, what, "rename it in the export, then import again", False)
                )
                done.leave_out("values of task data", 1)
            continue
        if merged.setdefault(name, value) != value:
            kept, new = (shortened(repr(side), 60) for side in (merged[name], value))
            what = f"its {shortened(name, 60)} is {kept} here and {new} in the export: it was kept"
            cure = f"edit the line of {shortened(series)} in {tasks_file.PATH} if that is wrong, then labeltrail sync"
            done.findings.append(Finding(task.name, what, cure, False))
            done.leave_out("values of task data", 1)


def _check_sets(project: Project, data: Mapping[str, Data]) -> None:
    """Nobody is in two splits, with the groups that series will have."""
    rules = parameters.load(project.root / parameters.PATH).splits
    rows = splits_file.read(project.root / splits_file.PATH)
    groups = {key: group_of(data.get(key, {}).get(rules.group)) or row.group for key, row in rows.items()}
    splits_file.check_groups({key: splits_file.Row(groups[key], row.split) for key, row in rows.items()})
