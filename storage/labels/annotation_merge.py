"""Three-way merge of one annotation, by region, and by control tag for choices for the whole recording.

Two people who each move a different region of an annotation do not conflict; two who move the same region do. Where
a control tag allows several choices, the merge is their union: a choice that either side added is kept, one that
either side removed is removed. The merge is symmetric, except for how a conflict is settled.
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
# Keys of a record that are not merged as fields.
NOT_FIELDS = METADATA | {"result"}


def combiner(settlement: Settlement = OPEN, config: LabelConfig | None = None) -> Combine[Record]:
    """The `combine` of `three_way` for records; without a label config no control tag allows several choices."""

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
        The merged record (None: deleted) and the open conflicts, for which the record holds ours.
    """
    if our is None or their is None:
        return _merge_deletion(was, our, their, settlement)
    merge = _RecordMerge(was or {}, our, their, settlement, config)
    record = {
        name: value
        for name in sorted((our.keys() | their.keys()) - NOT_FIELDS)
        if (value := merge.field(name)) is not None
    }
    record["result"] = merge.result()
    record |= _merge_metadata(was or {}, our, their)
    for side in (our, their):
        if same(record, side):
            return side, merge.conflicts
    return record, merge.conflicts


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


class _RecordMerge:
    """Merges one annotation, field by field and region by region; collects the conflicts."""

    def __init__(
        self, was: Record, our: Record, their: Record, settlement: Settlement, config: LabelConfig | None
    ) -> None:
        self.was, self.our, self.their, self.settlement = was, our, their, settlement
        self.several = config.several if config else frozenset()
        self.labels = config.labels if config else ()
        self.conflicts: list[Conflict] = []

    def field(self, name: str) -> Any:
        values = (self.was.get(name), self.our.get(name), self.their.get(name))
        return self._merge_value(f"{self.our['id']}.{name}", name, *values)

    def result(self) -> list[Item]:
        results = [side.get("result", []) for side in (self.was, self.our, self.their)]
        was, our, their = (items(result, region_ids(*results)) for result in results)
        settled = self._deleted_or_edited(was, our, their)
        deleted = {name for name, side in settled.items() if not side}
        merged = {}
        for key in was.keys() | our.keys() | their.keys():
            kind, first, second, _ = key
            if kind != "relation" and first in settled:
                item = settled[first].get(key)
            else:
                item = self._merge_item(key, was.get(key), our.get(key), their.get(key))
            if item is not None and not (kind == "relation" and deleted & {first, second}):
                merged[key] = item
        self.conflicts.sort(key=lambda conflict: conflict.name)
        return [merged[key] for key in _order(merged, was, our, their)]

    def _deleted_or_edited(self, was: Items, our: Items, their: Items) -> dict[str, Items]:
        """Regions that one side deleted and the other edited: moved, or gave a choice or a relation.

        A region and its choices are one conflict. Returns the items to keep, by region id.
        """
        base, ours, theirs = (_by_region(side, self.several) for side in (was, our, their))
        taken = {}
        for name in sorted(base.keys() & (ours.keys() ^ theirs.keys())):
            before, after = base[name], ours.get(name) or theirs[name]
            editing = our if name in ours else their
            if _without_ids(after) == _without_ids(before) and not _related(name, was, editing):
                continue
            keys = sorted(before.keys() | after.keys(), key=lambda key: (key[0] != "timeserieslabels", key))
            first = next((key for key in keys if before.get(key) != after.get(key)), keys[0])
            values = (side.get(name, {}).get(first) for side in (base, ours, theirs))
            side = self._settle(f"{self.our['id']}/{item_name(keys[0])}", f"region {name}", *values)
            taken[name] = (theirs if side == THEIRS else ours).get(name, {})
        return taken

    def _merge_item(
        self, key: tuple[str, ...], was: Item | None, our: Item | None, their: Item | None
    ) -> Item | None:
        """Merge one item. A choice that was removed and made again has another id, perhaps with the same value."""
        if our != their and was not in (our, their):
            base, ours, theirs = map(_without_id, (was, our, their))
            if our and their and ours == theirs:
                return min(our, their, key=lambda side: str(side.get("id")))
            if base in (ours, theirs):
                return our if base == theirs else their
            if key[0] == "choices" and key[2] in self.several and can_unite_choices(was, our, their):
                return unite_choices(was, our, their, self.labels)
        name = item_name(key)
        merged: Item | None = self._merge_value(f"{self.our['id']}/{name}", f"region {name}", was, our, their)
        return merged

    def _merge_value(self, name: str, what: str, was: Any, our: Any, their: Any) -> Any:
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


def _by_region(side: Items, several: Collection[str]) -> dict[str, Items]:
    """Items by region; without choices of tags that allow several, which are united."""
    groups: dict[str, Items] = defaultdict(dict)
    for key, item in side.items():
        unites = key[0] == "choices" and key[1] == key[2] and key[2] in several
        if key[0] != "relation" and not unites:
            groups[key[1]][key] = item
    return dict(groups)


def _without_id(item: Item | None) -> Item | None:
    """An item without its id: a choice for the whole recording that is made again has another one."""
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
    """Whether it is a choice for the whole recording: it has no times, and no region has its id."""
    value = item.get("value")
    timeless = isinstance(value, dict) and "start" not in value
    return timeless and item.get("type") == "choices" and str(item.get("id")) not in regions


