"""`labeltrail import`: import recordings, and optionally a Label Studio export.

Everything is checked before anything changes (pipelines/import_/import_plan.py). A bad recording is reported with its
row and the cure, and left out. Running it again changes nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.import_ import import_annotations, import_files, import_plan
from pipelines.import_.import_plan import Plan, Sources
from pipelines.import_.result import ImportResult
from pipelines.sync import shared_label_config
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.progress import note
from storage.project import Project
from storage.project_files import tasks_file
from storage.remote import task_objects
from storage.remote.sync_state import State
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
    done = ImportResult(dry=dry_run)
    dry = project.dry()
    try:
        plan = import_plan.make(dry, Sources(path, labels, config_file, annotators), done)
        if dry_run:
            _preview(dry, plan, done)
        else:
            _carry_out(project, plan, done)
    finally:
        shutil.rmtree(project.root / import_plan.FETCHED, ignore_errors=True)
    return done


def _preview(project: Project, plan: Plan, done: ImportResult) -> None:
    """Count what the plan would do."""
    remote = import_plan.remote_of(project, plan.data_key)
    import_files.count(import_files.outcomes(remote, plan.files), done)
    if plan.state is not None:
        remote.annotations.refresh()
    steps = import_annotations.compare(plan, remote, plan.state)
    done.annotations = sum(map(len, steps.new.values()))
    done.known, done.reassigned = steps.known + len(steps.given), len(steps.given)
    done.task_data = len(plan.data)


def _carry_out(project: Project, plan: Plan, done: ImportResult) -> None:
    project.bucket.create()
    # Label Studio first: if it refuses something, nothing has changed here.
    state = _ensure_project(project, plan)
    _write_config(project, plan)
    # Before such objects are overwritten.
    for row in task_objects.set_aside(
        project.remote, lambda: tasks_file.read(project.root / tasks_file.PATH), state.project
    ):
        note(f"set aside: {row.key}: {row.problem}")
    import_files.upload(project, plan.files, plan.data, done)
    _write_task_data(project, plan, done)
    # Not earlier: Label Studio refuses a source storage whose prefix is empty.
    remote, projects = project.remote, project.studio.projects
    source = projects.ensure_source(state.project, project.settings, remote.tasks_prefix)
    projects.ensure_target(state.project, project.settings, remote.annotations_prefix)
    projects.sync_source(source)
    if plan.data:
        _update_tasks(project, plan, state)
    if plan.annotations:
        import_annotations.submit(project, plan, state, done)
    done.url = f"{project.studio.session.url}/projects/{state.project}/data"


def _ensure_project(project: Project, plan: Plan) -> State:
    """The branch's Label Studio project; made where it is not there yet."""
    remote, studio, state = import_plan.remote_of(project, plan.data_key), project.studio, plan.state
    if state is None:
        # Its description has the bucket's address, so that an interrupted run finds it again.
        title = f"{project.root.name} {remote.prefix}"
        made = studio.projects.find_by_description(project.bucket.url(remote.prefix))
        number = made[0] if made else studio.projects.create(title, remote.description, plan.config)
        state = remote.write_state(State(number))
    held = str(remote.project(state)["label_config"])
    # A config that was changed in Label Studio since the last sync is kept: the next sync merges both.
    if held.strip() != plan.config.strip() and state.label_config in ("", shared_label_config.digest(held)):
        studio.projects.update(state.project, label_config=plan.config)
    return state


def _write_config(project: Project, plan: Plan) -> None:
    path = project.root / label_config.PATH
    if not path.exists() or path.read_bytes().strip() != plan.config.strip().encode():
        write_bytes(path, plan.config.encode(), durable=True)
        project.forget_branch()


def _write_task_data(project: Project, plan: Plan, done: ImportResult) -> None:
    """Write the export's task data of existing series to the bucket and to git's file of tasks."""
    for _ in parallel(lambda series: project.remote.put_task(series, plan.data[series]), plan.data):
        pass
    known = tasks_file.read(project.root / tasks_file.PATH)
    changed = {series: data for series, data in plan.data.items() if known.get(series, data) != data}
    if changed:
        tasks_file.write(known | changed, project.root / tasks_file.PATH)
    done.task_data = len(plan.data)


def _update_tasks(project: Project, plan: Plan, state: State) -> None:
    """Write it to Label Studio too, which reads a task's object only once."""
    remote = project.remote
    for task in project.studio.tasks(state.project):
        series = remote.annotations.series_of(task)
        if series in plan.data and any(task.data.get(k) != v for k, v in plan.data[series].items()):
            project.studio.update_task(task.id, task.data | remote.task_data(series, plan.data[series]))
