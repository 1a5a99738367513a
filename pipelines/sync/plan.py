"""The plan of a sync, a pure function of the sides: no server is contacted and nothing is written.

A three-way merge: *base* is the common state at an earlier sync, *ours* the work tree, *theirs* bucket and Label
Studio. What one side changed goes to the other; what both changed differently is merged where possible, else it is a
conflict.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

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
    kept = [Change(c.name, None, c.before) for c in found.outgoing if c.after is None]
    merged = found.merged | {c.name: c.after for c in kept if c.after is not None}
    outgoing = [c for c in found.outgoing if c.after is not None]
    return Merge(merged, [*found.incoming, *kept], outgoing, found.conflicts)


# -- labels ---------------------------------------------------------------------------------------


def plan_labels(
    base: Shards, ours: Shards, theirs: RemoteState, settlement: Settlement, config: LabelConfig | None
) -> LabelPlan:
    """Three-way merge of annotations, shard by shard; only shards in which something differs are read.

    What Label Studio has lost and a label commit has is left out of base and theirs, so it is created in Label Studio
    again. What it has lost and no label commit has stays in theirs, so it becomes part of the next one.
    """
    result = LabelPlan(ids=dict(theirs.state.ids))
    only_changed = theirs.known and base.hashes == theirs.agreed.hashes
    is_committed = committed_in(theirs.agreed, theirs.state)
    lost: dict[str, list[Row]] = defaultdict(list)
    for row in theirs.compared.lost.values():
        lost[row.value["shard"]].append(row)
    names = {*differing(base.hashes, ours.hashes), *(name for name in theirs.moved if name), *lost}
    if not only_changed:
        names |= base.hashes.keys() | theirs.annotations.shards()
    for name in sorted(names):
        our_bytes, lost_rows = ours.data(name), lost.get(name, [])
        if only_changed and base.hashes.get(name) == ours.hashes.get(name):
            rows, our_records = _changed(theirs, name, our_bytes, lost_rows)
            base_records = our_records
        else:
            rows = theirs.annotations.of_shard(name)
            our_records, base_records = ours.records(name), base.records(name)
        agreed: Shard = {}  # written by a sync that ours does not have yet
        if theirs.agreed.hashes.get(name) != base.hashes.get(name):
            agreed = theirs.agreed.records(name)
        again = {_record_id(theirs, row): row.key for row in lost_rows if is_committed(row)}
        others = (row for row in rows if row.key not in again.values())
        their_records, numbers = records_of(others, theirs.state.annotators, partial(_kept_id, theirs))
        missing = base_records.keys() - their_records.keys()
        again |= _with_reused_number(theirs, {record: base_records[record] for record in missing})
        base_records = {record: value for record, value in base_records.items() if record not in again}
        result.again |= again
        known = base_records | agreed | our_records
        _keep_identity(theirs.accounts, known, their_records, numbers, result.ids)
        before = len(result.outgoing)
        result.add(name, our_bytes, (base_records, our_records, their_records), settlement, agreed, config)
        if len(result.outgoing) > before:
            union = our_records.keys() | their_records.keys()
            result.theirs[name] = edit(our_bytes, {record: their_records.get(record) for record in union})
        result.numbers |= {c.name: numbers[c.name] for c in result.outgoing[before:] if c.name in numbers}
    return result


def committed_in(agreed: Shards, state: State) -> Callable[[Row], bool]:
    """A function that returns whether the labels of the last sync have the annotation of an object."""
    shards: dict[str, bytes] = {}

    def is_committed(row: Row) -> bool:
        record, name = row.value["record"], row.value["shard"]
        if name not in shards:
            shards[name] = agreed.data(name)
        record_id = identity.record_of(state.ids, record["id"], row.value["annotation"])
        known = find(shards[name], [record_id]).get(record_id)
        return known is not None and same(known, record | {"id": record_id, "annotator": known["annotator"]})

    return is_committed


def _changed(theirs: RemoteState, name: str, our_bytes: bytes, lost: list[Row]) -> tuple[list[Row], Shard]:
    """The changed rows of a shard, and their records in base."""
    changed = theirs.moved.get(name, {})
    # An annotation that moved to a series of another shard keeps its key.
    rows = [row for row in theirs.annotations.at(changed) if row.value and row.value["shard"] == name]
    ids = {_kept_id(theirs, own_id, number) for number, own_id in changed.values()}
    ids |= {_record_id(theirs, row) for row in (*rows, *lost)}
    return rows, find(our_bytes, ids)


def _record_id(theirs: RemoteState, row: Row) -> str:
    """The id of the record of an annotation."""
    return _kept_id(theirs, row.value["record"]["id"], row.value["annotation"])


def _kept_id(theirs: RemoteState, own_id: str, number: int) -> str:
    """The id of the record of an annotation: of one that was created again the id that it keeps, else its own."""

    def is_there(name: str) -> bool:
        row = _row(theirs.annotations, name)
        return row is not None and row.value["record"]["id"] == name

    return identity.record_of(theirs.state.ids, own_id, number, is_there)


def _row(annotations: RemoteAnnotations, own_id: str) -> Row | None:
    """The object under the number of an own record id; it may be another annotation's now."""
    number = whole_number(own_id.partition("-")[0])
    rows = annotations.at([annotations.key(number)]) if number is not None else []
    return next((row for row in rows if row.value), None)


