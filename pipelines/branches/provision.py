"""A new branch in Label Studio and in the bucket: its recordings, its project, and the labels of a commit in it."""

from __future__ import annotations

from dataclasses import replace

from pipelines.branches.populate import Content, FillResult, fill
from pipelines.sync.recordings import by_series
from pipelines.sync.shared_label_config import digest
from storage.progress import track
from storage.project import Project
from storage.remote.remote import Remote
from storage.remote.sync_state import State
from storage.repo.repository import Repository


def provision(
    project: Project, remote: Remote, content: Content, settings: dict[str, object]
) -> tuple[State, FillResult]:
    """Create the branch's project in Label Studio, or resume creating it, and populate it from a commit.

    `sync.json` has project 0 until the project is complete, so that nobody syncs with a half-populated one.

    Args:
        project: the clone.
        remote: of the branch.
        content: of the commit.
        settings: labeling settings of the new project.
    """
    state = remote.state() or State(0)
    state = remote.write_state(State(0, etag=state.etag)) if state.project or not state.etag else state
    _upload(project.repository, remote, content)
    number = remote.find_or_create_project(project.root.name, content.config)
    if settings:
        remote.studio.projects.update(number, **settings)
    filled = fill(remote, project.settings, number, content)
    new = replace(state, project=number, label_config=digest(content.config), ids=filled.ids)
    if not filled.missing:  # else the base stays empty, and the first sync pushes the missing ones
        new = replace(new, labels=content.labels, series=content.series)
    return remote.write_state(new), filled


def _upload(repository: Repository, remote: Remote, content: Content) -> None:
    """Upload recordings of the commit that the bucket lacks."""
    existing = remote.series()
    recordings = by_series(repository, content.series)
    for series in track([key for key in recordings if key not in existing], "restoring recordings"):
        data = repository.read([recordings[series]])[recordings[series]]
        remote.mirror.note_contents([remote.put_recording(series, data)])
