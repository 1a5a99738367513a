"""Label snapshots in the DVC cache, read and merged shard by shard.

Only shards that differ are read, and one shard is parsed at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from storage.errors import InputError
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.labels import snapshot
from storage.labels.annotation_merge import combiner
from storage.labels.snapshot import Record
from storage.labels.three_way import OPEN, Change, Conflict, Settlement, three_way
from storage.paths import LABELS
from storage.repo.git import Git
from storage.repo.repository import Repository

Shard = dict[str, Record]


@dataclass(frozen=True)
class Shards:
    """The shards of one label snapshot, read on demand.

    Attributes:
        hashes: MD5 of each file by its name.
        read_object: reads bytes by their MD5.
    """

    hashes: Mapping[str, str]
    read_object: Callable[[str], bytes]

    def data(self, name: str) -> bytes:
        """The bytes of a file; b"" where there is none."""
        md5 = self.hashes.get(name)
        return self.read_object(md5) if md5 else b""

    def records(self, name: str) -> Shard:
        """The records of a file by id."""
        return parse(self.data(name), name)


NO_SHARDS = Shards({}, lambda _: b"")


def shards_of(repository: Repository, labels: str) -> Shards:
    """The shards of a label snapshot in the DVC cache or its remote; `labels` is its hash, "" an empty one."""
    return Shards(repository.folder(labels, LABELS), lambda md5: repository.read([md5])[md5])


def config_at(git: Git, revision: str = "") -> LabelConfig | None:
    """The label config of a revision ("" is the work tree); None where it has none, or an invalid one.

    History stays readable without it: every choice counts as a label then.
    """
    path = git.root / label_config.PATH
    try:
        if not revision:
            return label_config.load(path)
        text = git.show(revision, label_config.PATH.as_posix())
        return label_config.parse(text) if text else None
    except InputError:
        return None


def records(repository: Repository, labels: str) -> Iterator[Record]:
    """The records of a label snapshot, by shard, from the DVC cache or its remote."""
    shards = repository.folder(labels, LABELS)
    repository.require(shards.values())  # in one request: one by one takes minutes
    for name, md5 in sorted(shards.items()):
        yield from snapshot.parse_shard(repository.read([md5])[md5], f"{LABELS}/{name}")


def changes(repository: Repository, before: str, after: str) -> Iterator[Change[Record]]:
    """Records that differ between two label snapshots, given by their hashes ("" is an empty one)."""
    old, new = (shards_of(repository, md5) for md5 in (before, after))
    for name in differing(old.hashes, new.hashes):
        yield from between(old.data(name), new.data(name))


def between(before: bytes, after: bytes) -> Iterator[Change[Record]]:
    """Records that differ between two versions of a shard."""
    for name, was, now in snapshot.difference(before, after):
        if was is None or now is None or not snapshot.same(was, now):
            yield Change(name, was, now)


def differing(*folders: Mapping[str, str]) -> list[str]:
    """Names of the files that are not equal in all of these folders."""
    names = set().union(*folders)
    return sorted(name for name in names if len({folder.get(name) for folder in folders}) > 1)


@dataclass
class LabelMerge:
    """The result of merging label snapshots.

    Attributes:
        shards: shards of ours that change: bytes before and after, b"" where there is none.
        outgoing: changes to theirs.
        conflicts: to be settled before anything is written.
        labeled: series of changed records that are not skipped.
    """

    shards: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    outgoing: list[Change[Record]] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    labeled: set[str] = field(default_factory=set)

    def add(
        self,
        name: str,
        ours: bytes,
        sides: tuple[Shard, Shard, Shard],
        settlement: Settlement,
        agreed: Shard | None = None,
        config: LabelConfig | None = None,
    ) -> None:
        """Merge one shard, or some of its records.

        Args:
            name: of the shard.
            ours: its bytes.
            sides: base, ours and theirs.
            settlement: how conflicts were settled.
            agreed: records of a sync that ours does not have; taken byte for byte where they are equal.
            config: says which control tags allow several choices.
        """
        merge = three_way(*sides, snapshot.same, combiner(settlement, config))
        self.conflicts += merge.conflicts
        self.outgoing += merge.outgoing
        for change in (*merge.incoming, *merge.outgoing):
            if change.after is not None and not change.after["was_cancelled"]:
                self.labeled.add(change.after["series"])
        incoming = {change.name: change.after for change in merge.incoming}
        incoming |= _equivalent_records(agreed or {}, merge.merged, incoming.keys(), sides)
        if incoming:
            self.shards[name] = (ours, snapshot.edit(ours, incoming))

    def incoming(self) -> Iterator[Change[Record]]:
        """Changes to ours, by shard."""
        for before, after in self.shards.values():
            yield from between(before, after)


def _equivalent_records(
    agreed: Shard, merged: Shard, incoming: Set[str], sides: tuple[Shard, Shard, Shard]
) -> Shard:
    """Records of `agreed` that equal the merged ones but differ in bytes, where ours did not change them."""
    base, ours, _ = sides
    return {
        name: record
        for name, record in agreed.items()
        if name in merged
        and (name in incoming or ours.get(name) == base.get(name))
        and record != ours.get(name)
        and snapshot.same(record, merged[name])
    }


def merge(
    repository: Repository,
    base: str,
    ours: str,
    theirs: str,
    settlement: Settlement = OPEN,
    config: LabelConfig | None = None,
) -> LabelMerge:
    """Three-way merge of snapshots, by region; `base`, `ours` and `theirs` are their hashes."""
    was, our, their = (shards_of(repository, md5) for md5 in (base, ours, theirs))
    result = LabelMerge()
    for name in differing(our.hashes, their.hashes):
        data = our.data(name)
        sides = (was.records(name), parse(data, name), their.records(name))
        result.add(name, data, sides, settlement, config=config)
    return result


def store(repository: Repository, ours: str, shards: Mapping[str, bytes]) -> str:
    """Store `ours` with these shards replaced (b"": removed) in the DVC cache; returns the snapshot's hash."""
    kept = {name: md5 for name, md5 in repository.folder(ours, LABELS).items() if name not in shards}
    return repository.cache.store({name: text for name, text in shards.items() if text}, kept)


def parse(data: bytes, name: str) -> Shard:
    """The records of a shard by id."""
    return {record["id"]: record for record in snapshot.parse_shard(data, f"{LABELS}/{name}")}
