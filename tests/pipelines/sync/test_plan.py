"""make_plan by itself, on thousands of random histories of two sides: nothing is lost, and both sides end the same.

Label Studio is a dictionary here that does what the real one does: an annotation that is made again gets another
number and another time. What the real servers do is held in the other tests of this folder.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

import pytest

from pipelines.sync.plan import SyncPlan, make_plan
from pipelines.sync.remote_state import Accounts, RemoteState, Side
from storage.files import md5_bytes
from storage.labels import snapshot
from storage.labels.label_store import Shards
from storage.labels.snapshot import Record
from storage.labels.three_way import OPEN, OURS, THEIRS, Settlement
from storage.remote import identity
from storage.remote.reconcile import Discrepancies
from storage.remote.sync_state import State
from storage.s3.keys import shard_name
from storage.s3.mirror import Row
from tests.conftest import result
from tests.support.history_project import record

HISTORIES = 3000
SERIES = ("one", "two", "three")
PEOPLE = ("ann@example.com", "ben@example.com")
GONE = "zoe@example.com"  # has no account any more: what is made again of hers is the token owner's


def shards(records: Iterable[Record]) -> Shards:
    files = snapshot.dump(records)
    objects = {md5_bytes(data): data for data in files.values()}
    return Shards({name: md5_bytes(data) for name, data in files.items()}, objects.__getitem__)


def by_id(found: Shards) -> dict[str, Record]:
    return {name: value for file in found.hashes for name, value in found.records(file).items()}


@dataclass
class Studio:
    """Label Studio and the bucket: annotations by number, each as the record that it would be by itself."""

    held: dict[int, Record] = field(default_factory=dict)
    last: int = 0

    def create(self, series: str, by: str, result: list[object]) -> int:
        self.last += 1
        self.held[self.last] = record(series, self.last, by=by) | {"result": result}
        return self.last

    def key(self, number: int) -> str:
        return str(number)

    def at(self, keys: Collection[str]) -> list[Row]:
        return [self._row(int(key)) for key in keys if int(key) in self.held]

    def of_shard(self, name: str) -> list[Row]:
        return [row for row in map(self._row, self.held) if row.value["shard"] == name]

    def shards(self) -> set[str]:
        return {shard_name(found["series"]) for found in self.held.values()}

    def emails(self) -> Collection[str]:
        return PEOPLE

    def owner(self) -> str:
        return PEOPLE[0]

    def _row(self, number: int) -> Row:
        found = self.held[number]
        value = {"annotation": number, "shard": shard_name(found["series"]), "record": dict(found)}
        return Row(str(number), str(hash(str(found))), value, "")


@dataclass
class World:
    """A work tree and Label Studio, which agreed at first."""

    dice: random.Random
    studio: Studio
    ours: dict[str, Record]
    base: dict[str, Record]
    state: State = field(default_factory=lambda: State(1))
    before: dict[int, Record] = field(default_factory=dict)
    moved: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    known: bool = True

    def plan(self, settlement: Settlement = OPEN, *, known: bool | None = None) -> SyncPlan:
        base = shards(self.base.values())
        theirs = RemoteState(
            state=self.state,
            agreed=base,
            annotations=self.studio,
            accounts=Accounts(self.studio.emails, self.studio.owner),
            compared=Discrepancies(lost={row.key: row for row in self.studio.at(list(map(str, self.lost)))}),
            known=self.known if known is None else known,
            moved=self._moved(),
        )
        return make_plan(Side(base), Side(shards(self.ours.values())), theirs, settlement)

    def _moved(self) -> dict[str, dict[str, tuple[int, str]]]:
        found: dict[str, dict[str, tuple[int, str]]] = {}
        for number in self.moved:
            was = self.before[number]
            found.setdefault(shard_name(was["series"]), {})[str(number)] = (number, was["id"])
        return found

    # -- what people do ---------------------------------------------------------------------------

    def regions(self) -> list[object]:
        starts = [self.dice.randint(0, 3) for _ in range(self.dice.randint(0, 2))]
        return result(*((start, start + 5, self.dice.choice("xy")) for start in starts))

    def label(self) -> None:
        """Somebody works in Label Studio."""
        for _ in range(self.dice.randint(0, 3)):
            number = self.dice.choice([*(self.studio.held.keys() - self.lost), 0])
            if not number:
                number = self.studio.create(
                    self.dice.choice(SERIES), self.dice.choice(PEOPLE), self.regions()
                )
                self.before.setdefault(number, self.studio.held[number])
            elif self.dice.random() < 0.3:
                del self.studio.held[number]
            else:
                self.studio.held[number] = self.studio.held[number] | {"result": self.regions()}
            self.moved.add(number)
        if self.dice.random() < 0.1:  # its database is put back: the bucket still has the object
            self.lost |= set(self.dice.sample(sorted(self.studio.held), min(1, len(self.studio.held))))

    def roll(self, past: list[dict[str, Record]]) -> None:
        """Somebody changes the labels of the work tree: an older snapshot, a part of it, edits."""
        for _ in range(self.dice.randint(0, 2)):
            old = self.dice.choice(past)
            name = self.dice.choice([*old, *self.ours, ""])
            if not name:
                self.ours = dict(old)
            elif name in old:
                self.ours[name] = old[name]
            elif self.dice.random() < 0.5:
                del self.ours[name]
            else:
                self.ours[name] = self.ours[name] | {"result": self.regions()}

    # -- what a sync does -------------------------------------------------------------------------

    def carry_out(self, plan: SyncPlan, *, forget: bool = False) -> None:
        """Bring both sides to the plan; `forget`: cut off before it was noted which annotations were made again."""
        files = {name: after for name, (_, after) in plan.labels.shards.items()}
        ours = shards(self.ours.values())
        rest = [value for name in ours.hashes.keys() - files.keys() for value in ours.records(name).values()]
        new = [value for name, data in files.items() for value in snapshot.parse_shard(data, name)]
        self.ours = {value["id"]: value for value in (*rest, *new)}
        ids = dict(plan.labels.ids)
        for change in plan.labels.outgoing:
            if change.before is None and change.after is not None:
                who = change.after["annotator"]
                who = who if who in self.studio.emails() else self.studio.owner()
                number = self.studio.create(change.after["series"], who, change.after["result"])
                made = self.studio.held[number] | {
                    key: change.after[key] for key in ("was_cancelled", "ground_truth") if key in change.after
                }
                self.studio.held[number] = made
                ids[made["id"]] = change.name
            elif change.after is None:
                number = plan.labels.numbers[change.name]
                del self.studio.held[number]
                self.lost.discard(number)
                ids = identity.without(ids, number)
            else:
                number = plan.labels.numbers[change.name]
                self.studio.held[number] = self.studio.held[number] | {"result": change.after["result"]}
        for key in plan.labels.outlived(self.studio, ids):
            del self.studio.held[int(key)]
            self.lost.discard(int(key))
        if forget:
            self.known = False
            return
        self.state = replace(self.state, ids=ids)
        self.base, self.moved, self.known = dict(self.ours), set(), True
        self.before = dict(self.studio.held)

    def there(self) -> dict[str, Record]:
        """The records that Label Studio's annotations stand for."""
        return {
            identity.record_of(self.state.ids, found["id"], number): found
            for number, found in self.studio.held.items()
        }


