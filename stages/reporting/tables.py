"""Tables of the report: scores per series, per class and per group, with confidence intervals, and confusion."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stages.metrics import bootstrap
from stages.metrics.segmentation import LabeledPrediction
from stages.metrics.segmentation import score as score_together

HELD_OUT = ("test", "validation")
FEW = 10  # events; with fewer, one more or less moves a score by much
Z = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class SeriesScore:
    """How well one recording was predicted.

    Attributes:
        events, found, extra: true events, those predicted, and predicted events that are none.
        f1: of its events.
        accuracy: share of its known timepoints with the right class; None: nothing is known of it.
    """

    series: str
    group: str
    timepoints: int
    events: int
    found: int
    extra: int
    f1: float | None
    accuracy: float | None


def series_score(
    series: str, group: str, prediction: LabeledPrediction, labels: Sequence[str], iou: float, tolerance: int
) -> SeriesScore:
    """Score one recording as its whole split is scored."""
    scores = score_together([prediction], labels, iou, tolerance)
    events, found = int(scores.event["true"] or 0), int(scores.event["matched"] or 0)
    return SeriesScore(
        series,
        group,
        timepoints=len(prediction.target),
        events=events,
        found=found,
        extra=int(scores.event["predicted"] or 0) - found,
        f1=scores.event["f1"],
        accuracy=scores.timepoint["accuracy"],
    )


def ordered(scores: Iterable[SeriesScore]) -> list[SeriesScore]:
    """The best first: by event F1, then by timepoints, then by name; those without an event to find at the end."""
    return sorted(scores, key=lambda s: (s.f1 is None, -(s.f1 or 0.0), -(s.accuracy or 0.0), s.series))


def ranked(scores: Sequence[SeriesScore]) -> list[tuple[str, SeriesScore]]:
    """The best, the median and the worst of scores in order, each once; where none has an event, the first."""
    if len(scores) == 1:
        return [("the only one", scores[0])]
    scores = [s for s in scores if s.f1 is not None] or scores[:1]
    if len(scores) == 1:
        return [("the only one with an event" if scores[0].events else "the first", scores[0])]
    places = {0: "best", len(scores) - 1: "worst"}
    if len(scores) > 2:
        places[(len(scores) - 1) // 2] = "median"
    return [(places[place], scores[place]) for place in sorted(places)]


@dataclass(frozen=True)
class ClassRow:
    """Scores of one class; `number` 0 is background, which has no events.

    `low` and `high` bound the share of events found, were they independent (95 %, Wilson 1927).
    """

    label: str
    number: int
    timepoints: int
    precision: float | None
    recall: float | None
    f1: float | None
    events: int
    found: int
    extra: int
    event_f1: float | None
    low: float
    high: float
    few: bool
    fragmented: int
    merged: int
    start_error: float | None
    end_error: float | None


def class_rows(rows: Sequence[Mapping[str, str]]) -> dict[str, list[ClassRow]]:
    """The rows of reports/classes.csv by split, the split that decides first."""
    return {
        name: [_class_row(row, number) for number, row in enumerate(mine)]
        for name, mine in by_split(rows).items()
    }


def by_split(rows: Sequence[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
    """Rows of a table by split, the test split first."""
    return {name: mine for name in HELD_OUT if (mine := [row for row in rows if row["split"] == name])}


def _class_row(row: Mapping[str, str], number: int) -> ClassRow:
    events, predicted, matched = (int(row[n]) for n in ("events", "events_predicted", "events_matched"))
    low, high = interval(matched, events)
    return ClassRow(
        row["label"],
        number,
        timepoints=int(row["timepoints"]),
        precision=optional(row["precision"]),
        recall=optional(row["recall"]),
        f1=optional(row["f1"]),
        events=events,
        found=matched,
        extra=predicted - matched,
        event_f1=optional(row["event_f1"]),
        low=low,
        high=high,
        few=number > 0 and events < FEW,
        fragmented=int(row["fragmented"]),
        merged=int(row["merged"]),
        start_error=optional(row["start_error"]),
        end_error=optional(row["end_error"]),
    )


def optional(text: str) -> float | None:
    """A number, or what a table leaves empty."""
    return float(text) if text else None


def last(score: float | None) -> tuple[bool, float]:
    """Sort key that puts missing scores last."""
    return score is None, score or 0.0


def interval(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    >>> [round(x, 3) for x in interval(3, 4)]
    [0.301, 0.954]
    """
    if n == 0:
        return 0.0, 1.0
    middle = hits + Z * Z / 2
    reach = Z * math.sqrt(hits * (n - hits) / n + Z * Z / 4)
    return max((middle - reach) / (n + Z * Z), 0.0), min((middle + reach) / (n + Z * Z), 1.0)


