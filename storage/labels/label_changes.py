"""Counts label changes, and writes subject and trailers of a label commit.

Regions are compared by id: an id with another value is a changed region. A choice for the whole recording counts like
a region. An annotation can also change as a whole: skipped, made ground truth, submitted empty.

The label config says which choices are labels: those of its control tag. Without one (`config` is None) all choices
for whole recordings are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.label_studio.label_config import LabelConfig
from storage.labels.annotation_merge import Item, is_for_recording, region_ids
from storage.labels.snapshot import Record
from storage.labels.three_way import Change, sign
from storage.printable import shortened

SIGNS = "+~-"
TRAILERS = 200  # maximum number of labels, and of annotators, that a commit message names


@dataclass(frozen=True)
class LabelChanges:
    """Counts of one label commit.

    Attributes:
        regions: regions, and choices for whole recordings, by sign (`+` added, `~` changed, `-` removed).
        labels: the same, by label.
        annotators: the same, by annotator.
        annotations: annotations with any change, also without a label (skipped, empty, ground truth).
        series: regions by series key; also of series where only annotations changed.
    """

    regions: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    annotators: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    annotations: Counter[str] = field(default_factory=Counter)
    series: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def signs(changes: Iterable[Change[Any]]) -> Counter[str]:
    """Number of changes by sign: `+` added, `~` changed, `-` removed."""
    return Counter(sign(change.before, change.after) for change in changes)


def count(
    changes: Iterable[Change[Record]], label: str = "", config: LabelConfig | None = None
) -> LabelChanges:
    """Count changed labels and annotations; with a `label`, only regions and choices that have or had it."""
    total = LabelChanges()
    for change in changes:
        record = change.after or change.before or {}
        differences = [
            (kind, old if kind == "-" else new)
            for kind, old, new in label_changes(change.before, change.after, config)
            if not label or label in {*old, *new}
        ]
        if label and not differences:
            continue
        total.annotations.update(signs([change]))
        series = total.series[record["series"]]
        for kind, names in differences:
            total.regions[kind] += 1
            series[kind] += 1
            total.annotators[record["annotator"]][kind] += 1
            for name in names:
                total.labels[name][kind] += 1
    return total


def label_changes(
    before: Record | None, after: Record | None, config: LabelConfig | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Regions and choices that differ between two versions of a record: sign, labels before and after."""
    old, new = _regions(before), _regions(after)
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was != now:
            yield sign(was, now), item_labels(was or {}), item_labels(now or {})
    chosen = _choices(before, config), _choices(after, config)
    for tag in sorted(chosen[0].keys() | chosen[1].keys()):
        yield from _choice_changes(*(side.get(tag, set()) for side in chosen))


