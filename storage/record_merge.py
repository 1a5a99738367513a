"""Three-way merge of one annotation, region by region.

Two people who each move another region of the same annotation are no conflict; two who move the same one are. The
merge is symmetric: which side is called ours decides nothing but how a conflict is settled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from storage.merge import OPEN, OURS, Combine, Conflict, Settlement
from storage.snapshot import BESIDE, Record, same

Item = dict[str, Any]
# What belongs to no item of `result` and is merged as a field.
NOT_FIELDS = BESIDE | {"result"}


def combiner(settlement: Settlement = OPEN) -> Combine[Record]:
    """What `three_way` needs to merge records."""

    def combine(
        _name: str, was: Record | None, our: Record | None, their: Record | None
    ) -> tuple[Record | None, list[Conflict]]:
        return merge_records(was, our, their, settlement)

    return combine


def merge_records(
    was: Record | None, our: Record | None, their: Record | None, settlement: Settlement = OPEN
) -> tuple[Record | None, list[Conflict]]:
    """Merge two versions of an annotation that differ from each other and from their base.

    Returns:
        The merged record, None where it is deleted, and what is still open; for that the record holds ours.
    """
    if our is None or their is None:
        return _whole(was, our, their, settlement)
    pick = _Pick(was or {}, our, their, settlement)
    record = {
        name: value
        for name in sorted((our.keys() | their.keys()) - NOT_FIELDS)
        if (value := pick.field(name)) is not None
    }
    record["result"] = pick.result()
    record |= _beside(was or {}, our, their)
    for side in (our, their):
        if same(record, side):
            return side, pick.conflicts
    return record, pick.conflicts


def _whole(
    was: Record | None, our: Record | None, their: Record | None, settlement: Settlement
) -> tuple[Record | None, list[Conflict]]:
    """Deleted on one side, edited on the other."""
    facts = our or their or was or {}
    side = settlement.side(facts["id"])
    if side:
        return (our if side == OURS else their), []
    return our, [Conflict(facts["id"], facts["series"], "annotation", was, our, their, _who(our, their))]


class _Pick:
    """Takes what changed from either side, and collects what both changed."""

    def __init__(self, was: Record, our: Record, their: Record, settlement: Settlement) -> None:
        self.was, self.our, self.their, self.settlement = was, our, their, settlement
        self.conflicts: list[Conflict] = []

    def field(self, name: str) -> Any:
        values = (self.was.get(name), self.our.get(name), self.their.get(name))
        return self._one(f"{self.our['id']}.{name}", name, *values)

    def result(self) -> list[Item]:
        was, our, their = (items(side.get("result", ())) for side in (self.was, self.our, self.their))
        merged = {}
        for key in was.keys() | our.keys() | their.keys():
            name = f"{self.our['id']}/{item_name(key)}"
            item = self._one(name, f"region {item_name(key)}", was.get(key), our.get(key), their.get(key))
            if item is not None:
                merged[key] = item
        self.conflicts.sort(key=lambda conflict: conflict.name)
        return [merged[key] for key in _order(merged, was, our, their)]

    def _one(self, name: str, what: str, was: Any, our: Any, their: Any) -> Any:
        if our == their or was == their:
            return our
        if was == our:
            return their
        side = self.settlement.side(name)
        if side:
            return our if side == OURS else their
        who = _who(self.our, self.their)
        self.conflicts.append(Conflict(name, self.our["series"], what, was, our, their, who))
        return our


def items(result: list[Item]) -> dict[tuple[str, ...], Item]:
    """The items of a result by what they are: choices and texts on a region have its id, relations have none."""
    found: dict[tuple[str, ...], Item] = {}
    for item in result:
        if item.get("type") == "relation":
            ends = (str(item.get("from_id")), str(item.get("to_id")))
            key: tuple[str, ...] = ("relation", *ends)
        else:
            key = (str(item.get("type")), str(item.get("id")), str(item.get("from_name")))
        again = 0
        while (*key, str(again)) in found:
            again += 1
        found[(*key, str(again))] = item
    return found


def item_name(key: tuple[str, ...]) -> str:
    """What an item is called in a conflict: its id, and its type where that is not a region."""
    """What an item is called in conflicts and differences: its region's id, and what it is beside a region."""
    kind, first, second, again = key
    name = f"{first}-{second}" if kind == "relation" else first
    kinds = "" if kind == "timeserieslabels" else f":{kind}"
    return f"{name}{kinds}" + (f"#{again}" if again != "0" else "")


def _order(
    merged: Mapping[tuple[str, ...], Item],
    was: Mapping[tuple[str, ...], Item],
    our: Mapping[tuple[str, ...], Item],
    their: Mapping[tuple[str, ...], Item],
) -> list[tuple[str, ...]]:
    """The order of whoever has just these items; else that of the base, then what is new by its name."""
    alike = [list(side) for side in (our, their) if side.keys() == merged.keys()]
    if alike:
        return min(alike)
    return [key for key in was if key in merged] + sorted(merged.keys() - was.keys())


def _beside(was: Record, our: Record, their: Record) -> Record:
    """Times and parents: what one side changed, else those of the side that was saved last."""
    later = max((our, their), key=lambda side: (side.get("updated_at", ""), json.dumps(side, sort_keys=True)))
    found = {}
    for name in BESIDE & (our.keys() | their.keys()):
        values = [side.get(name) for side in (our, their) if side.get(name) != was.get(name)]
        found[name] = values[0] if len(values) == 1 else later.get(name)
    if "created_at" in was:
        found["created_at"] = was["created_at"]
    return {name: value for name, value in found.items() if value is not None}


def _who(our: Record | None, their: Record | None) -> tuple[str, ...]:
    return tuple(sorted({side["annotator"] for side in (our, their) if side}))
