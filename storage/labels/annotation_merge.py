"""Three-way merge of one annotation, by region, and by control tag for choices for the whole recording.

Two people who each move another region of the same annotation are no conflict; two who move the same one are. Where
any number of choices may be made, each is merged by itself: what two people each chose stands, what one of them undid
is removed. The merge is symmetric: which side is called ours decides nothing but how a conflict is settled.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from storage.label_studio.label_config import LabelConfig
from storage.labels.snapshot import METADATA, Record, same
from storage.labels.three_way import OPEN, OURS, THEIRS, Combine, Conflict, Settlement

Item = dict[str, Any]
Items = dict[tuple[str, ...], Item]
# What belongs to no item of `result` and is merged as a field.
NOT_FIELDS = METADATA | {"result"}


def combiner(settlement: Settlement = OPEN, config: LabelConfig | None = None) -> Combine[Record]:
    """What `three_way` needs to merge records; without a label config no choices are taken to be several."""

    def combine(
        _name: str, was: Record | None, our: Record | None, their: Record | None
    ) -> tuple[Record | None, list[Conflict]]:
        return merge_records(was, our, their, settlement, config)

    return combine


def merge_records(
    was: Record | None,
    our: Record | None,
    their: Record | None,
    settlement: Settlement = OPEN,
    config: LabelConfig | None = None,
) -> tuple[Record | None, list[Conflict]]:
    """Merge two versions of an annotation that differ from each other and from their base.

    Returns:
        The merged record, None where it is deleted, and what is still open; for that the record holds ours.
    """
    if our is None or their is None:
        return _merge_deletion(was, our, their, settlement)
    pick = _Pick(was or {}, our, their, settlement, config)
    record = {
        name: value
        for name in sorted((our.keys() | their.keys()) - NOT_FIELDS)
        if (value := pick.field(name)) is not None
    }
    record["result"] = pick.result()
    record |= _merge_metadata(was or {}, our, their)
    for side in (our, their):
        if same(record, side):
            return side, pick.conflicts
    return record, pick.conflicts


def _merge_deletion(
    was: Record | None, our: Record | None, their: Record | None, settlement: Settlement
) -> tuple[Record | None, list[Conflict]]:
    """Deleted on one side, edited on the other."""
    facts = our or their or was or {}
    side = settlement.side(facts["id"])
    if side:
        return (our if side == OURS else their), []
    who = _annotators(our, their)
    return our, [Conflict(facts["id"], facts["series"], "annotation", was, our, their, who)]


class _Pick:
    """Takes what changed from either side, and collects what both changed."""

    def __init__(
        self,
        was: Record,
        our: Record,
        their: Record,
        settlement: Settlement,
        config: LabelConfig | None,
    ) -> None:
        self.was, self.our, self.their, self.settlement = was, our, their, settlement
        self.several = config.several if config else frozenset()
        self.labels = config.labels if config else ()
        self.conflicts: list[Conflict] = []

    def field(self, name: str) -> Any:
        values = (self.was.get(name), self.our.get(name), self.their.get(name))
        return self._one(f"{self.our['id']}.{name}", name, *values)

    def result(self) -> list[Item]:
        results = [side.get("result", []) for side in (self.was, self.our, self.their)]
        was, our, their = (items(result, region_ids(*results)) for result in results)
        contested = self._contested(was, our, their)
        given_up = {name for name, side in contested.items() if not side}
        merged = {}
        for key in was.keys() | our.keys() | their.keys():
            kind, first, second, _ = key
            if kind != "relation" and first in contested:
                item = contested[first].get(key)
            else:
                item = self._item(key, was.get(key), our.get(key), their.get(key))
            if item is not None and not (kind == "relation" and given_up & {first, second}):
                merged[key] = item
        self.conflicts.sort(key=lambda conflict: conflict.name)
        return [merged[key] for key in _order(merged, was, our, their)]

    def _contested(self, was: Items, our: Items, their: Items) -> dict[str, Items]:
        """Regions that one side deleted and the other went on with: moved, chosen for, related to.

        A region and its choices are one conflict, settled as one; returns the items to take, by region id.
        """
        before, here, there = (_by_region(side, self.several) for side in (was, our, their))
        found = {}
        for name in sorted(before.keys() & (here.keys() ^ there.keys())):
            group, kept = before[name], here.get(name) or there[name]
            kept_by = our if name in here else their
            if _without_ids(kept) == _without_ids(group) and not _related(name, was, kept_by):
                continue
            keys = sorted(group.keys() | kept.keys(), key=lambda key: (key[0] != "timeserieslabels", key))
            shown = next((key for key in keys if group.get(key) != kept.get(key)), keys[0])
            values = (side.get(name, {}).get(shown) for side in (before, here, there))
            side = self._settle(f"{self.our['id']}/{item_name(keys[0])}", f"region {name}", *values)
            found[name] = (there if side == THEIRS else here).get(name, {})
        return found

    def _item(
        self, key: tuple[str, ...], was: Item | None, our: Item | None, their: Item | None
    ) -> Item | None:
        """Merge one item. A choice that was made again has another id, and may have the same value."""
        if our != their and was not in (our, their):
            before, here, there = map(_without_id, (was, our, their))
            if our and their and here == there:
                return min(our, their, key=lambda side: str(side.get("id")))
            if before in (here, there):
                return our if before == there else their
            if key[0] == "choices" and key[2] in self.several and choices_agree(was, our, their):
                return unite_choices(was, our, their, self.labels)
        name = item_name(key)
        found: Item | None = self._one(f"{self.our['id']}/{name}", f"region {name}", was, our, their)
        return found

    def _one(self, name: str, what: str, was: Any, our: Any, their: Any) -> Any:
        if our == their or was == their:
            return our
        if was == our:
            return their
        return their if self._settle(name, what, was, our, their) == THEIRS else our

    def _settle(self, name: str, what: str, was: Any, our: Any, their: Any) -> str:
        """The side that is taken; "" where that is open."""
        side = self.settlement.side(name)
        if not side:
            who = _annotators(self.our, self.their)
            self.conflicts.append(Conflict(name, self.our["series"], what, was, our, their, who))
        return side


def _by_region(found: Items, several: Collection[str]) -> dict[str, Items]:
    """Items by the region that they describe; without choices of which there may be any number: those unite."""
    groups: dict[str, Items] = defaultdict(dict)
    for key, item in found.items():
        alone = key[0] == "choices" and key[1] == key[2] and key[2] in several
        if key[0] != "relation" and not alone:
            groups[key[1]][key] = item
    return dict(groups)


def _without_id(item: Item | None) -> Item | None:
    """An item without its id, which what was chosen for the whole recording loses when it is chosen again."""
    return item and {**item, "id": ""}


def _without_ids(group: Items) -> dict[tuple[str, ...], Item | None]:
    return {key: _without_id(item) for key, item in group.items()}


def _related(name: str, was: Items, now: Items) -> bool:
    """Whether a relation of this region is new or changed."""
    return any(key[0] == "relation" and name in key[1:3] and was.get(key) != now[key] for key in now)


def region_ids(*results: list[Item]) -> frozenset[str]:
    """Ids of the regions in these versions of a result."""
    return frozenset(
        str(item.get("id")) for result in results for item in result if item.get("type") == "timeserieslabels"
    )


def is_for_recording(item: Item, regions: Collection[str]) -> bool:
    """Whether it is a choice for the whole recording: it has no times, and no region beside it has its id."""
    value = item.get("value")
    timeless = isinstance(value, dict) and "start" not in value
    return timeless and item.get("type") == "choices" and str(item.get("id")) not in regions


def place(item: Item, regions: Collection[str]) -> str:
    """What an item describes: its region, by id, or the whole recording, by the control tag.

    An annotation has one choice a control tag, and Label Studio gives one that was undone and made again another id.
    """
    tag = item.get("from_name") if is_for_recording(item, regions) else None
    return str(tag or item.get("id"))


def items(result: list[Item], regions: Collection[str] | None = None) -> Items:
    """The items of a result by what they are: choices and texts on a region have its id, relations have none.

    Args:
        regions: ids of all regions in the versions that are compared; by default those of this one.
    """
    regions = region_ids(result) if regions is None else regions
    found: Items = {}
    for item in result:
        if item.get("type") == "relation":
            ends = (str(item.get("from_id")), str(item.get("to_id")))
            key: tuple[str, ...] = ("relation", *ends)
        else:
            key = (str(item.get("type")), place(item, regions), str(item.get("from_name")))
        again = 0
        while (*key, str(again)) in found:
            again += 1
        found[(*key, str(again))] = item
    return found


def item_name(key: tuple[str, ...]) -> str:
    """What an item is called in conflicts and differences: its region's id, and what it is beside a region; a choice
    for the whole recording by its control tag, as in `label:choices`."""
    kind, first, second, again = key
    name = f"{first}-{second}" if kind == "relation" else first
    kinds = "" if kind == "timeserieslabels" else f":{kind}"
    return f"{name}{kinds}" + (f"#{again}" if again != "0" else "")


def _order(merged: Items, was: Items, our: Items, their: Items) -> list[tuple[str, ...]]:
    """The order of a side that has just these items and changed it; else the base's, then new ones by name."""
    alike = [list(side) for side in (our, their) if side.keys() == merged.keys()]
    if alike:
        return min([order for order in alike if order != list(was)] or alike)
    return [key for key in was if key in merged] + sorted(merged.keys() - was.keys())


