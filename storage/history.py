"""Label changes in words: what a label commit's subject and trailers say.

A region that has another id is another region; the same id with another value was changed. An annotation
can also change as a whole: skipped, made ground truth, submitted empty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from storage.merge import Change
from storage.snapshot import Record

SIGNS = "+~-"


@dataclass(frozen=True)
class LabelChanges:
    """Counts of one label commit.

    Attributes:
        regions: by sign (`+` added, `~` changed, `-` removed).
        labels: the same, by label.
        annotators: the same, by annotator.
        annotations: annotations that changed in any way, also without a region (skipped, empty, starred).
        series: keys of the series that they are in.
    """

    regions: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    annotators: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    annotations: Counter[str] = field(default_factory=Counter)
    series: set[str] = field(default_factory=set)


def signs(changes: Iterable[Change[Any]]) -> Counter[str]:
    """How many were added (`+`), changed (`~`) and removed (`-`)."""
    return Counter("+" if c.before is None else "-" if c.after is None else "~" for c in changes)


def count(changes: Iterable[Change[Record]]) -> LabelChanges:
    """Count regions and annotations that changed."""
    found = list(changes)
    total = LabelChanges(annotations=signs(found))
    for change in found:
        record = change.after or change.before or {}
        total.series.add(record["series"])
        for region_sign, region in region_changes(change.before, change.after):
            total.regions[region_sign] += 1
            total.annotators[record["annotator"]][region_sign] += 1
            for label in region_labels(region):
                total.labels[label][region_sign] += 1
    return total


def region_changes(before: Record | None, after: Record | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Regions that one version of a record has and the other has not, or has otherwise, with the sign."""
    old, new = _regions(before), _regions(after)
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield "+", new[name]
        elif name not in new:
            yield "-", old[name]
        elif old[name] != new[name]:
            yield "~", new[name]


def region_labels(region: dict[str, Any]) -> list[str]:
    """The labels on a region."""
    return [str(label) for label in region.get("value", {}).get("timeserieslabels", ())]


def _regions(record: Record | None) -> dict[str, dict[str, Any]]:
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
