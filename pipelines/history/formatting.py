"""Label changes as people read them: grouped by series, one line a change, counts behind a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from storage.labels.diff import Difference, ItemChange
from storage.labels.label_changes import (
    LabelChanges,
    item_text,
    label_text,
    plural,
    region_value,
    signed,
    span_text,
    times,
    value_text,
)

WIDEST = 56  # of what changed, before who and where; a longer one moves its own line only


def difference_lines(differences: Iterable[Difference]) -> list[str]:
    """A heading for each series, and under it a line for each region, choice or annotation that changed.

    Args:
        differences: sorted by series.
    """
    text: list[str] = []
    rows = [(d.series, row, f"{d.annotator}  {name}") for d in differences for row, name in _rows(d)]
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
        text += [f"  {name:<{width}}  {signed(part[name]) or 'no label'}" for name in sorted(part)]
    return [*text, total_line(counts)]


def total_line(counts: LabelChanges) -> str:
    """The sum: `+1 ~2 labels in 3 annotations of 2 series`."""
    noun = "label" if counts.regions.total() == 1 else "labels"
    found = f"{signed(counts.regions)} {noun}" if counts.regions else "no label"
    annotations = plural(counts.annotations.total(), "annotation")
    return f"{found} in {annotations} of {plural(len(counts.series), 'series')}"


def counts_line(counts: LabelChanges) -> str:
    """By label and by annotator: `knock +2 ~7, walk +4; by ann@example.com +6 ~7`."""
    labels, people = (
        ", ".join(f"{name} {signed(found[name])}" for name in sorted(found))
        for found in (counts.labels, counts.annotators)
    )
    return "; by ".join(part for part in (labels, people) if part)


def counts_json(counts: LabelChanges) -> dict[str, Any]:

    def plain(found: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
        return {name: dict(value) for name, value in found.items()}

    return {
        "regions": dict(counts.regions),
        "annotations": dict(counts.annotations),
        "labels": plain(counts.labels),
        "annotators": plain(counts.annotators),
        "series": plain(counts.series) or None,
    }


def _rows(found: Difference) -> list[tuple[str, str]]:
    rows = [(f"* {', '.join(found.words)}", found.id)] if found.words else []
    return rows + [(f"{item.sign} {_change_text(item)}", f"{found.id}/{item.name}") for item in found.items]


def _change_text(change: ItemChange) -> str:
    old, new = change.before, change.after
    if old is None or new is None:
        return item_text(old or new or {})
    if "start" not in region_value(old) or "start" not in region_value(new):
        return f"{new.get('type')}  {value_text(old)} -> {value_text(new)}"
    labels = label_text(new) if "relabeled" not in change.kinds else f"{label_text(old)} -> {label_text(new)}"
    span = span_text(new) if times(old) == times(new) else f"{span_text(old)} -> {span_text(new)}"
    return f"{labels}  {span}" + ("  (otherwise changed)" if "changed" in change.kinds else "")
