"""Summary of the data that a model was trained on, for the report: counts and data quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.artifacts.dataset import Entry, Index

SPLITS = ("train", "validation", "test", "unassigned")


@dataclass(frozen=True)
class SplitRow:
    """What is in one split; `labeled` of its series have an annotation. `regions` are choices of a classifier."""

    name: str
    series: int
    labeled: int
    groups: int
    annotations: int
    timepoints: int
    regions: int


@dataclass(frozen=True)
class LabelRow:
    """Regions, or series of a classifier, of one label by split."""

    label: str
    number: int
    regions: dict[str, int]
    total: int


@dataclass(frozen=True)
class Annotator:
    """One person: annotations that counted, and those of them that the model was trained on."""

    name: str
    annotations: int
    trained_on: int


@dataclass(frozen=True)
class Origin:
    """The labels that a model comes from, counted."""

    splits: tuple[SplitRow, ...]
    labels: tuple[LabelRow, ...]
    annotators: tuple[Annotator, ...]
    annotations: int
    trained_on: int


def origin(index: Index, annotators: Mapping[str, str], trained_on: Mapping[str, Sequence[str]]) -> Origin:
    """Count series, regions and annotations; `annotators` is by id of the label record, `trained_on` by series."""
    used = [identity for entry in index.series.values() for identity in entry.annotations]
    in_train = [identity for ids in trained_on.values() for identity in ids]
    made = Counter(annotators.get(identity, "") for identity in used)
    in_training = Counter(annotators.get(identity, "") for identity in in_train)
    people = sorted(made.keys() | in_training.keys(), key=lambda name: (-made[name], not name, name))
    return Origin(
        tuple(row for row in (_split_row(index, name) for name in SPLITS) if row.series),
        tuple(_label_row(index, label, number) for number, label in enumerate(index.labels, 1)),
        tuple(Annotator(name or "not known", made[name], in_training[name]) for name in people),
        len(used),
        len(in_train),
    )


def _split_row(index: Index, name: str) -> SplitRow:
    entries = [entry for entry in index.series.values() if entry.split == name]
    return SplitRow(
        name,
        series=len(entries),
        labeled=sum(bool(entry.annotations) for entry in entries),
        groups=len({entry.group for entry in entries}),
        annotations=sum(len(entry.annotations) for entry in entries),
        timepoints=sum(entry.rows for entry in entries),
        regions=sum(len(_labels(entry)) for entry in entries),
    )


def _label_row(index: Index, label: str, number: int) -> LabelRow:
    regions = {
        name: sum(_labels(e).count(label) for e in index.series.values() if e.split == name)
        for name in SPLITS
    }
    return LabelRow(label, number, regions, sum(regions.values()))


def _labels(entry: Entry) -> list[str]:
    return [*(region.label for region in entry.regions), *entry.choices]


@dataclass(frozen=True)
class Quality:
    """Data quality of the recordings in words: problems by series."""

    recordings: int
    clean: int
    odd: tuple[tuple[str, tuple[str, ...]], ...]
    refused: tuple[tuple[str, tuple[str, ...]], ...]
    ignored: tuple[str, ...]


def quality(found: Mapping[str, Any]) -> Quality:
    rates = found["other_sampling_rates"]
    odd = {key: _oddities(entry, rates.get(key)) for key, entry in sorted(found["series"].items())}
    refused = {key: [_problem(p) for p in problems] for key, problems in sorted(found["refused"].items())}
    return Quality(
        len(odd),
        sum(not lines for lines in odd.values()),
        tuple((key, tuple(lines)) for key, lines in odd.items() if lines),
        tuple((key, tuple(lines)) for key, lines in refused.items()),
        tuple(found["not_recordings"]),
    )


def _oddities(entry: Mapping[str, Any], rate: float | None) -> list[str]:
    gaps, missing, constant = entry["gaps"], entry["nan"], entry["constant"]
    lines = []
    if gaps["count"]:
        where = f"the longest is {gaps['longest_steps']:g} steps after timepoint {gaps['longest_after_row']}"
        lines.append(f"{gaps['count']} gap{'s' * (gaps['count'] > 1)} in time; {where}")
    if missing:
        lines.append("no number: " + ", ".join(f"{n:,} in {name}" for name, n in sorted(missing.items())))
    if constant:
        lines.append(f"never changes: {', '.join(constant)}")
    if rate is not None:
        lines.append(f"{rate:g} timepoints per unit of time, unlike most")
    return lines + [_problem(note) for note in entry["notes"]]


def _problem(problem: Mapping[str, Any]) -> str:
    row = f"row {problem['row']}: " if problem["row"] is not None else ""
    return f"{row}{problem['what']}" + (f"; {problem['cure']}" if problem["cure"] else "")
