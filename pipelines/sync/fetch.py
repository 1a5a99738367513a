"""What bucket and Label Studio hold now, as far as it differs from what they held at the last sync.

The mirror knows which annotations moved since this clone saw bucket and label commit agree. As long as that is the
sync that `sync.json` tells of, nothing else has to be compared.
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
from pipelines.sync.remote_state import RemoteState, Side
from storage.label_studio.client import LabelStudio
from storage.label_studio.projects import SourceError
from storage.label_studio.session import BrokenResponseError
from storage.labels.label_store import shards_of
from storage.labels.snapshot import Record
from storage.paths import SERIES
from storage.progress import note
from storage.project_files import tasks_file
from storage.remote import half_characters, reconcile, task_objects
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
    """Look at bucket and Label Studio; gets only what changed since this clone looked last.

    Args:
        repository: whose label commits say what is safe.
        remote: the branch's place in bucket and Label Studio.
        state: which project in Label Studio, and what was agreed on.
        numbers: annotations that changed: no others are looked at where that will do, neither recordings nor label
            config.
        write: give recordings that have no task one, move what is no task out of the way, and mend what Label Studio
            cannot show. Nothing else is written.

    Raises:
        NotFoundError: the project is gone from Label Studio, or it is another one.
        ServiceError: Label Studio or the bucket does not answer, or fails.
    """
    if numbers is not None and repository.pointer(SERIES) == state.series:
        named = _fetch_named(repository, remote, state, numbers)
        if named:
            return named
    project = remote.project(state)
    series, refused = remote.recordings()
    known = functools.cache(lambda: tasks_file.read(repository.root / tasks_file.PATH))
    moved = _tidy_tasks(remote, state, known, write)
    missing = _without_task(remote, series, write)
    if write and (missing or project["task_number"] < remote.mirror.count(remote.tasks_prefix)):
        _read_source(remote, state)
    remote.annotations.refresh()
    if write and half_characters.mend(remote, state.project):
        remote.annotations.refresh()
    found = _found(repository, remote, state)
    compared = reconcile.reconcile(remote.annotations, project, committed_in(found.agreed, state))
    if write:
        _mend_hidden(remote, state, compared, known)
    found = _compared(remote, found, compared, series, new_tasks=bool(missing))
    return replace(
        found,
        rows_aside=[*found.rows_aside, *moved, *refused],
        config=str(project["label_config"]),
        settings_page=f"{remote.studio.session.url}/projects/{state.project}/settings/labeling",
    )


def read_recordings(remote: Remote, theirs: RemoteState, base: Side, ours: Side) -> RemoteState:
    """The same with the MD5 of each recording; one whose ETag does not say it is read, once."""
    if theirs.series is None:
        return theirs
    sides = (base.series, ours.series)
    known = {key: {side[key] for side in sides if key in side} for key in {*base.series, *ours.series}}
    return replace(theirs, recordings=remote.contents(theirs.series, known))


class _Accounts:
    """Label Studio's accounts, asked for once."""

    def __init__(self, studio: LabelStudio) -> None:
        self.emails = functools.cache(lambda: studio.users().values())
        self.owner = functools.cache(studio.whoami)


def _mend_hidden(
    remote: Remote, state: State, compared: reconcile.Found, known: Callable[[], task_objects.Known]
) -> None:
    """Mend what Label Studio cannot show, and have it write the annotations among that into the bucket."""
    if compared.unreadable:
        half_characters.mend_tasks(remote, compared.unreadable, known())
    if not compared.hidden:
        return
    for storage in remote.studio.projects.storages(state.project)[1]:
        remote.studio.projects.sync_target(storage["id"])
    keys = {remote.annotations.key(number): number for number in compared.hidden}
    # These alone: the comparison has told the mirror of others what the bucket does not say yet.
    remote.annotations.read(keys)
    half_characters.mend(remote, state.project)
    remote.annotations.read(keys)
    for key, number in keys.items():
        if not remote.mirror.at([key]):
            note(
                f"annotation {number}: Label Studio can neither show it nor write it into the bucket: left out"
            )


