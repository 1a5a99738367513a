"""Checks before a rollback: everything that would make it fail, before anything changes."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.sync import recordings
from storage.errors import InputError
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.label_studio.session import BrokenResponseError
from storage.labels import label_changes
from storage.labels.label_changes import plural
from storage.labels.snapshot import Record, record_id
from storage.labels.three_way import Change
from storage.paths import SERIES
from storage.project import Project
from storage.remote.identity import record_of
from storage.remote.sync_state import State
from storage.repo.repository import Repository

SHOWN = 5


def check(project: Project, to: str, changes: Sequence[Change[Record]]) -> None:
    """Check that Label Studio can take the changes of a rollback to the commit `to`.

    Raises:
        InputError: a label is not in the label config, a recording is missing, or somebody edits an annotation.
    """
    restored = [change.after for change in changes if change.after is not None]
    _check_labels(project.label_config, to, restored)
    _check_recordings(project.repository, restored)
    _check_no_drafts(project, [change for change in changes if change.before is not None])


def _check_labels(config: LabelConfig, to: str, restored: Sequence[Record]) -> None:
    used = {label for record in restored for label in label_changes.record_labels(record, config)}
    unknown = sorted(name for name in used if config.label_of(name) is None)
    if unknown:
        raise InputError(
            f"the label config has no {', '.join(map(repr, unknown))}, which the labels of {to[:12]} use",
            where=str(label_config.PATH),
            why="Label Studio could not show them; nothing was rolled back",
            cure=f"git checkout {to[:12]} -- {label_config.PATH}; labeltrail sync; then roll back again",
        )


def _check_recordings(repository: Repository, restored: Sequence[Record]) -> None:
    existing = recordings.by_series(repository, repository.pointer(SERIES))
    without_recording = sorted({record["series"] for record in restored} - existing.keys())
    if without_recording:
        raise InputError(
            f"the recordings of {plural(len(without_recording), 'series')} of these labels are missing",
            where=", ".join(without_recording[:SHOWN]),
            why="Label Studio has no task to show them on; nothing was rolled back",
            cure="restore the recordings (labeltrail import), or roll back others with --series",
        )


def _check_no_drafts(project: Project, changes: Sequence[Change[Record]]) -> None:
    """Label Studio drops the draft of an annotation as soon as the annotation changes."""
    state = project.remote.state() if changes else None
    if state is None:
        return
    series = {change.name: change.before["series"] for change in changes if change.before}
    begun = [
        f"annotation {draft['annotation']} on {series[name]}, by {draft['user']}"
        for draft in project.studio.drafts(state.project).begun
        if draft["annotation"] and (name := _record_id(project, state, draft["annotation"])) in series
    ]
    if begun:
        raise InputError(
            f"somebody is editing {plural(len(begun), 'annotation')} that would change, and has not submitted it",
            where="; ".join(begun[:SHOWN]),
            why="Label Studio drops the edit when the annotation changes; nothing was rolled back",
            cure="have it submitted or discarded, then roll back again; or roll back others with --series",
        )


def _record_id(project: Project, state: State, number: int) -> str:
    """Record id of an annotation; "" where it does not exist."""
    try:
        found = project.studio.annotation(number)
    except BrokenResponseError:
        rows = project.remote.mirror.at([project.remote.annotations.key(number)])
        found = next((row.value["record"] for row in rows if row.value), None)
    return record_of(state.ids, record_id(number, found["created_at"]), number) if found else ""
