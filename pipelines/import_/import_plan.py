"""The plan of an import, with all checks; writes nothing but temporary files.

It reads the files, the export, bucket and Label Studio, and has Label Studio validate the label config. Downloads are
kept in a folder of the clone until the import ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.import_ import import_config, import_files, import_labels, import_people, import_task_data
from pipelines.import_.import_labels import ImportedAnnotation
from pipelines.import_.import_people import People
from pipelines.import_.result import ImportResult, raise_first
from storage.errors import InputError
from storage.labels import export, export_recordings
from storage.labels.export import ExportedTask
from storage.printable import argument
from storage.project import Project
from storage.project_files import tasks_file
from storage.remote.remote import Remote
from storage.remote.sync_state import State
from storage.repo.git import prefix_of

FETCHED = Path(".labeltrail/import")


@dataclass(frozen=True)
class Sources:
    """What is imported.

    Attributes:
        path: a folder (searched for `*.csv`), a glob pattern, or a file; a `.json` file is an export that contains
            its recordings, as columns or http(s) addresses.
        labels: a Label Studio export of these recordings: JSON, JSON_MIN, CSV or TSV.
        config: the label config; by default the project's, else one made from the export.
        annotators: accounts of the export's people (pipelines/import_/import_people.py).
    """

    path: str
    labels: Path | None = None
    config: Path | None = None
    annotators: Path | None = None


@dataclass(frozen=True)
class Plan:
    """The plan of an import.

    Attributes:
        state: `sync.json` of the branch; None where there is none yet.
        config: the label config's text.
        data_key: key of the task data that holds a recording's address.
        files: recordings that can be used, by series key.
        data: task data that the export names, by series key.
        annotations: by series key, in the order in which they were made.
        people: who made them; None without an export.
    """

    state: State | None
    config: str
    data_key: str
    files: dict[str, Path]
    data: dict[str, dict[str, Any]]
    annotations: dict[str, list[ImportedAnnotation]]
    people: People | None


def make(project: Project, sources: Sources, result: ImportResult) -> Plan:
    """Make the plan of an import; findings are added to `result`.

    Raises:
        InputError: no recording or label config can be used, the export is invalid, or nothing of it fits.
    """
    given = import_people.read_map(sources.annotators) if sources.annotators else {}
    root = project.root
    draft = import_config.read(root, sources.config)
    path = _export_path(sources)
    exported = export.read(path, draft.parsed if draft else None) if path else []
    if path is not None and path != sources.labels:
        files, exported = _fetch_contained(exported, root / FETCHED / "fetched", result)
    else:
        files = import_files.find(sources.path, result)
    text, config = import_config.complete(draft, exported, lambda: next(iter(files.values())), root, result)
    remote = remote_of(project, config.data_key)
    state = remote.state()
    valid = import_files.check(files, config, result, root)
    if not valid:
        raise_first(result)
    known = tasks_file.read(root / tasks_file.PATH)
    data, annotations, people = {}, {}, None
    if path is not None:
        people = import_labels.people_of(project.studio, exported, given)
        matched = import_labels.match_recordings(exported, valid, result)
        annotations = import_labels.annotations_of(matched, config, people, result)
        import_labels.check_usable(exported, annotations, path, result)
        import_labels.note_flat(exported, path, result)
        import_labels.note_people(people, sources.annotators, result)
        data = import_task_data.merge(known, remote, matched, result)
        import_task_data.check_splits(root, known | data)
    import_task_data.note_missing(known | data, remote, text, valid, result)
    project.studio.projects.check_label_config(text)
    if state is not None:
        remote.project(state)
    return Plan(state, text, config.data_key, valid, data, annotations, people)


def remote_of(project: Project, data_key: str) -> Remote:
    """The remote of the branch that is checked out, also where the work tree has no label config yet."""
    return project.remote_at(prefix_of(project.repository.git.branch()), data_key)


def _export_path(sources: Sources) -> Path | None:
    """The export that is to be read; None without one."""
    if not sources.path.lower().endswith(".json"):
        return sources.labels
    if sources.labels is not None:
        raise InputError(
            "two exports were named",
            where=[sources.path, str(sources.labels)],
            why="an export in the place of recordings has its own labels",
            cure=f"labeltrail import FOLDER --labels {argument(sources.labels)}",
        )
    return Path(sources.path)


def _fetch_contained(
    exported: list[ExportedTask], folder: Path, result: ImportResult
) -> tuple[dict[str, Path], list[ExportedTask]]:
    """Fetch the recordings that an export contains or links, with their tasks; an error where all fail."""
    found = export_recordings.write(exported, folder)
    for task, error in found.failed:
        result.add_left_out(task.name, f"{error.what}: {error.why}", error.cure)
        result.count_left_out("tasks", 1)
        result.count_left_out("annotations", len(task.annotations))
    result.refused += len(found.failed)
    if not found.files:
        raise_first(result)
    failed = [task for task, _ in found.failed]
    return found.files, [task for task in exported if task not in failed]
