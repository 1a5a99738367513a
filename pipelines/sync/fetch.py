"""What bucket and Label Studio hold now, as far as it differs from what they held at the last sync.

The mirror knows which annotations moved since this clone saw bucket and label commit agree. As long as that is the
sync that `sync.json` tells of, nothing else has to be compared.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.sync.push_labels import adopt
from storage.label_studio.projects import SourceError
from storage.label_studio.session import BrokenAnswerError
from storage.labels.label_store import LabelMerge, Shard, asked, differing, parse, shard_bytes
from storage.labels.snapshot import Record, edit, find, moment, same, shard_name
from storage.labels.three_way import Settlement
from storage.progress import note
from storage.project_files import tasks_file
from storage.remote import half_characters, identity, reconcile, task_objects
from storage.remote.identity import kept
from storage.remote.remote import Remote
from storage.remote.sync_state import State
from storage.repo.pointer import LABELS
from storage.repo.repository import Repository
from storage.s3.mirror import Row
from storage.text.json_text import whole_number


@dataclass(frozen=True)
class Theirs:
    """What a look at bucket and Label Studio found.

    Attributes:
        known: this clone saw bucket and label commit agree as `sync.json` says: only what moved can differ.
        moved: by shard and key, number and record id of the annotations that moved since; "" are other objects.
        series: ETag of each recording by series key; None where only named annotations were looked at.
        aside: objects that say nothing, with the reason: those of tasks were moved, the others left.
        compared: how bucket and Label Studio differ; nothing of it has been written yet.
        quiet: nothing moved at all.
    """

    known: bool
    moved: dict[str, dict[str, tuple[int, str]]]
    series: dict[str, str] | None
    aside: list[Row]
    compared: reconcile.Found
    quiet: bool


def look(
    repository: Repository, remote: Remote, state: State, project: Mapping[str, Any], write: bool = True
) -> Theirs:
    """Look at everything; gets only what changed since this clone looked last.

    Args:
        repository: whose label commits say what is safe.
        remote: the branch's place in bucket and Label Studio.
        state: which project in Label Studio, and what was agreed on.
        project: what Label Studio says of the project.
        write: give recordings that have no task one, move what is no task out of the way, and mend what Label Studio
            cannot show. Nothing else is written.

    Raises:
        ServiceError: Label Studio or the bucket does not answer, or fails.
    """
    series, refused = remote.recordings()
    known = functools.cache(lambda: tasks_file.read(repository.root / tasks_file.PATH))
    moved = _tidy_tasks(remote, state, known, write)
    missing = _without_task(remote, series, write)
    if write and (missing or project["task_number"] < remote.mirror.count(remote.tasks_prefix)):
        _read_source(remote, state)
    remote.annotations.refresh()
    if write and half_characters.mend(remote, state.project):
        remote.annotations.refresh()
    compared = reconcile.reconcile(remote.annotations, project, _committed(repository, state))
    if write:
        _mend_hidden(remote, state, compared, known)
    found = _found(remote, state, series, compared, new_tasks=bool(missing))
    return replace(found, aside=[*found.aside, *moved, *refused])


def _mend_hidden(
    remote: Remote, state: State, compared: reconcile.Found, known: Callable[[], task_objects.Known]
) -> None:
    """Mend what Label Studio cannot show, and have it write the annotations among that into the bucket."""
    if compared.unreadable:
        half_characters.mend_tasks(remote, compared.unreadable, known())
    if not compared.hidden:
        return
    for storage in remote.studio.storages(state.project)[1]:
        remote.studio.sync_target(storage["id"])
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


def _committed(repository: Repository, state: State) -> Callable[[Row], bool]:
    """Whether the labels that bucket and commit agreed on at the last sync have what an object says."""
    shards: dict[str, bytes] = {}

    def committed(row: Row) -> bool:
        record, name = row.value["record"], row.value["shard"]
        if name not in shards:
            shards[name] = shard_bytes(repository, repository.folder(state.labels, LABELS).get(name))
        keeps = kept(state.ids, record["id"], row.value["annotation"])
        known = find(shards[name], [keeps]).get(keeps)
        return known is not None and same(known, record | {"id": keeps, "annotator": known["annotator"]})

    return committed


def look_at(remote: Remote, state: State, numbers: Collection[int]) -> Theirs | None:
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
    keys = {*named, *itertools.chain(*mirror.moved(remote.annotations_prefix).values())}
    annotations.read(keys)
    rows = mirror.at(keys)
    if any(row.problem for row in rows):
        return None
    lost = _without_object(remote)
    same = [named[row.key] for row in rows if row.key in named and before.get(row.key) == row.etag]
    try:
        gone = {number for number in (*lost, *same) if remote.studio.annotation(number) is None}
    except BrokenAnswerError:
        return None  # a look at everything mends what Label Studio cannot show
    if gone:
        remote.project(state)  # in another Label Studio any annotation seems to be gone
    if not gone.issuperset(lost):
        return None
    compared = reconcile.Found(deleted=[annotations.key(number) for number in gone.intersection(same)])
    mirror.forget(compared.deleted)
    return _found(remote, state, None, compared, new_tasks=False)


def _without_object(remote: Remote) -> list[int]:
    """Numbers of the annotations that moved and are not in the bucket."""
    moved = remote.mirror.moved(remote.annotations_prefix)
    numbers = {key: number for found in moved.values() for key, (number, _) in found.items() if number}
    there = {row.key for row in remote.mirror.at(numbers)}
    return [number for key, number in sorted(numbers.items()) if key not in there]


def agree(remote: Remote, state: State, theirs: Theirs, still: Mapping[int, Record]) -> None:
    """Remember that this clone saw bucket and label commit agree, as `state` says.

    Args:
        remote: the branch's place in bucket and Label Studio.
        state: what was agreed on.
        theirs: what was looked at.
        still: annotations that Label Studio writes to the bucket anew, by number: they are to be looked at again,
            also those that were made now and have never been looked at.
    """
    notes = [(_labels_note(remote), state.etag)]
    if theirs.series is not None:
        notes.append((_series_note(remote), _digest(theirs.series)))
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


def _found(
    remote: Remote, state: State, series: dict[str, str] | None, compared: reconcile.Found, new_tasks: bool
) -> Theirs:
    mirror = remote.mirror
    known = mirror.note(_labels_note(remote)) == state.etag
    moved = mirror.moved(remote.annotations_prefix)
    stirred = moved or mirror.moved(remote.tasks_prefix) or new_tasks or compared.missed or compared.lost
    other_series = series is not None and mirror.note(_series_note(remote)) != _digest(series)
    aside = [*mirror.aside(remote.annotations_prefix), *mirror.aside(remote.tasks_prefix)]
    return Theirs(known, moved, series, aside, compared, known and not stirred and not other_series)


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
    for source in remote.studio.storages(state.project)[0]:
        try:
            remote.studio.sync_source(source["id"])
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


# -- labels ---------------------------------------------------------------------------------------


@dataclass
class Labels(LabelMerge):
    """Labels of bucket and work tree, merged.

    Attributes:
        ids: of `sync.json`: annotations that were made again.
        numbers: number in Label Studio of the annotations that ours changed.
        theirs: shards as the bucket has them, where ours has something that it lacks.
        again: records that Label Studio has lost and is given again, with the key of the object that each still has;
            "" where the object is another annotation's now.
    """

    ids: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    theirs: dict[str, bytes] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)


def merge(
    repository: Repository, remote: Remote, base: str, state: State, found: Theirs, settlement: Settlement
) -> Labels:
    """Merge what the bucket holds into the work tree's snapshot, shard by shard.

    What Label Studio has lost and a label commit has is taken for something that both sides never had: so it is sent
    to Label Studio again. What it has lost and no label commit has counts as labeled, once.

    Args:
        repository: whose `data/labels.dvc` is ours.
        remote: where theirs are.
        base: hash of the snapshot that both came from.
        state: what was agreed on at the last sync.
        found: what was looked at.
        settlement: how conflicts were settled.
    """
    was, ours = (repository.folder(md5, LABELS) for md5 in (base, repository.pointer(LABELS)))
    agreed = was if base == state.labels else repository.folder(state.labels, LABELS)
    result, config = Labels(ids=dict(state.ids)), asked(repository)
    known = found.known and base == state.labels
    committed, lost = _committed(repository, state), _by_shard(found.compared.lost.values())
    names = set(differing(was, ours)) | {name for name in found.moved if name} | lost.keys()
    if not known:
        names |= was.keys() | remote.mirror.shards(remote.annotations_prefix)
    for name in sorted(names):
        our_bytes = shard_bytes(repository, ours.get(name))
        moved = found.moved.get(name, {})
        if known and was.get(name) == ours.get(name):
            # What has moved to a series of another shard is there under the same key.
            rows = [row for row in remote.mirror.at(moved) if row.value and row.value["shard"] == name]
            old = {_kept(remote, state, record, number) for number, record in moved.values()}
            old |= {_kept_by(remote, state, row) for row in (*rows, *lost.get(name, ()))}
            our = find(our_bytes, old)
            base_records = our
        else:
            rows = remote.mirror.of_shard(remote.annotations_prefix, name)
            our = parse(our_bytes, name)
            base_records = parse(shard_bytes(repository, was.get(name)), name)
        others: Shard = {}  # what a sync that is news to ours has written
        if agreed.get(name) != was.get(name):
            others = parse(shard_bytes(repository, agreed.get(name)), name)
        again = {_kept_by(remote, state, row): row.key for row in lost.get(name, ()) if committed(row)}
        theirs, numbers = _shard(remote, [row for row in rows if row.key not in again.values()], state)
        again |= _given_twice(
            remote, state, {n: base_records[n] for n in base_records.keys() - theirs.keys()}
        )
        base_records = {record: value for record, value in base_records.items() if record not in again}
        result.again |= again
        _keep_identity(remote, base_records | others | our, theirs, numbers, result.ids)
        before = len(result.outgoing)
        result.add(name, our_bytes, (base_records, our, theirs), settlement, others, config)
        if len(result.outgoing) > before:
            held = {record: theirs.get(record) for record in our.keys() | theirs.keys()}
            result.theirs[name] = edit(our_bytes, held)
        result.numbers |= {c.name: numbers[c.name] for c in result.outgoing[before:] if c.name in numbers}
    return result


def _kept_by(remote: Remote, state: State, row: Row) -> str:
    """The id of the record that an object's annotation stands for."""
    return _kept(remote, state, row.value["record"]["id"], row.value["annotation"])


