"""Fetch what changed in bucket and Label Studio since the last sync.

The mirror knows which annotations changed since bucket and label commit were last equal in this clone. If that was
the sync that `sync.json` records, nothing else has to be compared.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from pipelines.sync.plan import committed_in
from pipelines.sync.remote_state import Accounts, RemoteState, Side
from storage.label_studio.projects import SourceError
from storage.label_studio.session import BrokenResponseError
from storage.labels.label_store import shards_of
from storage.labels.snapshot import Record
from storage.paths import SERIES
from storage.progress import note
from storage.project_files import tasks_file
from storage.remote import lone_surrogates, reconcile, task_objects
from storage.remote.remote import Remote
from storage.remote.sync_state import State
from storage.repo.repository import Repository
from storage.s3.keys import shard_name
from storage.s3.mirror import Row


def fetch(
    repository: Repository,
    remote: Remote,
    state: State,
    numbers: Collection[int] | None = None,
    *,
    write: bool = True,
) -> RemoteState:
    """Fetch what changed in bucket and Label Studio since this clone's last fetch.

    Args:
        repository: the clone, for its label commits.
        remote: the branch in bucket and Label Studio.
        state: the last sync.
        numbers: annotations that changed: where possible only these are fetched, neither recordings nor label config.
        write: create missing tasks, set invalid task objects aside, and repair what Label Studio cannot show.
            Nothing else is written.

    Raises:
        NotFoundError: the project was deleted from Label Studio, or replaced by another one.
        ServiceError: Label Studio or the bucket cannot be reached, or fails.
    """
    if numbers is not None and repository.pointer(SERIES) == state.series:
        named = _fetch_named(repository, remote, state, numbers)
        if named:
            return named
    project = remote.project(state)
    series, invalid = remote.recordings()
    known = functools.cache(lambda: tasks_file.read(repository.root / tasks_file.PATH))
    set_aside = _fetch_tasks(remote, state, known, write)
    missing = _create_missing_tasks(remote, series, write)
    if write and (missing or project["task_number"] < remote.mirror.count(remote.tasks_prefix)):
        _read_source(remote, state)
    remote.annotations.refresh()
    if write and lone_surrogates.repair_annotations(remote, state.project):
        remote.annotations.refresh()
    found = _last_state(repository, remote, state)
    compared = reconcile.reconcile(remote.annotations, project, committed_in(found.agreed, state))
    if write:
        _mend_hidden(remote, state, compared, known)
    found = _compared(remote, found, compared, series, new_tasks=bool(missing))
    return replace(
        found,
        invalid=[*found.invalid, *set_aside, *invalid],
        config=str(project["label_config"]),
        settings_page=f"{remote.studio.session.url}/projects/{state.project}/settings/labeling",
    )


def read_recordings(remote: Remote, theirs: RemoteState, base: Side, ours: Side) -> RemoteState:
    """Add the MD5 of each recording; one whose ETag is no MD5 is read, once."""
    if theirs.series is None:
        return theirs
    sides = (base.series, ours.series)
    known = {key: {side[key] for side in sides if key in side} for key in {*base.series, *ours.series}}
    return replace(theirs, recordings=remote.contents(theirs.series, known))


def _mend_hidden(
    remote: Remote,
    state: State,
    compared: reconcile.Discrepancies,
    known: Callable[[], task_objects.TaskData],
) -> None:
    """Repair what Label Studio cannot show, and have it write those annotations into the bucket."""
    if compared.unreadable:
        lone_surrogates.repair_tasks(remote, compared.unreadable, known())
    if not compared.hidden:
        return
    for storage in remote.studio.projects.storages(state.project)[1]:
        remote.studio.projects.sync_target(storage["id"])
    keys = {remote.annotations.key(number): number for number in compared.hidden}
    # Only these: for others the comparison has put into the mirror what the bucket still lacks.
    remote.annotations.read(keys)
    lone_surrogates.repair_annotations(remote, state.project)
    remote.annotations.read(keys)
    for key, number in keys.items():
        if not remote.mirror.at([key]):
            note(
                f"annotation {number}: Label Studio can neither show it nor write it to the bucket: left out"
            )


def _fetch_named(
    repository: Repository, remote: Remote, state: State, numbers: Collection[int]
) -> RemoteState | None:
    """Fetch the annotations with these numbers and no others.

    Those whose objects are unchanged are requested from Label Studio: it may have deleted only the annotation.

    Returns:
        None where everything has to be fetched: this clone does not know the last sync, an object is invalid, or the
        bucket lacks one, which does not mean that its annotation was deleted.

    Raises:
        NotFoundError: annotations are missing because the project was deleted or replaced.
    """
    mirror, annotations, studio = remote.mirror, remote.annotations, remote.studio
    if mirror.note(_labels_note(remote)) != state.etag:
        return None
    named = {annotations.key(number): number for number in numbers}
    before = {row.key: row.etag for row in mirror.at(named)}
    # Label Studio may have written others for an earlier sync, which were not fetched since.
    keys = {*named, *itertools.chain(*mirror.changed(remote.annotations_prefix).values())}
    annotations.read(keys)
    rows = mirror.at(keys)
    if any(row.problem for row in rows):
        return None
    without_object = _without_object(remote)
    unchanged = [named[row.key] for row in rows if row.key in named and before.get(row.key) == row.etag]
    try:
        gone = {number for number in (*without_object, *unchanged) if studio.annotation(number) is None}
    except BrokenResponseError:
        return None  # fetching everything repairs what Label Studio cannot show
    if gone:
        remote.project(state)  # in another Label Studio every annotation is missing
    if not gone.issuperset(without_object):
        return None
    deleted = [annotations.key(number) for number in gone.intersection(unchanged)]
    mirror.forget(deleted)
    compared = reconcile.Discrepancies(deleted=deleted)
    return _compared(remote, _last_state(repository, remote, state), compared, None, new_tasks=False)


def _without_object(remote: Remote) -> list[int]:
    """Numbers of the annotations that moved and are not in the bucket."""
    moved = remote.mirror.changed(remote.annotations_prefix)
    numbers = {key: number for found in moved.values() for key, (number, _) in found.items() if number}
    existing = {row.key for row in remote.mirror.at(numbers)}
    return [number for key, number in sorted(numbers.items()) if key not in existing]


def remember(
    remote: Remote, state: State, series: Mapping[str, str] | None, pending: Mapping[int, Record]
) -> None:
    """Note in the mirror that bucket and label commit are equal as of `state`.

    Args:
        remote: whose mirror has the notes.
        state: the sync.
        series: ETag of each recording; None where they were not fetched.
        pending: annotations that Label Studio is still writing to the bucket, by number: the next sync fetches them.
    """
    notes = [(_labels_note(remote), state.etag)]
    if series is not None:
        notes.append((_series_note(remote), _digest(series)))
    moved = [
        (remote.annotations.key(number), shard_name(record["series"]), number, record["id"])
        for number, record in pending.items()
    ]
    remote.mirror.settle(remote.annotations_prefix, notes, moved)
    remote.mirror.settle(remote.tasks_prefix, (), ())


def _labels_note(remote: Remote) -> str:
    # `agreed ..`, the note of older versions, is ignored: it may lack re-created annotations.
    return f"known {remote.prefix}"


def _series_note(remote: Remote) -> str:
    return f"series {remote.prefix}"


def _digest(series: Mapping[str, str]) -> str:
    return hashlib.md5(json.dumps(series, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _last_state(repository: Repository, remote: Remote, state: State) -> RemoteState:
    """The state of the last sync, before bucket and Label Studio are compared."""
    return RemoteState(
        state=state,
        agreed=shards_of(repository, state.labels),
        annotations=remote.annotations,
        accounts=Accounts(
            functools.cache(lambda: remote.studio.users().values()), functools.cache(remote.studio.whoami)
        ),
        known=remote.mirror.note(_labels_note(remote)) == state.etag,
    )


def _compared(
    remote: Remote,
    found: RemoteState,
    compared: reconcile.Discrepancies,
    series: dict[str, str] | None,
    *,
    new_tasks: bool,
) -> RemoteState:
    mirror = remote.mirror
    moved = mirror.changed(remote.annotations_prefix)
    changed = moved or mirror.changed(remote.tasks_prefix) or new_tasks or compared.missed or compared.lost
    other_series = series is not None and mirror.note(_series_note(remote)) != _digest(series)
    return replace(
        found,
        compared=compared,
        count=mirror.count(remote.annotations_prefix),
        moved=moved,
        series=series,
        invalid=[*mirror.invalid(remote.annotations_prefix), *mirror.invalid(remote.tasks_prefix)],
        unchanged=found.known and not changed and not other_series,
    )


def _fetch_tasks(
    remote: Remote, state: State, known: Callable[[], task_objects.TaskData], write: bool
) -> list[Row]:
    """Fetch the tasks in the bucket; returns the invalid objects that were set aside."""
    if write:
        return task_objects.set_aside(remote, known, state.project)
    remote.refresh_tasks()
    return []


def _read_source(remote: Remote, state: State) -> None:
    """Sync the source storages: Label Studio creates tasks; a failure does not stop the sync of labels."""
    for source in remote.studio.projects.storages(state.project)[0]:
        try:
            remote.studio.projects.sync_source(source["id"])
        except SourceError as error:
            note(f"{error.what}: {error.where}: {error.why}")


def _create_missing_tasks(remote: Remote, series: Mapping[str, str], write: bool) -> list[str]:
    """Write the task objects of recordings that have none; returns the keys of these series."""
    known = remote.mirror.etags(remote.tasks_prefix)
    missing = sorted(key for key in series if remote.task_key(key) not in known)
    if write and missing:
        for key in missing:
            remote.put_task(key, {})
        remote.refresh_tasks()
    return missing


def task_data(remote: Remote) -> dict[str, dict[str, Any]]:
    """Task data by series, without the recording's address, as the bucket has them."""
    rows = remote.mirror.rows(remote.tasks_prefix)
    return {remote.series_of_task(row.key): row.value for row in rows if row.value is not None}