def _choice_changes(old: set[str], new: set[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Changes of choices: one value replaced by another is a change, else each is added or removed."""
    if len(old) == len(new) == 1 and old != new:
        yield "~", list(old), list(new)
        return
    yield from (("-", [value], []) for value in sorted(old - new))
    yield from (("+", [], [value]) for value in sorted(new - old))


def item_labels(item: Item, whole: bool = False) -> list[str]:
    """The labels of a region or, with `whole`, of a choice for the whole recording; none of other items."""
    labels = region_value(item).get("choices" if whole else "timeserieslabels")
    return [str(label) for label in labels] if isinstance(labels, list) else []


def record_labels(record: Record, config: LabelConfig | None = None) -> list[str]:
    """All labels in an annotation, with repeats: those of its regions, then those for the whole recording."""
    chosen = [label for item in whole_choices(record, config) for label in item_labels(item, whole=True)]
    return [label for item in record["result"] for label in item_labels(item)] + chosen


def whole_choices(record: Record, config: LabelConfig | None = None) -> list[Item]:
    """The choices for the whole recording that are labels (`is_choice_label`), also of a skipped annotation."""
    regions = region_ids(record["result"])
    return [item for item in record["result"] if is_choice_label(item, regions, config)]


def is_choice_label(item: Item, regions: Collection[str], config: LabelConfig | None = None) -> bool:
    """Whether an item is a choice for the whole recording whose values are labels of the task."""
    if config is not None and not config.has_choices(item.get("from_name")):
        return False
    return is_for_recording(item, regions)


def empty_text(record: Record, config: LabelConfig | None = None) -> str:
    """Meaning of an annotation without labels; "" where it has one, or was skipped."""
    if record.get("was_cancelled"):
        return ""
    if config is None:
        return "" if record["result"] else "empty: nothing here"
    if config.result_kind == "regions":
        marks = any(item.get("type") == "timeserieslabels" for item in record["result"])
        return "" if marks else "empty: nothing here"
    if any(item_labels(item, whole=True) for item in whole_choices(record, config)):
        return ""
    return "empty: none of the labels" if config.task == "multilabel" else "no choice: teaches nothing"


def record_text(record: Record) -> str:
    """Summary of an annotation: `3 regions`, and the choices for the whole recording."""
    whole = whole_choices(record)
    others = len(record["result"]) - len(whole)
    text = [plural(others, "region")] if others or not whole else []
    return ", ".join(text + [label for item in whole for label in item_labels(item, whole=True)])


def region_value(item: Item) -> dict[str, Any]:
    """The `value` of an item, with times and labels; {} where it is invalid."""
    value = item.get("value")
    return value if isinstance(value, dict) else {}


def times(item: Item) -> tuple[Any, Any]:
    """Start and end of a region, as Label Studio wrote them."""
    value = region_value(item)
    return value.get("start"), value.get("end")


def item_text(item: Item) -> str:
    """A region as `walk  0.1 .. 0.5`, an instant as `knock  at 0.9`, any other item as its type and value."""
    if "start" not in region_value(item):
        return f"{item.get('type')}  {value_text(item)}"
    return f"{label_text(item)}  {span_text(item)}"


def label_text(item: Item) -> str:
    """The labels on a region."""
    return ", ".join(item_labels(item)) or "(no label)"


def span_text(item: Item) -> str:
    """`0.1 .. 0.5`, or `at 0.9`."""
    start, end = times(item)
    return f"at {start}" if start == end else f"{start} .. {end}"


def value_text(item: Item) -> str:
    """The value of a choice, a text or a relation."""
    if item.get("type") == "relation":
        return f"{item.get('from_id')} to {item.get('to_id')}"
    value = region_value(item)
    chosen = value.get(str(item.get("type")), value.get("text", value))
    return ", ".join(map(str, chosen)) if isinstance(chosen, list) else str(chosen)


def _regions(record: Record | None) -> dict[str, Item]:
    if record is None or record.get("was_cancelled"):
        return {}
    # Relations, texts and choices on regions have no label.
    regions = [item for item in record["result"] if item.get("type") == "timeserieslabels"]
    return {str(item.get("id", index)): item for index, item in enumerate(regions)}


def _choices(record: Record | None, config: LabelConfig | None) -> dict[str, set[str]]:
    """Choices for the whole recording, by control tag."""
    if record is None or record.get("was_cancelled"):
        return {}
    by_tag: dict[str, set[str]] = defaultdict(set)
    for item in whole_choices(record, config):
        by_tag[str(item.get("from_name"))].update(item_labels(item, whole=True))
    return by_tag


def signed(counts: Counter[str]) -> str:
    """`+12 ~3 -1`; zero counts are left out."""
    return " ".join(f"{sign}{counts[sign]}" for sign in SIGNS if counts[sign])


def plural(number: int, noun: str) -> str:
    """`1 annotation`, `2 annotations`; `series` stays."""
    return f"{number} {noun}" if number == 1 or noun == "series" else f"{number} {noun}s"


def message(labels: LabelChanges, series: Counter[str], others: Iterable[str]) -> str:
    """Subject and trailers of a label commit.

    Args:
        labels: changes in the label snapshot.
        series: recordings that were added (`+`), changed (`~`) or removed (`-`).
        others: names of other files that go with the commit, such as the label config.
    """
    parts = []
    if labels.regions:
        parts.append(f"labels: {signed(labels.regions)} in {plural(len(labels.series), 'series')}")
    elif labels.annotations:
        total = plural(labels.annotations.total(), "annotation")
        parts.append(f"labels: {total} without a label changed in {plural(len(labels.series), 'series')}")
    if series:
        parts.append(f"series: {signed(series)}")
    if not parts:
        parts.append("project: " + ", ".join(others))
    body = [f"Annotations: {signed(labels.annotations)}"] if labels.annotations else []
    body += trailers("Label", labels.labels) + trailers("Annotator", labels.annotators)
    return "; ".join(parts) + "\n" + ("\n" + "\n".join(body) + "\n" if body else "")


def trailers(kind: str, counts: Mapping[str, Counter[str]], *, signs: bool = True) -> list[str]:
    """A line for each name, made printable; the `TRAILERS` with the most changes where there are more.

    Args:
        kind: `Label` or `Annotator`.
        counts: by name.
        signs: counts by sign, as `+12 ~3`; else their total.
    """
    most = sorted(counts, key=lambda name: (-counts[name].total(), name))[:TRAILERS]
    counts_text = {name: signed(counts[name]) if signs else str(counts[name].total()) for name in most}
    lines = [f"{kind}: {shortened(name)} {counts_text[name]}" for name in sorted(most)]
    rest = len(counts) - len(most)
    return [*lines, f"{kind}s: {rest} more"] if rest else lines
