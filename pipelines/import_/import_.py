"""`labeltrail import`: import recordings, and optionally a Label Studio export.

Everything is checked before anything changes (pipelines/import_/import_plan.py). An invalid recording is reported
with its row and the cure, and left out. The command is idempotent.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.import_ import import_annotations, import_files, import_plan
from pipelines.import_.import_plan import Plan, Sources
from pipelines.import_.result import ImportResult
from pipelines.sync.shared_label_config import are_same, digest
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.progress import note
from storage.project import Project
from storage.project_files import tasks_file
from storage.remote import task_objects
from storage.remote.remote import Remote
from storage.remote.sync_state import State
from storage.remote.task_objects import TaskData
from storage.s3.bucket import parallel


def import_recordings(
    project: Project,
    path: str,
    labels: Path | None = None,
    config_file: Path | None = None,
    annotators: Path | None = None,
    *,
    dry_run: bool = False,
) -> ImportResult:
    """Import recordings, and an export if given, into bucket and Label Studio; arguments as in `Sources`.

    Raises:
        InputError: there is no valid recording or label config, or the export is invalid; nothing was changed.
    """
    result = ImportResult(dry=dry_run)
    dry = project.dry()
    try:
        plan = import_plan.make(dry, Sources(path, labels, config_file, annotators), result)
        if dry_run:
            _preview(dry, plan, result)
        else:
            _execute(project, plan, result)
    finally:
        shutil.rmtree(project.root / import_plan.FETCHED, ignore_errors=True)
    return result


def _preview(project: Project, plan: Plan, result: ImportResult) -> None:
    """Count what the plan would do."""
    remote = import_plan.remote_of(project, plan.data_key)
    import_files.compare(remote, plan.files, result)
    if plan.state is not None:
        remote.annotations.refresh()
    steps = import_annotations.compare(plan, remote, plan.state)
    result.annotations = sum(map(len, steps.new.values()))
    result.known, result.reassigned = steps.known + len(steps.reassigned), len(steps.reassigned)
    result.task_data = len(plan.data)


def _execute(project: Project, plan: Plan, result: ImportResult) -> None:
    project.bucket.create()
    # Label Studio first: if it refuses something, nothing has changed in the clone.
    state = _ensure_project(project, plan)
    _write_config(project, plan)
    remote, projects, tasks_path = project.remote, project.studio.projects, project.root / tasks_file.PATH
    # Invalid task objects are set aside before they are overwritten.
    for row in task_objects.set_aside(remote, lambda: tasks_file.read(tasks_path), state.project):
        note(f"set aside: {row.key}: {row.problem}")
    import_files.upload(project.root, remote, plan.files, plan.data, result)
    _write_task_data(remote, tasks_path, plan.data)
    result.task_data = len(plan.data)
    # After the upload: Label Studio refuses a source storage whose prefix is empty.
    source = projects.ensure_source(state.project, project.settings, remote.tasks_prefix)
    projects.ensure_target(state.project, project.settings, remote.annotations_prefix)
    projects.sync_source(source)
    if plan.data:
        _update_tasks(remote, plan.data, state)
    if plan.annotations:
        import_annotations.submit(project.repository, remote, plan, state, result)
    result.url = projects.url(state.project)


def _ensure_project(project: Project, plan: Plan) -> State:
    """Create the branch's Label Studio project where it does not exist yet, and update its label config."""
    remote, state = import_plan.remote_of(project, plan.data_key), plan.state
    if state is None:
        state = remote.write_state(State(remote.find_or_create_project(project.root.name, plan.config)))
    current = str(remote.project(state)["label_config"])
    # A config that was changed in Label Studio since the last sync is kept: the next sync merges both.
    if not are_same(current, plan.config) and state.label_config in ("", digest(current)):
        remote.studio.projects.update(state.project, label_config=plan.config)
    return state


def _write_config(project: Project, plan: Plan) -> None:
    path = project.root / label_config.PATH
    if not path.exists() or path.read_bytes().strip() != plan.config.strip().encode():
        write_bytes(path, plan.config.encode(), durable=True)
        project.forget_branch()


def _write_task_data(remote: Remote, path: Path, data: TaskData) -> None:
    """Write the export's task data to the bucket and, of known series, to `data/tasks.jsonl`."""
    for _ in parallel(lambda series: remote.put_task(series, data[series]), data):
        pass
    known = tasks_file.read(path)
    changed = {series: fields for series, fields in data.items() if known.get(series, fields) != fields}
    if changed:
        tasks_file.write(known | changed, path)


def _update_tasks(remote: Remote, data: TaskData, state: State) -> None:
    """Write task data to Label Studio too, which reads a task's object only once."""
    for task in remote.studio.tasks(state.project):
        series = remote.annotations.series_of(task)
        if series in data and any(task.data.get(name) != value for name, value in data[series].items()):
            remote.studio.update_task(task.id, task.data | remote.task_data(series, data[series]))