def scope_of(item: Item, regions: Collection[str]) -> str:
    """What an item describes: a region, by its id, or the whole recording, by the control tag.

    An annotation has one choice for each control tag; its id changes when it is removed and made again.
    """
    tag = item.get("from_name") if is_for_recording(item, regions) else None
    return str(tag or item.get("id"))


def items(result: list[Item], regions: Collection[str] | None = None) -> Items:
    """The items of a result by their identity: type, scope, control tag, and a number where these repeat.

    Args:
        regions: ids of the regions in all versions that are compared; by default of this one.
    """
    regions = region_ids(result) if regions is None else regions
    by_key: Items = {}
    for item in result:
        if item.get("type") == "relation":
            ends = (str(item.get("from_id")), str(item.get("to_id")))
            key: tuple[str, ...] = ("relation", *ends)
        else:
            key = (str(item.get("type")), scope_of(item, regions), str(item.get("from_name")))
        repeat = 0
        while (*key, str(repeat)) in by_key:
            repeat += 1
        by_key[(*key, str(repeat))] = item
    return by_key


def item_name(key: tuple[str, ...]) -> str:
    """Name of an item in conflicts and differences, such as `x1` or `x1:choices`: its region's id, or its control tag
    where it is a choice for the whole recording, and its type."""
    kind, first, second, repeat = key
    name = f"{first}-{second}" if kind == "relation" else first
    kinds = "" if kind == "timeserieslabels" else f":{kind}"
    return f"{name}{kinds}" + (f"#{repeat}" if repeat != "0" else "")


def _order(merged: Items, was: Items, our: Items, their: Items) -> list[tuple[str, ...]]:
    """Order of the merged items: a side's that has the same items, best one that reordered; else the base's, then
    new items by name."""
    orders = [list(side) for side in (our, their) if side.keys() == merged.keys()]
    if orders:
        return min([order for order in orders if order != list(was)] or orders)
    return [key for key in was if key in merged] + sorted(merged.keys() - was.keys())


def _merge_metadata(was: Record, our: Record, their: Record) -> Record:
    """Times and parents: of the side that changed them, or of the side that was saved last if both did."""
    later = max((our, their), key=lambda side: (side.get("updated_at", ""), json.dumps(side, sort_keys=True)))
    merged = {}
    for name in METADATA & (our.keys() | their.keys()):
        values = [side.get(name) for side in (our, their) if side.get(name) != was.get(name)]
        merged[name] = values[0] if len(values) == 1 else later.get(name)
    if "created_at" in was:
        merged["created_at"] = was["created_at"]
    return {name: value for name, value in merged.items() if value is not None}


def _annotators(our: Record | None, their: Record | None) -> tuple[str, ...]:
    return tuple(sorted({side["annotator"] for side in (our, their) if side}))


def can_unite_choices(was: Item | None, our: Item | None, their: Item | None) -> bool:
    """Whether choices can be merged as a union: only their values differ, or only one side changed the rest.

    Not where one side removed its choice and the other added something else, such as a note.
    """
    sides = (was, our, their)
    if any(item is not None and _choices_of(item) is None for item in sides):
        return False
    base, ours, theirs = map(_without_choices, sides)
    if not _united_choices(was, our, their):
        return all(rest in (None, base) for rest in (ours, theirs))
    return ours is None or theirs is None or ours == theirs or base in (ours, theirs)


def unite_choices(
    was: Item | None, our: Item | None, their: Item | None, order: Sequence[str]
) -> Item | None:
    """The union of both sides' choices without those that either removed; None where none is left.

    Args:
        was, our, their: items for which `can_unite_choices` is true.
        order: of the choices in the label config; others follow by name.
    """
    chosen = _united_choices(was, our, their)
    if not chosen:
        return None
    sides = [side for side in (our, their) if side is not None]
    changed = [side for side in sides if was is None or _without_choices(side) != _without_choices(was)]
    # The id of the base where a side has kept it, so that references to it stay valid.
    item = min(changed or sides, key=lambda side: (str(side.get("id")), str(side.get("origin"))))
    ids = [str(side.get("id")) for side in sides]
    base_id = str(was.get("id")) if was is not None else ""
    ranks = {label: rank for rank, label in enumerate(order)}
    values = sorted(chosen, key=lambda label: (ranks.get(label, len(ranks)), label))
    item_id = base_id if base_id in ids else min(ids)
    return {**item, "id": item_id, "value": {**item["value"], "choices": values}}


def _united_choices(was: Item | None, our: Item | None, their: Item | None) -> set[str]:
    base, ours, theirs = (set(_choices_of(item) or ()) if item else set() for item in (was, our, their))
    return (ours & theirs) | (ours - base) | (theirs - base)


def _choices_of(item: Item) -> list[str] | None:
    """The values of a choice; None where they cannot be read."""
    value = item.get("value")
    choices = value.get("choices") if isinstance(value, dict) else None
    return choices if isinstance(choices, list) and all(isinstance(label, str) for label in choices) else None


def _without_choices(item: Item | None) -> Item | None:
    """An item without its choices, id and origin, which change when a choice is removed and made again."""
    if item is None:
        return None
    value = {name: found for name, found in item["value"].items() if name != "choices"}
    return {name: found for name, found in item.items() if name not in ("id", "origin")} | {"value": value}