@dataclass(frozen=True)
class SubjectRow:
    """Scores of one group: the person, say. Errors are mean timepoints; None: nothing was found."""

    group: str
    series: int
    events: int
    found: int
    extra: int
    fragmented: int
    merged: int
    start_error: float | None
    end_error: float | None
    balanced_accuracy: float | None
    event_f1: float | None


def subject_rows(rows: Sequence[Mapping[str, str]]) -> dict[str, list[SubjectRow]]:
    """The rows of reports/subjects.csv by split, the split that decides first; in a split the worst first."""
    return {
        name: sorted(
            map(_subject_row, mine), key=lambda s: (*last(s.event_f1), *last(s.balanced_accuracy), s.group)
        )
        for name, mine in by_split(rows).items()
    }


def _subject_row(row: Mapping[str, str]) -> SubjectRow:
    matched = int(row["events_matched"])
    return SubjectRow(
        row["group"],
        series=int(row["series"]),
        events=int(row["events"]),
        found=matched,
        extra=int(row["events_predicted"]) - matched,
        fragmented=int(row["fragmented"]),
        merged=int(row["merged"]),
        start_error=optional(row["start_error"]),
        end_error=optional(row["end_error"]),
        balanced_accuracy=optional(row["balanced_accuracy"]),
        event_f1=optional(row["event_f1"]),
    )


@dataclass(frozen=True)
class BootstrapUnit:
    """The unit of the bootstrap of a split, and the number of its groups."""

    unit: str
    number: int
    groups: int


def bootstrap_unit(groups: Sequence[str]) -> BootstrapUnit:
    """The unit of the bootstrap, from the groups of the series of a split."""
    unit, people = bootstrap.unit(groups), len(set(groups))
    return BootstrapUnit(unit, people if unit == "group" else len(groups), people)


@dataclass(frozen=True)
class Cell:
    """How many timepoints, or series, of one true class (row) were given one class (column)."""

    actual: str
    predicted: str
    number: int
    share: float


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix of one split without the classes that are neither true nor predicted in it."""

    split: str
    labels: tuple[tuple[int, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    absent: tuple[str, ...]


def confusions(rows: Sequence[Mapping[str, str]], counted: str = "timepoints") -> dict[str, Confusion]:
    """The rows of reports/confusion.csv by split, that of the scores first; `counted` is the column of numbers."""
    return {name: _confusion(name, mine, counted) for name, mine in by_split(rows).items()}


def _confusion(name: str, rows: Sequence[Mapping[str, str]], counted: str) -> Confusion:
    n = math.isqrt(len(rows))
    # By place, not by name: nothing forbids a label that is called background.
    matrix = [_row_of_cells(rows[i * n : (i + 1) * n], counted) for i in range(n)]
    there = [k for k in range(n) if any(matrix[k][j].number or matrix[j][k].number for j in range(n))]
    names = [row[0].actual for row in matrix]
    first = 1 if counted == "timepoints" else 0  # of timepoints the first class is background, and no label
    return Confusion(
        name,
        tuple((k, names[k]) for k in there),
        tuple(tuple(matrix[i][j] for j in there) for i in there),
        tuple(names[k] for k in range(first, n) if k not in there),
    )


def _row_of_cells(rows: Sequence[Mapping[str, str]], counted: str) -> list[Cell]:
    counts = [int(row[counted]) for row in rows]
    total = max(sum(counts), 1)
    return [Cell(r["actual"], r["predicted"], n, n / total) for r, n in zip(rows, counts, strict=True)]


def score(value: float | None) -> str:
    """A score to three digits; a dash where there is none.

    >>> score(0.5), score(None)
    ('0.500', '—')
    """
    return "—" if value is None else f"{value:.3f}"


def share(value: float) -> str:
    """A share in percent; only 0 and 1 are 0 % and 100 %.

    >>> share(0.0004), share(0.9996), share(0.5)
    ('<1 %', '>99 %', '50 %')
    """
    if 0 < value < 0.01:
        return "<1 %"
    if 0.99 < value < 1:
        return ">99 %"
    return f"{100 * value:.0f} %"