def _with_reused_number(theirs: RemoteState, missing: Mapping[str, Record]) -> dict[str, str]:
    """Records whose number Label Studio, restored from a backup, has assigned to a later annotation."""
    own_ids = {record: own_id for own_id, record in theirs.state.ids.items()}
    found = {}
    for name, record in missing.items():
        own_id = own_ids.get(name, name)
        row = _row(theirs.annotations, own_id) if own_id.partition("-")[2] else None
        if row is not None and row.value["record"]["id"] != own_id:
            then, now = (parse_time(r["created_at"]) for r in (record, row.value["record"]))
            if then and now and now > then:
                found[name] = ""
    return found


def records_of(
    rows: Iterable[Row], annotators: Mapping[str, str], record_id: Callable[[str, int], str]
) -> tuple[Shard, dict[str, int]]:
    """Records of annotations in the bucket, and their numbers in Label Studio, by record id.

    Args:
        rows: the objects.
        annotators: of `sync.json`: people without an account.
        record_id: the record id of an annotation, from its own record id and its number.
    """
    records: Shard = {}
    numbers = {}
    for row in (row for row in rows if row.value is not None):
        record, number = row.value["record"], row.value["annotation"]
        name = record_id(record["id"], number)
        who = identity.annotator(annotators, row.value.get("import_id"), record["annotator"])
        record = record | {"id": record["id"] if name in records else name, "annotator": who}
        records[record["id"]], numbers[record["id"]] = record, number
    return records, numbers


# -- annotations that were created again -----------------------------------------------------------


def _keep_identity(
    accounts: Accounts, known: Shard, theirs: Shard, numbers: dict[str, int], ids: dict[str, str]
) -> None:
    """Recognise annotations that were created again, and restore their id and annotator."""
    for own_id, record_id in _match_recreated(known, theirs, accounts).items():
        record, number = theirs.pop(own_id), numbers.pop(own_id)
        theirs[record_id], numbers[record_id] = record | {"id": record_id}, number
        ids[own_id] = record_id
    recreated = identity.numbers(ids)
    for name in known.keys() & theirs.keys():
        # Created again with the token's account where the annotator has none: still that person's annotation.
        if recreated.get(name) == numbers[name]:
            theirs[name] = theirs[name] | {"annotator": known[name]["annotator"]}


def _match_recreated(ours: Shard, theirs: Shard, accounts: Accounts) -> dict[str, str]:
    """Recognise annotations that an interrupted sync created again, by their content.

    Args:
        ours, theirs: records by id.
        accounts: annotations of people without an account were created by the token's owner.

    Returns:
        The record id that an unknown record of `theirs` should keep, by the id it has now.
    """
    missing, new = sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys())
    if not (missing and new):
        return {}
    matched = _match_contents(
        {name: content_of(ours[name]) for name in missing}, {name: content_of(theirs[name]) for name in new}
    )
    missing = [name for name in missing if name not in matched.values()]
    new = [name for name in new if name not in matched]
    emails = set(accounts.emails()) if missing and new else set()
    missing = [name for name in missing if ours[name]["annotator"] not in emails]
    if missing and new:
        owner = accounts.owner()
        matched |= _match_contents(
            {name: content_of(ours[name], owner) for name in missing},
            {name: content_of(theirs[name], owner) for name in new if theirs[name]["annotator"] == owner},
        )
    return matched


def _match_contents(missing: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Names of `missing` by names of `new` with the same content, each at most once."""
    by_content: dict[str, list[str]] = defaultdict(list)
    for name, content in missing.items():
        by_content[content].append(name)
    return {name: by_content[content].pop(0) for name, content in new.items() if by_content.get(content)}
