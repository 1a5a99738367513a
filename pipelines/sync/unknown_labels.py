"""Regions and choices whose label the label config does not have: the label was renamed or removed.

They stay in labels and Label Studio, which shows them without a label; no model is trained on them. Sync warns when
labels or label config change, doctor always.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

from storage.label_studio.label_config import LabelConfig
from storage.labels import label_changes
from storage.labels.snapshot import Record
from storage.printable import shortened

SHOWN = 3  # labels and series that are named


@dataclass
class Unknown:
    """Regions or choices with a label that the label config lacks: how many, and of which series."""

    count: int = 0
    series: set[str] = field(default_factory=set)


def find(records: Iterable[Record], config: LabelConfig) -> dict[str, Unknown]:
    """Labels that the label config lacks, the most frequent first; skipped annotations do not count."""
    found: dict[str, Unknown] = {}
    for record in records:
        for label in () if record["was_cancelled"] else _labels(record, config):
            if config.label_of(label) is None:
                unknown = found.setdefault(label, Unknown())
                unknown.count += 1
                unknown.series.add(record["series"])
    return dict(sorted(found.items(), key=lambda item: (-item[1].count, item[0])))


def _labels(record: Record, config: LabelConfig) -> list[str]:
    if config.result_kind == "regions":
        return [label for item in record["result"] for label in label_changes.item_labels(item)]
    items = label_changes.whole_choices(record, config)
    return [label for item in items for label in label_changes.item_labels(item, whole=True)]


def lines(found: dict[str, Unknown], config: LabelConfig) -> list[str]:
    """A line for each of the first few labels."""
    kind = "region" if config.result_kind == "regions" else "choice"
    text = []
    for label, unknown in list(found.items())[:SHOWN]:
        series = ", ".join(sorted(unknown.series)[:SHOWN]) + (", .." if len(unknown.series) > SHOWN else "")
        what = label_changes.plural(unknown.count, kind)
        where = f"in {len(unknown.series)} series ({series})"
        text.append(f"{what} of label {shortened(repr(label))} {where}: the label config has no such label")
    if len(found) > SHOWN:
        rest = sum(unknown.count for unknown in list(found.values())[SHOWN:])
        text.append(f"{label_changes.plural(rest, kind)} of {len(found) - SHOWN} other labels that it lacks")
    return text


def cure(found: dict[str, Unknown], config: LabelConfig) -> str:
    """How to give the first of them a label again."""
    label = next(iter(found))
    tag = "Label" if config.result_kind == "regions" else "Choice"
    return (
        f'if it was renamed, give the new one alias={quoteattr(label)}: <{tag} value="NEW NAME" '
        f"alias={quoteattr(label)}/>; if it was removed, put it back or label those anew; then labeltrail sync"
    )


def warnings(records: Iterable[Record], config: LabelConfig) -> list[str]:
    """Warnings of a sync; none where every label is known."""
    found = find(records, config)
    *first, last = lines(found, config) or [""]
    return [*first, f"{last}; {cure(found, config)}"] if found else []
