"""Differences between two versions of an annotation, by region and by choice, and filters for them.

A difference is complete: applied to the version before it gives the version after, except for times and parents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from storage.label_studio.label_config import LabelConfig
from storage.labels.annotation_merge import NOT_FIELDS, Item, item_name, items, region_ids
from storage.labels.label_changes import (
    empty_text,
    is_choice_label,
    item_labels,
    record_labels,
    region_value,
    times,
)
from storage.labels.snapshot import Record
from storage.labels.three_way import Change, sign

# Texts for a flag of an annotation that was set, and that was cleared.
FLAGS = {
    "was_cancelled": ("skipped", "no longer skipped"),
    "ground_truth": ("ground truth", "no longer ground truth"),
}


@dataclass(frozen=True)
class ItemChange:
    """One item of an annotation's `result` that differs: a region, a choice, a relation.

    Attributes:
        name: its region's id; `x1:choices` for a choice on a region, `label:choices` for a choice for the whole
            recording under the control tag `label`.
        before, after: the item; None where it does not exist.
        whole: it is a choice for the whole recording whose values are labels.
    """

    name: str
    before: Item | None
    after: Item | None
    whole: bool = False

    @property
    def sign(self) -> str:
        """`+` added, `-` removed, `~` changed."""
        return sign(self.before, self.after)

    @property
    def kinds(self) -> list[str]:
        """Kinds of change: added or removed, or one or more of moved, relabeled and changed (anything else)."""
        if self.before is None or self.after is None:
            return ["added" if self.before is None else "removed"]
        old, new = self.before, self.after
        kinds = ["moved"] if times(old) != times(new) else []
        kinds += ["relabeled"] if item_labels(old, self.whole) != item_labels(new, self.whole) else []
        return (
            kinds
            if _other_fields(old, self.whole) == _other_fields(new, self.whole) and kinds
            else [*kinds, "changed"]
        )

    @property
    def labels(self) -> set[str]:
        """Labels on it, before or after."""
        items = [item for item in (self.before, self.after) if item]
        return {label for item in items for label in item_labels(item, self.whole)}

    def to_json(self) -> dict[str, Any]:
        """As in docs/formats.md."""
        return {"name": self.name, "kinds": self.kinds, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Difference:
    """One annotation that differs.

    Attributes:
        id: of the record.
        items: items of its `result` that differ.
        fields: values before and after of other fields that differ, by name; times and parents are ignored.
        empty: what its missing labels mean; "" where it has a label, or had none before.
        before, after: the whole records; None where it does not exist.
    """

    id: str
    series: str
    annotator: str
    items: tuple[ItemChange, ...]
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    empty: str = ""
    before: Record | None = None
    after: Record | None = None

    @property
    def sign(self) -> str:
        """`+` added, `-` deleted, `~` changed."""
        return sign(self.before, self.after)

    @property
    def words(self) -> list[str]:
        """Changes of the annotation as a whole, in words."""
        before, after = self.before or {}, self.after or {}
        words = {"+": ["new annotation"], "-": ["annotation deleted"], "~": []}[self.sign]
        for name, (on, off) in FLAGS.items():
            if after and bool(before.get(name)) != bool(after.get(name)):
                words.append(on if after.get(name) else off)
        words += [self.empty] if self.empty else []
        if self.sign == "~":
            words += [f"{name} changed" for name in sorted(self.fields.keys() - FLAGS.keys())]
            words += ["order of regions changed"] if not self.items and not self.fields else []
        return words

    def to_json(self) -> dict[str, Any]:
        """As in docs/formats.md."""
        changed = {name: {"before": old, "after": new} for name, (old, new) in self.fields.items()}
        return {
            "annotation": self.id,
            "series": self.series,
            "annotator": self.annotator,
            "sign": self.sign,
            "words": self.words,
            "fields": changed,
            "items": [item.to_json() for item in self.items],
        }


@dataclass(frozen=True)
class DiffFilter:
    """Filters differences; an empty filter matches all.

    Attributes:
        series: a series key or a glob pattern of them.
        label: a label.
        annotator: an e-mail address, or a glob pattern.
    """

    series: str = ""
    label: str = ""
    annotator: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it matches everything."""
        return not (self.series or self.label or self.annotator)

    def changes(self, changes: Iterable[Change[Record]]) -> Iterator[Change[Record]]:
        """The changes that match series and annotator."""
        for change in changes:
            sides = [side for side in (change.before, change.after) if side]
            if any(_matches(side["series"], self.series) for side in sides) and any(
                _matches(side["annotator"], self.annotator) for side in sides
            ):
                yield change

    def differences(
        self, changes: Iterable[Change[Record]], config: LabelConfig | None = None
    ) -> list[Difference]:
        """The differences that match, by series; with a label, only items that have or had it."""
        return sorted(self._differences(changes, config), key=lambda item: (item.series, item.id))

    def _differences(
        self, changes: Iterable[Change[Record]], config: LabelConfig | None
    ) -> Iterator[Difference]:
        for change in self.changes(changes):
            result = difference(change.before, change.after, config)
            if self.label:
                result = replace(result, items=tuple(i for i in result.items if self.label in i.labels))
                records = [side for side in (change.before, change.after) if side and result.fields]
                if not result.items and all(self.label not in record_labels(r, config) for r in records):
                    continue
            yield result


ALL = DiffFilter()


def difference(before: Record | None, after: Record | None, config: LabelConfig | None = None) -> Difference:
    """The difference between two versions of one annotation, of which one may be None."""
    old, new = before or {}, after or {}
    results = old.get("result", []), new.get("result", [])
    regions = region_ids(*results)
    was, now = (items(result, regions) for result in results)
    changed = tuple(
        ItemChange(
            item_name(key),
            was.get(key),
            now.get(key),
            is_choice_label(was[key] if key in was else now[key], regions, config),
        )
        for key in [*was, *(key for key in now if key not in was)]
        if was.get(key) != now.get(key)
    )
    names = sorted((old.keys() | new.keys()) - NOT_FIELDS)
    fields = {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}
    known = new or old
    empty = "" if not after or (before and empty_text(before, config)) else empty_text(after, config)
    return Difference(known["id"], known["series"], known["annotator"], changed, fields, empty, before, after)


def _other_fields(item: Item, whole: bool) -> dict[str, Any]:
    """An item without times and labels; a choice for the whole recording also without its id."""
    value = region_value(item)
    labels = "choices" if whole else "timeserieslabels"
    rest = {**item, "value": {n: value[n] for n in value.keys() - {"start", "end", labels}}}
    return rest | {"id": ""} if whole else rest


def _matches(name: str, pattern: str) -> bool:
    return not pattern or name == pattern or fnmatchcase(name, pattern)