def a_world(seed: int) -> World:
    dice = random.Random(seed)  # noqa: S311
    studio = Studio()
    world = World(dice, studio, {}, {})
    for _ in range(dice.randint(0, 4)):
        studio.create(dice.choice(SERIES), dice.choice(PEOPLE), world.regions())
    world.ours = {found["id"]: found for found in studio.held.values()}
    for name in list(world.ours):
        if dice.random() < 0.2:
            world.ours[name] = world.ours[name] | {"annotator": GONE}
    world.state = replace(world.state, ids={name: name for name in world.ours})
    world.base, world.before = dict(world.ours), dict(studio.held)
    return world


def says(found: Record | None) -> object:
    return None if found is None else json.dumps([found["series"], found["result"]], sort_keys=True)


@pytest.mark.parametrize("part", range(3))
def test_both_sides_end_the_same_and_nothing_is_lost(part: int) -> None:
    for seed in range(part, HISTORIES, 3):
        world = a_world(seed)
        past = [dict(world.ours)]
        for _ in range(world.dice.randint(1, 3)):
            world.label()
            world.roll(past)
            check(world, seed)
            past.append(dict(world.ours))


def check(world: World, seed: int) -> None:
    """One sync: what moved is all that it looks at, both sides end the same, and what one side changed is there."""
    base, ours, there, ids = dict(world.base), dict(world.ours), world.there(), world.state.ids
    plan = world.plan()
    assert plan == world.plan(), seed
    if world.known:
        whole = world.plan(known=False)
        assert (plan.labels.shards, plan.labels.outgoing) == (whole.labels.shards, whole.labels.outgoing), (
            seed
        )
        assert (plan.conflicts, plan.labels.again) == (whole.conflicts, whole.labels.again), seed
    taken = ""
    if plan.conflicts:
        taken = world.dice.choice((OURS, THEIRS))
        plan = world.plan(Settlement(taken))
        assert not plan.conflicts, seed
    if world.dice.random() < 0.2:
        world.carry_out(plan, forget=True)
        plan = world.plan(Settlement(taken))
    world.carry_out(plan)
    if world.lost:  # in no label commit before: taken over first, sent again then
        world.carry_out(world.plan())
    assert not world.lost, seed
    assert {name: says(found) for name, found in world.ours.items()} == {
        name: says(found) for name, found in world.there().items()
    }, seed
    again = world.plan()
    assert (again.conflicts, again.incoming, again.outgoing) == ([], False, False), seed
    # One that says the same as one that is gone stands for it, also where that was deleted here.
    adopted = {name for pair in (plan.labels.ids | world.state.ids).items() - ids.items() for name in pair}
    for name in (base.keys() | ours.keys() | there.keys()) - adopted:
        was, mine, other = (says(side.get(name)) for side in (base, ours, there))
        now = says(world.ours.get(name))
        if mine == other or other == was:
            assert now == mine, f"{seed}: {name}"
        elif mine == was:
            assert now == other, f"{seed}: {name}"
        elif mine is None or other is None:
            assert now == (mine if taken == OURS else other), f"{seed}: {name}: settled for {taken}"
        else:
            assert now is not None, f"{seed}: {name}: changed on both sides"
