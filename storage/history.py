"""Label changes in words: what a label commit's subject and trailers say.

A region that has another id is another region; the same id with another value was changed. An annotation
can also change as a whole: skipped, made ground truth, submitted empty.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from storage.merge import Change
from storage.record_merge import Item
from storage.snapshot import Record

SIGNS = "+~-"
COUNT = re.compile(rf"[{re.escape(SIGNS)}]\d+")


@dataclass(frozen=True)
class LabelChanges:
    """Counts of one label commit.

    Attributes:
        regions: by sign (`+` added, `~` changed, `-` removed).
        labels: the same, by label.
        annotators: the same, by annotator.
        annotations: annotations that changed in any way, also without a region (skipped, empty, starred).
        series: the regions by the key of their series; also where an annotation changed and no region did.
    """

    regions: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    annotators: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    annotations: Counter[str] = field(default_factory=Counter)
    series: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def signs(changes: Iterable[Change[Any]]) -> Counter[str]:
    """How many were added (`+`), changed (`~`) and removed (`-`)."""
    return Counter("+" if c.before is None else "-" if c.after is None else "~" for c in changes)


def count(changes: Iterable[Change[Record]], label: str = "") -> LabelChanges:
    """Count regions and annotations that changed; with a `label`, only regions that have or had it."""
    total = LabelChanges()
    for change in changes:
        record = change.after or change.before or {}
        found = [
            (sign, region_labels(new or old or {}))
            for sign, old, new in region_changes(change.before, change.after)
            if not label or label in {*region_labels(old or {}), *region_labels(new or {})}
        ]
        if label and not found:
            continue
        total.annotations.update(signs([change]))
        series = total.series[record["series"]]
        for sign, names in found:
            total.regions[sign] += 1
            series[sign] += 1
            total.annotators[record["annotator"]][sign] += 1
            for name in names:
                total.labels[name][sign] += 1
    return total


def region_changes(
    before: Record | None, after: Record | None
) -> Iterator[tuple[str, Item | None, Item | None]]:
    """Regions that count in one version of a record and not, or otherwise, in the other: sign, old, new."""
    old, new = _regions(before), _regions(after)
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield "+", None, new[name]
        elif name not in new:
            yield "-", old[name], None
        elif old[name] != new[name]:
            yield "~", old[name], new[name]


def region_labels(item: Item) -> list[str]:
    """The labels on a region; none on what stands beside it."""
    found = region_value(item).get("timeserieslabels")
    return [str(label) for label in found] if isinstance(found, list) else []


def region_value(item: Item) -> dict[str, Any]:
    """Times and labels of a region; odd items have none."""
    value = item.get("value")
    return value if isinstance(value, dict) else {}


def times(item: Item) -> tuple[Any, Any]:
    """Start and end of a region, as Label Studio wrote them."""
    value = region_value(item)
    return value.get("start"), value.get("end")


def item_text(item: Item) -> str:
    """A region as `walk  0.1 .. 0.5`, an instant as `knock  at 0.9`; what is no region by its type and value."""
    if "start" not in region_value(item):
        return f"{item.get('type')}  {beside_text(item)}"
    return f"{label_text(item)}  {span_text(item)}"


def label_text(item: Item) -> str:
    """The labels on a region."""
    return ", ".join(region_labels(item)) or "(no label)"


def span_text(item: Item) -> str:
    """`0.1 .. 0.5`, or `at 0.9`."""
    start, end = times(item)
    return f"at {start}" if start == end else f"{start} .. {end}"


def beside_text(item: Item) -> str:
    """What a choice, a text or a relation beside the regions says."""
    if item.get("type") == "relation":
        return f"{item.get('from_id')} to {item.get('to_id')}"
    value = region_value(item)
    chosen = value.get(str(item.get("type")), value.get("text", value))
    return ", ".join(map(str, chosen)) if isinstance(chosen, list) else str(chosen)


def _regions(record: Record | None) -> dict[str, Item]:
    if record is None or record.get("was_cancelled"):
        return {}
    # Relations and choices stand beside the regions and have no label.
    found = [item for item in record["result"] if item.get("type") == "timeserieslabels"]
    return {str(item.get("id", index)): item for index, item in enumerate(found)}


def signed(counts: Counter[str]) -> str:
    """`+12 ~3 -1`, without what is zero."""
    return " ".join(f"{sign}{counts[sign]}" for sign in SIGNS if counts[sign])


def plural(number: int, noun: str) -> str:
    """`1 annotation`, `2 annotations`; `series` stays."""
    return f"{number} {noun}" if number == 1 or noun == "series" else f"{number} {noun}s"


def message(labels: LabelChanges, series: Counter[str], others: Iterable[str]) -> str:
    """Subject and trailers of a label commit.

    Args:
        labels: what changed in the label snapshot.
        series: recordings that were added (`+`), changed (`~`) or removed (`-`).
        others: names of other files that go with the commit, such as the label config.
    """
    parts = []
    if labels.regions:
        parts.append(f"labels: {signed(labels.regions)} in {plural(len(labels.series), 'series')}")
    elif labels.annotations:
        total = plural(labels.annotations.total(), "annotation")
        parts.append(f"labels: {total} without a region changed in {plural(len(labels.series), 'series')}")
    if series:
        parts.append(f"series: {signed(series)}")
    if not parts:
        parts.append("project: " + ", ".join(others))
    trailers = [f"Annotations: {signed(labels.annotations)}"] if labels.annotations else []
    trailers += [f"Label: {name} {signed(counts)}" for name, counts in sorted(labels.labels.items())]
    trailers += [f"Annotator: {name} {signed(counts)}" for name, counts in sorted(labels.annotators.items())]
    return "; ".join(parts) + "\n" + ("\n" + "\n".join(trailers) + "\n" if trailers else "")


def parse_message(body: str) -> LabelChanges | None:
    """The counts that a label commit's message tells; None where it tells none.

    The keys of its series are not in it, only their number: they stay empty.
    """
    found = LabelChanges()
    for line in body.splitlines():
        name, _, value = line.partition(": ")
        words = value.split(" ")
        counts = Counter({word[0]: int(word[1:]) for word in words if COUNT.fullmatch(word)})
        what = " ".join(word for word in words if not COUNT.fullmatch(word))
        if name == "Annotations":
            found.annotations.update(counts)
        elif name == "Label":
            found.labels[what] = counts
        elif name == "Annotator":
            found.annotators[what] = counts
            found.regions.update(counts)
    return found if found.annotations else None
