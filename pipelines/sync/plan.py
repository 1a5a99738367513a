"""The plan of a sync, a pure function of the sides: no server is contacted and nothing is written.

*Base* is the common state at an earlier sync, *ours* the work tree, *theirs* bucket and Label Studio. What one side
changed goes to the other; what both changed differently is merged where possible, else it is a conflict.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pipelines.sync import shared_label_config
from pipelines.sync.remote_state import Accounts, RemoteAnnotations, RemoteState, Side
from pipelines.sync.shared_label_config import ConfigPlan
from storage.errors import InputError
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.labels.label_store import LabelMerge, Shard, Shards, differing
from storage.labels.snapshot import Record, edit, find, parse_time, same
from storage.labels.snapshot import content as content_of
from storage.labels.three_way import OPEN, Change, Conflict, Merge, Settlement, take_one_side, three_way
from storage.remote import identity
from storage.remote.sync_state import State
from storage.s3.mirror import Row
from storage.text.json_text import whole_number


@dataclass
class LabelPlan(LabelMerge):
    """Changes of labels.

    Attributes:
        ids: of `sync.json`: annotations that were created again.
        numbers: number in Label Studio of the annotations that ours changed.
        theirs: shards as the bucket has them, where ours has changes for it.
        again: records that Label Studio has lost and that are created again, with the key of the object that each
            still has; "" where the object is another annotation's now.
    """

    ids: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    theirs: dict[str, bytes] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)

    @property
    def made_again(self) -> int:
        """How many annotations Label Studio had lost and are created again."""
        return sum(change.before is None and change.name in self.again for change in self.outgoing)

    def outlived(self, annotations: RemoteAnnotations, ids: Mapping[str, str]) -> list[str]:
        """Keys of objects whose annotations were created again under other numbers (`ids`)."""
        numbers = identity.numbers(ids)
        now = {annotations.key(numbers[name]) for name in self.again if name in numbers}
        return [key for key in self.again.values() if key and key not in now]

    def rewritten(self, ids: Mapping[str, str]) -> dict[int, Record]:
        """Annotations whose objects Label Studio rewrites because of this plan, by number."""
        numbers = identity.numbers(ids) | self.numbers
        return {numbers[change.name]: change.after for change in self.outgoing if change.after is not None}


@dataclass(frozen=True)
class SyncPlan:
    """Changes for each side.

    Attributes:
        labels: annotations.
        series: recordings, as MD5 by series key; None where they are not compared.
        config: the label config; None where it is not compared.
    """

    labels: LabelPlan
    series: Merge[str] | None
    config: ConfigPlan | None

    @property
    def conflicts(self) -> list[Conflict]:
        """Conflicts to settle before anything is written."""
        return [*self.labels.conflicts, *(self.series.conflicts if self.series else ())]

    @property
    def incoming(self) -> bool:
        """Whether labels or recordings of the work tree change."""
        return bool(self.labels.shards or (self.series and self.series.incoming))

    @property
    def outgoing(self) -> bool:
        """Whether labels or recordings in bucket or Label Studio change."""
        return bool(self.labels.outgoing or (self.series and self.series.outgoing))


def make_plan(base: Side, ours: Side, theirs: RemoteState, settlement: Settlement = OPEN) -> SyncPlan:
    """Compare the sides.

    Raises:
        ConflictError: both sides changed the label config, and it is not settled.
        InputError: a label config cannot be used, or the settlement names what is no conflict.
    """
    config = None
    if ours.config is not None and theirs.config is not None:
        config = shared_label_config.plan(
            ours.config, theirs.config, theirs.state.label_config, theirs.settings_page, settlement
        )
    labels = plan_labels(base.labels, ours.labels, theirs, settlement, _usable(ours.config))
    series = None
    if theirs.recordings is not None:
        series = plan_recordings(base.series, ours.series, theirs.recordings, settlement)
    settlement.check_names()
    return SyncPlan(labels, series, config)


def _usable(text: str | None) -> LabelConfig | None:
    """The parsed label config; None where it cannot be used."""
    try:
        return label_config.parse(text) if text else None
    except InputError:
        return None


def plan_recordings(
    base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str], settlement: Settlement
) -> Merge[str]:
    """Three-way comparison of recordings, each an MD5 by series key.

    A recording is never deleted from the bucket, which all branches share: one that is missing here comes back.
    """
    found = three_way(base, ours, theirs, operator.eq, take_one_side(settlement, "series"))
    back = [Change(c.name, None, c.before) for c in found.outgoing if c.after is None]
    merged = found.merged | {c.name: c.after for c in back if c.after is not None}
    outgoing = [c for c in found.outgoing if c.after is not None]
    return Merge(merged, [*found.incoming, *back], outgoing, found.conflicts)


# -- labels ---------------------------------------------------------------------------------------


def plan_labels(
    base: Shards, ours: Shards, theirs: RemoteState, settlement: Settlement, config: LabelConfig | None
) -> LabelPlan:
    """Three-way merge of annotations, shard by shard; only shards in which something differs are read.

    What Label Studio has lost and a label commit has is left out of base and theirs, so it is created in Label Studio
    again. What it has lost and no label commit has stays in theirs, so it comes into the next one.
    """
    result = LabelPlan(ids=dict(theirs.state.ids))
    moved_only = theirs.known and base.hashes == theirs.agreed.hashes
    committed, lost = committed_in(theirs.agreed, theirs.state), _by_shard(theirs.compared.lost.values())
    names = {*differing(base.hashes, ours.hashes), *(name for name in theirs.moved if name), *lost}
    if not moved_only:
        names |= base.hashes.keys() | theirs.annotations.shards()
    for name in sorted(names):
        our_bytes, gone = ours.data(name), lost.get(name, [])
        if moved_only and base.hashes.get(name) == ours.hashes.get(name):
            rows, mine = _moved(theirs, name, our_bytes, gone)
            was = mine
        else:
            rows = theirs.annotations.of_shard(name)
            mine, was = ours.records(name), base.records(name)
        agreed: Shard = {}  # written by a sync that ours does not have yet
        if theirs.agreed.hashes.get(name) != base.hashes.get(name):
            agreed = theirs.agreed.records(name)
        again = {_kept_by(theirs, row): row.key for row in gone if committed(row)}
        there, numbers = _records(theirs, (row for row in rows if row.key not in again.values()))
        again |= _given_twice(theirs, {record: was[record] for record in was.keys() - there.keys()})
        was = {record: value for record, value in was.items() if record not in again}
        result.again |= again
        _keep_identity(theirs.accounts, was | agreed | mine, there, numbers, result.ids)
        before = len(result.outgoing)
        result.add(name, our_bytes, (was, mine, there), settlement, agreed, config)
        if len(result.outgoing) > before:
            held = {record: there.get(record) for record in mine.keys() | there.keys()}
            result.theirs[name] = edit(our_bytes, held)
        result.numbers |= {c.name: numbers[c.name] for c in result.outgoing[before:] if c.name in numbers}
    return result


def committed_in(agreed: Shards, state: State) -> Callable[[Row], bool]:
    """Returns whether the labels of the last sync have the annotation of an object."""
    read: dict[str, bytes] = {}

    def committed(row: Row) -> bool:
        record, name = row.value["record"], row.value["shard"]
        if name not in read:
            read[name] = agreed.data(name)
        keeps = identity.record_of(state.ids, record["id"], row.value["annotation"])
        known = find(read[name], [keeps]).get(keeps)
        return known is not None and same(known, record | {"id": keeps, "annotator": known["annotator"]})

    return committed


def _moved(theirs: RemoteState, name: str, our_bytes: bytes, gone: list[Row]) -> tuple[list[Row], Shard]:
    """The changed rows of a shard, and the records of base that they stand for."""
    moved = theirs.moved.get(name, {})
    # An annotation that moved to a series of another shard keeps its key.
    rows = [row for row in theirs.annotations.at(moved) if row.value and row.value["shard"] == name]
    old = {_kept(theirs, record, number) for number, record in moved.values()}
    old |= {_kept_by(theirs, row) for row in (*rows, *gone)}
    return rows, find(our_bytes, old)


def _kept_by(theirs: RemoteState, row: Row) -> str:
    """The id of the record that an object's annotation stands for."""
    return _kept(theirs, row.value["record"]["id"], row.value["annotation"])