def _fetch_named(
    repository: Repository, remote: Remote, state: State, numbers: Collection[int]
) -> RemoteState | None:
    """Look at the annotations with these numbers and at no others.

    Label Studio is asked only for those whose objects are as they were: it may have deleted the annotation and
    not the object.

    Returns:
        None where that will not do: this clone does not know what the bucket held at the last sync, or an object
        says nothing, or the bucket lacks it, which is not to say that its annotation is gone.

    Raises:
        NotFoundError: annotations are gone, and so is the project, or it is another one.
    """
    mirror, annotations = remote.mirror, remote.annotations
    if mirror.note(_labels_note(remote)) != state.etag:
        return None
    named = {annotations.key(number): number for number in numbers}
    before = {row.key: row.etag for row in mirror.at(named)}
    # An earlier sync may have had Label Studio write others, which nobody has looked at since.
    keys = {*named, *itertools.chain(*mirror.changed(remote.annotations_prefix).values())}
    annotations.read(keys)
    rows = mirror.at(keys)
    if any(row.problem for row in rows):
        return None
    lost = _without_object(remote)
    same = [named[row.key] for row in rows if row.key in named and before.get(row.key) == row.etag]
    try:
        gone = {number for number in (*lost, *same) if remote.studio.annotation(number) is None}
    except BrokenResponseError:
        return None  # a look at everything mends what Label Studio cannot show
    if gone:
        remote.project(state)  # in another Label Studio any annotation seems to be gone
    if not gone.issuperset(lost):
        return None
    compared = reconcile.Found(deleted=[annotations.key(number) for number in gone.intersection(same)])
    mirror.forget(compared.deleted)
    return _compared(remote, _found(repository, remote, state), compared, None, new_tasks=False)


def _without_object(remote: Remote) -> list[int]:
    """Numbers of the annotations that moved and are not in the bucket."""
    moved = remote.mirror.changed(remote.annotations_prefix)
    numbers = {key: number for found in moved.values() for key, (number, _) in found.items() if number}
    there = {row.key for row in remote.mirror.at(numbers)}
    return [number for key, number in sorted(numbers.items()) if key not in there]


def remember(
    remote: Remote, state: State, series: Mapping[str, str] | None, still: Mapping[int, Record]
) -> None:
    """Remember that this clone saw bucket and label commit agree, as `state` says.

    Args:
        remote: the branch's place in bucket and Label Studio.
        state: what was agreed on.
        series: ETag of each recording; None where they were not looked at.
        still: annotations that Label Studio writes to the bucket anew, by number: they are to be looked at again,
            also those that were made now and have never been looked at.
    """
    notes = [(_labels_note(remote), state.etag)]
    if series is not None:
        notes.append((_series_note(remote), _digest(series)))
    moved = [
        (remote.annotations.key(number), shard_name(record["series"]), number, record["id"])
        for number, record in still.items()
    ]
    remote.mirror.settle(remote.annotations_prefix, notes, moved)
    remote.mirror.settle(remote.tasks_prefix, (), ())


def _labels_note(remote: Remote) -> str:
    # An older `agreed ..` is not believed: what was made again may be missing beside it. All is compared, once.
    return f"known {remote.prefix}"


def _series_note(remote: Remote) -> str:
    return f"series {remote.prefix}"


def _digest(series: Mapping[str, str]) -> str:
    return hashlib.md5(json.dumps(series, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _found(repository: Repository, remote: Remote, state: State) -> RemoteState:
    """What is known before bucket and Label Studio are compared."""
    return RemoteState(
        state=state,
        agreed=shards_of(repository, state.labels),
        annotations=remote.annotations,
        accounts=_Accounts(remote.studio),
        known=remote.mirror.note(_labels_note(remote)) == state.etag,
    )


def _compared(
    remote: Remote,
    found: RemoteState,
    compared: reconcile.Found,
    series: dict[str, str] | None,
    *,
    new_tasks: bool,
) -> RemoteState:
    mirror = remote.mirror
    moved = mirror.changed(remote.annotations_prefix)
    stirred = moved or mirror.changed(remote.tasks_prefix) or new_tasks or compared.missed or compared.lost
    other_series = series is not None and mirror.note(_series_note(remote)) != _digest(series)
    return replace(
        found,
        compared=compared,
        count=mirror.count(remote.annotations_prefix),
        moved=moved,
        series=series,
        rows_aside=[*mirror.invalid(remote.annotations_prefix), *mirror.invalid(remote.tasks_prefix)],
        unchanged=found.known and not stirred and not other_series,
    )


def _tidy_tasks(
    remote: Remote, state: State, known: Callable[[], task_objects.Known], write: bool
) -> list[Row]:
    """Look at the tasks in the bucket; returns the objects that were none and were moved out of the way."""
    if write:
        return task_objects.set_aside(remote, known, state.project)
    remote.refresh_tasks()
    return []


def _read_source(remote: Remote, state: State) -> None:
    """Have Label Studio make tasks; labels are synced whether it can or not."""
    for source in remote.studio.projects.storages(state.project)[0]:
        try:
            remote.studio.projects.sync_source(source["id"])
        except SourceError as error:
            note(f"{error.what}: {error.where}: {error.why}")


def _without_task(remote: Remote, series: Mapping[str, str], write: bool) -> list[str]:
    """Give a task to the recordings that have none; returns their keys."""
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