def _kept(remote: Remote, state: State, own: str, number: int) -> str:
    """The same of an annotation with this id of its own."""

    def is_there(name: str) -> bool:
        other = whole_number(name.partition("-")[0])
        rows = remote.mirror.at([remote.annotations.key(other)]) if other is not None else []
        return any(row.value and row.value["record"]["id"] == name for row in rows)

    return kept(state.ids, own, number, is_there)


def _given_twice(remote: Remote, state: State, missing: Mapping[str, Record]) -> dict[str, str]:
    """Records whose annotation is gone because Label Studio gave its number to a later one: it was put back."""
    own = {record: name for name, record in state.ids.items()}
    found = {}
    for name, record in missing.items():
        current = own.get(name, name)
        text, _, digest = current.partition("-")
        number = whole_number(text)
        rows = remote.mirror.at([remote.annotations.key(number)]) if number is not None and digest else []
        for row in rows:
            then, now = moment(record["created_at"]), row.value and moment(row.value["record"]["created_at"])
            if then and now and row.value["record"]["id"] != current and now > then:
                found[name] = ""
    return found


def _by_shard(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.value["shard"], []).append(row)
    return found


def _shard(remote: Remote, rows: Iterable[Row], state: State) -> tuple[Shard, dict[str, int]]:
    """Records by id, those that were made again under the id that they keep, and their numbers."""
    records: Shard = {}
    numbers = {}
    for row in (row for row in rows if row.value is not None):
        number, record = row.value["annotation"], row.value["record"]
        keeps = _kept_by(remote, state, row)
        if keeps not in records:
            record["id"] = keeps
        record["annotator"] = identity.annotator(
            state.annotators, row.value.get("import_id"), record["annotator"]
        )
        records[record["id"]], numbers[record["id"]] = record, number
    return records, numbers


def _keep_identity(
    remote: Remote, known: Shard, theirs: Shard, numbers: dict[str, int], ids: dict[str, str]
) -> None:
    """Recognise annotations that were made again, and give them back id and annotator."""
    for name, keeps in adopt(known, theirs, remote.studio).items():
        record, number = theirs.pop(name), numbers.pop(name)
        theirs[keeps], numbers[keeps] = record | {"id": keeps}, number
        ids[name] = keeps
    made = identity.numbers(ids)
    for name in known.keys() & theirs.keys():
        # Made again by whoever had the token where the annotator has left: still that person's annotation.
        if made.get(name) == numbers[name]:
            theirs[name] = theirs[name] | {"annotator": known[name]["annotator"]}