def _merge_metadata(was: Record, our: Record, their: Record) -> Record:
    """Times and parents: what one side changed, else those of the side that was saved last."""
    later = max((our, their), key=lambda side: (side.get("updated_at", ""), json.dumps(side, sort_keys=True)))
    found = {}
    for name in METADATA & (our.keys() | their.keys()):
        values = [side.get(name) for side in (our, their) if side.get(name) != was.get(name)]
        found[name] = values[0] if len(values) == 1 else later.get(name)
    if "created_at" in was:
        found["created_at"] = was["created_at"]
    return {name: value for name, value in found.items() if value is not None}


def _annotators(our: Record | None, their: Record | None) -> tuple[str, ...]:
    return tuple(sorted({side["annotator"] for side in (our, their) if side}))


def choices_agree(was: Item | None, our: Item | None, their: Item | None) -> bool:
    """Whether choices differ in their values alone, or only one side changed the rest of them.

    They do not agree where one side undid its choice and the other added something else (a note) to it.
    """
    sides = (was, our, their)
    if any(item is not None and _chosen(item) is None for item in sides):
        return False
    before, here, there = map(_without_choices, sides)
    if not _chosen_by_both(was, our, their):
        return all(rest in (None, before) for rest in (here, there))
    return here is None or there is None or here == there or before in (here, there)