def _kept(theirs: RemoteState, own: str, number: int) -> str:
    """The same of an annotation with this id of its own."""

    def is_there(name: str) -> bool:
        other = whole_number(name.partition("-")[0])
        rows = theirs.annotations.at([theirs.annotations.key(other)]) if other is not None else []
        return any(row.value and row.value["record"]["id"] == name for row in rows)

    return identity.record_of(theirs.state.ids, own, number, is_there)


def _given_twice(theirs: RemoteState, missing: Mapping[str, Record]) -> dict[str, str]:
    """Records whose number Label Studio, restored from a backup, has given to a later annotation."""
    own = {record: name for name, record in theirs.state.ids.items()}
    found = {}
    for name, record in missing.items():
        current = own.get(name, name)
        text, _, digest = current.partition("-")
        number = whole_number(text)
        known = number is not None and digest
        rows = theirs.annotations.at([theirs.annotations.key(number)]) if known and number is not None else []
        for row in rows:
            then, now = (
                parse_time(record["created_at"]),
                row.value and parse_time(row.value["record"]["created_at"]),
            )
            if then and now and row.value["record"]["id"] != current and now > then:
                found[name] = ""
    return found


def _by_shard(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.value["shard"], []).append(row)
    return found


def _records(theirs: RemoteState, rows: Iterable[Row]) -> tuple[Shard, dict[str, int]]:
    """Records by id, re-created ones under the id that they keep, and their numbers."""
    records: Shard = {}
    numbers = {}
    for row in (row for row in rows if row.value is not None):
        record, number = row.value["record"], row.value["annotation"]
        keeps = _kept_by(theirs, row)
        who = identity.annotator(theirs.state.annotators, row.value.get("import_id"), record["annotator"])
        record = record | {"id": record["id"] if keeps in records else keeps, "annotator": who}
        records[record["id"]], numbers[record["id"]] = record, number
    return records, numbers


