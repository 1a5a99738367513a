"""Differences between two versions of an annotation, by region and by choice, and filters for them.

A difference is whole: applied to the version before, it gives the version after, times and parents apart.
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
from storage.labels.three_way import Change

# What a flag of an annotation is called when it is set, and when it is taken back.
FLAGS = {
    "was_cancelled": ("skipped", "no longer skipped"),
    "ground_truth": ("ground truth", "no longer ground truth"),
}


@dataclass(frozen=True)
class ItemChange:
    """One item of an annotation's `result` that differs: a region, a choice, a relation.

    Attributes:
        name: its region's id; `x1:choices` for what stands beside a region, `label:choices` for what was chosen for
            the whole recording under the control tag `label`.
        before, after: the item; None where it is not there.
        whole: it is a choice for the whole recording, which is what the task asks about: what was chosen are labels.
    """

    name: str
    before: Item | None
    after: Item | None
    whole: bool = False

    @property
    def sign(self) -> str:
        """`+` added, `-` removed, `~` changed."""
        return "+" if self.before is None else "-" if self.after is None else "~"

    @property
    def kinds(self) -> list[str]:
        """What happened: added, removed, moved, relabeled, changed (in anything else); the last three may meet."""
        if self.before is None or self.after is None:
            return ["added" if self.before is None else "removed"]
        old, new = self.before, self.after
        found = ["moved"] if times(old) != times(new) else []
        found += ["relabeled"] if item_labels(old, self.whole) != item_labels(new, self.whole) else []
        return found if _rest(old, self.whole) == _rest(new, self.whole) and found else [*found, "changed"]

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
        items: what differs in its `result`.
        fields: other fields that differ, times and parents apart: name to the value before and after.
        empty: what it means now that there is no label in it; "" where there is one, or there was none before.
        before, after: the whole records; None where it is not there.
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
        """`+` the annotation was made, `-` deleted, `~` changed."""
        return "+" if self.before is None else "-" if self.after is None else "~"

    @property
    def words(self) -> list[str]:
        """What happened to the annotation as a whole."""
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
    """Filters differences; an empty one lets all pass.

    Attributes:
        series: a series key or a glob pattern of them.
        label: a label.
        annotator: an e-mail address, or a glob pattern.
    """

    series: str = ""
    label: str = ""
    annotator: str = ""

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.series or self.label or self.annotator)

    def changes(self, changes: Iterable[Change[Record]]) -> Iterator[Change[Record]]:
        """Those of the series and annotators."""
        for change in changes:
            sides = [side for side in (change.before, change.after) if side]
            if any(_matches(side["series"], self.series) for side in sides) and any(
                _matches(side["annotator"], self.annotator) for side in sides
            ):
                yield change

    def differences(
        self, changes: Iterable[Change[Record]], config: LabelConfig | None = None
    ) -> list[Difference]:
        """The same as differences, by series; with a label, only what has, or had, that label."""
        return sorted(self._differences(changes, config), key=lambda found: (found.series, found.id))

    def _differences(
        self, changes: Iterable[Change[Record]], config: LabelConfig | None
    ) -> Iterator[Difference]:
        for change in self.changes(changes):
            found = difference(change.before, change.after, config)
            if self.label:
                found = replace(found, items=tuple(i for i in found.items if self.label in i.labels))
                if not found.items and not (found.fields and self.label in _all_labels(change, config)):
                    continue
            yield found


def difference(before: Record | None, after: Record | None, config: LabelConfig | None = None) -> Difference:
    """What differs between two versions of one annotation; one of them may be None, not both."""
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


def _rest(item: Item, whole: bool) -> dict[str, Any]:
    """An item without its times and labels, and a choice for the whole recording without its id."""
    value = region_value(item)
    labels = "choices" if whole else "timeserieslabels"
    rest = {**item, "value": {n: value[n] for n in value.keys() - {"start", "end", labels}}}
    return rest | {"id": ""} if whole else rest


def _matches(name: str, pattern: str) -> bool:
    return not pattern or name == pattern or fnmatchcase(name, pattern)


def _all_labels(change: Change[Record], config: LabelConfig | None) -> set[str]:
    return {label for side in (change.before, change.after) if side for label in record_labels(side, config)}
