"""Three-way comparison: what two sides made of the same base.

Bucket and Label Studio are to a label commit what `origin` is to a git branch. Each side is a mapping from
a name (record id, series key) to a value; what only one side changed is taken, what both changed alike is
agreed, what they changed differently is a conflict that a person settles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True)
class Change(Generic[V]):
    """One name whose value differs between two sides; None stands for "is not there"."""

    name: str
    before: V | None
    after: V | None


@dataclass(frozen=True)
class Conflict(Generic[V]):
    """One name that both sides changed, differently."""

    name: str
    base: V | None
    ours: V | None
    theirs: V | None


@dataclass(frozen=True)
class Merge(Generic[V]):
    """Attributes:
    merged: the agreed values; for a conflict, ours.
    incoming: what theirs changed and ours takes over.
    outgoing: what ours changed and theirs does not have yet.
    conflicts: what has to be settled before anything is written.
    """

    merged: dict[str, V] = field(default_factory=dict)
    incoming: list[Change[V]] = field(default_factory=list)
    outgoing: list[Change[V]] = field(default_factory=list)
    conflicts: list[Conflict[V]] = field(default_factory=list)


def three_way(
    base: Mapping[str, V],
    ours: Mapping[str, V],
    theirs: Mapping[str, V],
    same: Callable[[V, V], bool],
) -> Merge[V]:
    """Merge `theirs` into `ours`; where both are the same by `same`, the bytes of ours stay."""

    def equal(a: V | None, b: V | None) -> bool:
        return a is b or (a is not None and b is not None and same(a, b))

    result: Merge[V] = Merge()
    for name in sorted(base.keys() | ours.keys() | theirs.keys()):
        was, our, their = base.get(name), ours.get(name), theirs.get(name)
        value = our
        if equal(our, their):
            pass
        elif equal(was, our):
            result.incoming.append(Change(name, our, their))
            value = their
        elif equal(was, their):
            result.outgoing.append(Change(name, their, our))
        else:
            result.conflicts.append(Conflict(name, was, our, their))
        if value is not None:
            result.merged[name] = value
    return result


def changes_between(
    before: Mapping[str, V], after: Mapping[str, V], same: Callable[[V, V], bool]
) -> list[Change[V]]:
    """What was added, changed and removed, by name."""
    return three_way(before, before, after, same).incoming
