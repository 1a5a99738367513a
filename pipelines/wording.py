"""Label changes as people read them: grouped by series, one line a change, counts behind a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from storage.differences import Difference, ItemChange, times
from storage.history import LabelChanges, plural, region_labels, region_value, signed
from storage.record_merge import Item

WIDEST = 56  # of what changed, before who and where; a longer one moves its own line only


def difference_lines(differences: Iterable[Difference]) -> list[str]:
    """A heading for each series, and under it a line for each region or annotation that changed."""
    text: list[str] = []
    ordered = sorted(differences, key=lambda d: (d.series, d.id))
    rows = [(d.series, row, f"{d.annotator}  {name}") for d in ordered for row, name in _rows(d)]
    width = min(WIDEST, max((len(row) for _, row, _ in rows), default=0))
    for series, group in groupby(rows, key=lambda row: row[0]):
        text.append(series)
        text += [f"  {row:<{width}}  {who}" for _, row, who in group]
    return text


def stat_lines(counts: LabelChanges) -> list[str]:
    """A line for each series, each label and each annotator, and the sum."""
    parts = (("", counts.series), ("by label", counts.labels), ("by annotator", counts.annotators))
    width = max((len(name) for _, part in parts for name in part), default=0)
    text: list[str] = []
    for title, part in parts:
        text += [title] if title and part else []
        text += [f"  {name:<{width}}  {signed(part[name]) or 'no region'}" for name in sorted(part)]
    return [*text, total_line(counts)]


def total_line(counts: LabelChanges) -> str:
    """The sum: `+1 ~2 regions in 3 annotations of 2 series`."""
    noun = "region" if counts.regions.total() == 1 else "regions"
    regions = f"{signed(counts.regions)} {noun}" if counts.regions else "no region"
    annotations = plural(counts.annotations.total(), "annotation")
    return f"{regions} in {annotations} of {plural(len(counts.series), 'series')}"


def counts_line(counts: LabelChanges) -> str:
    """By label and by annotator: `knock +2 ~7, walk +4; by ann@example.com +6 ~7`."""
    labels, people = (
        ", ".join(f"{name} {signed(found[name])}" for name in sorted(found))
        for found in (counts.labels, counts.annotators)
    )
    return "; by ".join(part for part in (labels, people) if part)


def counts_json(counts: LabelChanges) -> dict[str, Any]:
    """As in docs/formats.md."""

    def plain(found: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
        return {name: dict(value) for name, value in found.items()}

    return {
        "regions": dict(counts.regions),
        "annotations": dict(counts.annotations),
        "labels": plain(counts.labels),
        "annotators": plain(counts.annotators),
        "series": plain(counts.series) or None,
    }


def item_text(item: Item) -> str:
    """A region as `walk  0.1 .. 0.5`, an instant as `knock  at 0.9`; what is no region by its type and value."""
    if "start" not in region_value(item):
        return f"{item.get('type')}  {_beside(item)}"
    return f"{_labels(item)}  {_span(item)}"


def _rows(found: Difference) -> list[tuple[str, str]]:
    rows = [(f"* {', '.join(found.words)}", found.id)] if found.words else []
    return rows + [(f"{item.sign} {_change_text(item)}", f"{found.id}/{item.name}") for item in found.items]


def _change_text(change: ItemChange) -> str:
    old, new = change.before, change.after
    if old is None or new is None:
        return item_text(old or new or {})
    if "start" not in region_value(old) or "start" not in region_value(new):
        return f"{new.get('type')}  {_beside(old)} -> {_beside(new)}"
    labels = _labels(new) if "relabeled" not in change.kinds else f"{_labels(old)} -> {_labels(new)}"
    span = _span(new) if times(old) == times(new) else f"{_span(old)} -> {_span(new)}"
    return f"{labels}  {span}" + ("  (otherwise changed)" if "changed" in change.kinds else "")


def _labels(item: Item) -> str:
    return ", ".join(region_labels(item)) or "(no label)"


def _span(item: Item) -> str:
    start, end = times(item)
    return f"at {start}" if start == end else f"{start} .. {end}"


def _beside(item: Item) -> str:
    if item.get("type") == "relation":
        return f"{item.get('from_id')} to {item.get('to_id')}"
    value = region_value(item)
    chosen = value.get(str(item.get("type")), value.get("text", value))
    return ", ".join(map(str, chosen)) if isinstance(chosen, list) else str(chosen)