def unite_choices(
    was: Item | None, our: Item | None, their: Item | None, order: Sequence[str]
) -> Item | None:
    """The union of what both sides chose; None where nothing is left of it.

    Args:
        was, our, their: of which `choices_agree` holds.
        order: of the choices in the label config; those that it lacks follow by name.
    """
    chosen = _chosen_by_both(was, our, their)
    if not chosen:
        return None
    sides = [side for side in (our, their) if side is not None]
    changed = [side for side in sides if was is None or _without_choices(side) != _without_choices(was)]
    # The id is that of before where a side has kept it, so that references to it stay valid.
    kept = min(changed or sides, key=lambda side: (str(side.get("id")), str(side.get("origin"))))
    ids = [str(side.get("id")) for side in sides]
    known = str(was.get("id")) if was is not None else ""
    ranks = {label: rank for rank, label in enumerate(order)}
    values = sorted(chosen, key=lambda label: (ranks.get(label, len(ranks)), label))
    return {**kept, "id": known if known in ids else min(ids), "value": {**kept["value"], "choices": values}}


def _chosen_by_both(was: Item | None, our: Item | None, their: Item | None) -> set[str]:
    before, here, there = (set(_chosen(item) or ()) if item else set() for item in (was, our, their))
    return (here & there) | (here - before) | (there - before)


def _chosen(item: Item) -> list[str] | None:
    """What was chosen; None where that cannot be read."""
    value = item.get("value")
    found = value.get("choices") if isinstance(value, dict) else None
    return found if isinstance(found, list) and all(isinstance(label, str) for label in found) else None


def _without_choices(item: Item | None) -> Item | None:
    """All but what was chosen, and id and origin, which change when a choice is undone and made again."""
    if item is None:
        return None
    value = {name: found for name, found in item["value"].items() if name != "choices"}
    return {name: found for name, found in item.items() if name not in ("id", "origin")} | {"value": value}
