"""Three-way merge of mappings from a name (record id, series key) to a value.

A value that one side changed is taken, and so is a value that both sides changed in the same way. Values that both
changed differently are combined where possible; otherwise they are a conflict, which a person settles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from storage.errors import InputError

V = TypeVar("V")
OURS, THEIRS = "ours", "theirs"


def sign(before: object, after: object) -> str:
    """`+` added, `-` removed, `~` changed; None: it does not exist there."""
    return "+" if before is None else "-" if after is None else "~"


@dataclass(frozen=True)
class Change(Generic[V]):
    """A name whose value differs between two sides; None: the name does not exist there."""

    name: str
    before: V | None
    after: V | None


@dataclass(frozen=True)
class Conflict:
    """A value that both sides changed differently.

    Attributes:
        name: as in `--settle`: `<record id>` for a whole annotation, `<record id>/<region id>` for a region,
            `<record id>.<field>` for a field of an annotation, `series/<series key>` for a recording.
        series: key of the series.
        what: in words, such as `region x1`.
        base, ours, theirs: the three values; None where it does not exist.
        who: annotators of both sides.
    """

    name: str
    series: str
    what: str
    base: Any
    ours: Any
    theirs: Any
    who: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settlement:
    """How a person settled conflicts: the side to take, for all conflicts or by name.

    Attributes:
        all: `ours` or `theirs` for every conflict not named; "" leaves those open.
        named: side by the conflict's name.
        met: names of the conflicts that occurred.
    """

    all: str = ""
    named: Mapping[str, str] = field(default_factory=dict)
    met: set[str] = field(default_factory=set, compare=False)

    def side(self, name: str) -> str:
        """The side to take: `ours`, `theirs`, or "" where it is not settled."""
        self.met.add(name)
        return self.named.get(name, self.all)

    def check_names(self) -> None:
        """Check, after the merge, that every named conflict exists.

        Raises:
            InputError: there is no such conflict.
        """
        unknown = sorted(self.named.keys() - self.met)
        if unknown:
            what, why = f"there is no conflict {', '.join(map(repr, unknown))}", "nothing was written"
            raise InputError(what, why=why, cure="the same command without --settle lists the conflicts")

    @classmethod
    def parse(cls, all_: str, words: list[str]) -> Settlement:
        """Read `NAME=ours` and `NAME=theirs`.

        Raises:
            InputError: a word is neither.
        """
        named = {}
        for word in words:
            name, _, side = word.rpartition("=")
            if not name or side not in (OURS, THEIRS):
                cure = "--settle NAME=ours or --settle NAME=theirs; the conflict's name stands in the list"
                raise InputError(f"cannot settle by {word!r}", cure=cure)
            named[name] = side
        return cls(all_, named)


OPEN = Settlement()

# Combines the base, ours and theirs of a name; returns the value and the conflicts.
Combine = Callable[[str, V | None, V | None, V | None], tuple[V | None, list[Conflict]]]


@dataclass(frozen=True)
class Merge(Generic[V]):
    """The result of a three-way merge.

    Attributes:
        merged: the merged values; ours for an open conflict.
        incoming: changes to ours.
        outgoing: changes to theirs.
        conflicts: to be settled before anything is written.
    """

    merged: dict[str, V] = field(default_factory=dict)
    incoming: list[Change[V]] = field(default_factory=list)
    outgoing: list[Change[V]] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


def three_way(
    base: Mapping[str, V],
    ours: Mapping[str, V],
    theirs: Mapping[str, V],
    same: Callable[[V, V], bool],
    combine: Combine[V],
) -> Merge[V]:
    """Merge `theirs` into `ours`; where `same` says that they are equal, ours stays byte for byte."""

    def equal(a: V | None, b: V | None) -> bool:
        return a is b or (a is not None and b is not None and same(a, b))

    result: Merge[V] = Merge()
    for name in sorted(base.keys() | ours.keys() | theirs.keys()):
        was, our, their = base.get(name), ours.get(name), theirs.get(name)
        if equal(our, their) or equal(was, their):
            value = our
        elif equal(was, our):
            value = their
        else:
            value, conflicts = combine(name, was, our, their)
            result.conflicts.extend(conflicts)
            value = our if equal(value, our) else value
        if not equal(our, value):
            result.incoming.append(Change(name, our, value))
        if not equal(their, value):
            result.outgoing.append(Change(name, their, value))
        if value is not None:
            result.merged[name] = value
    return result


def take_one_side(settlement: Settlement, kind: str) -> Combine[Any]:
    """The `combine` of `three_way` for values that cannot be merged, such as recordings: takes one side."""

    def combine(name: str, was: Any, our: Any, their: Any) -> tuple[Any, list[Conflict]]:
        side = settlement.side(f"{kind}/{name}")
        if side:
            return (our if side == OURS else their), []
        return our, [Conflict(f"{kind}/{name}", name, kind, was, our, their)]

    return combine


def changes_between(
    before: Mapping[str, V], after: Mapping[str, V], same: Callable[[V, V], bool]
) -> list[Change[V]]:
    """Values that were added, changed and removed, by name."""
    return three_way(before, before, after, same, take_one_side(OPEN, "")).incoming