# -- annotations that were created again -----------------------------------------------------------


def _keep_identity(
    accounts: Accounts, known: Shard, theirs: Shard, numbers: dict[str, int], ids: dict[str, str]
) -> None:
    """Recognise annotations that were created again, and restore their id and annotator."""
    for name, keeps in adopt(known, theirs, accounts).items():
        record, number = theirs.pop(name), numbers.pop(name)
        theirs[keeps], numbers[keeps] = record | {"id": keeps}, number
        ids[name] = keeps
    made = identity.numbers(ids)
    for name in known.keys() & theirs.keys():
        # Created again with the token's account where the annotator has none: still that person's annotation.
        if made.get(name) == numbers[name]:
            theirs[name] = theirs[name] | {"annotator": known[name]["annotator"]}


def adopt(ours: Mapping[str, Record], theirs: Mapping[str, Record], accounts: Accounts) -> dict[str, str]:
    """Recognise annotations that an interrupted sync created again, by their content.

    Args:
        ours, theirs: records by id.
        accounts: annotations of people without an account were created by the token's owner.

    Returns:
        The record id that an unknown record of `theirs` should keep, by the id it has now.
    """
    lost, new = sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys())
    if not (lost and new):
        return {}
    found = _pair(lost, new, lambda name: content_of(ours[name]), lambda name: content_of(theirs[name]))
    lost = [name for name in lost if name not in found.values()]
    made = [name for name in new if name not in found]
    known = set(accounts.emails()) if lost and made else set()
    lost = [name for name in lost if ours[name]["annotator"] not in known]
    if lost and made:
        me = accounts.owner()
        mine = [name for name in made if theirs[name]["annotator"] == me]
        found |= _pair(
            lost, mine, lambda name: content_of(ours[name], me), lambda name: content_of(theirs[name], me)
        )
    return found


def _pair(
    lost: Iterable[str], new: Iterable[str], before: Callable[[str], str], after: Callable[[str], str]
) -> dict[str, str]:
    waiting: dict[str, list[str]] = defaultdict(list)
    for name in lost:
        waiting[before(name)].append(name)
    return {name: waiting[content].pop(0) for name in new if waiting.get(content := after(name))}
