"""Tables of a classifier's report: per class, per group, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.reporting.tables import FEW, by_split, interval, last, optional

Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class ClassRow:
    """Scores of one class.

    Attributes:
        number: its place in the label config, from 1.
        series, found, extra: of the class, true positives, and false positives.
        low, high: bounds of the share that is found, were series independent (95 %, Wilson 1927).
        few: so few series that one more or less moves the scores by much.
        roc_auc, average_precision: None where the split has no series of the class, or no others.
    """

    label: str
    number: int
    series: int
    found: int
    extra: int
    precision: float | None
    f1: float | None
    low: float
    high: float
    few: bool
    roc_auc: float | None
    average_precision: float | None


def class_rows(rows: Rows) -> dict[str, list[ClassRow]]:
    """The rows of reports/classes.csv by split."""
    return {
        name: [_class_row(row, number) for number, row in enumerate(mine, 1)]
        for name, mine in by_split(rows).items()
    }


def _class_row(row: Mapping[str, str], number: int) -> ClassRow:
    series, found = int(row["series"]), int(row["right"])
    low, high = interval(found, series)
    return ClassRow(
        row["label"],
        number,
        series=series,
        found=found,
        extra=int(row["predicted"]) - found,
        precision=optional(row["precision"]),
        f1=optional(row["f1"]),
        low=low,
        high=high,
        few=series < FEW,
        roc_auc=optional(row["roc_auc"]),
        average_precision=optional(row["average_precision"]),
    )


@dataclass(frozen=True)
class GroupRow:
    """Scores of one group: the person, say."""

    group: str
    series: int
    accuracy: float | None
    macro_f1: float | None
    log_loss: float | None


def group_rows(rows: Rows) -> dict[str, list[GroupRow]]:
    """The rows of reports/subjects.csv by split; in a split the worst first."""
    return {
        name: sorted(map(_group_row, mine), key=lambda g: (*last(g.accuracy), -(g.log_loss or 0.0), g.group))
        for name, mine in by_split(rows).items()
    }


def _group_row(row: Mapping[str, str]) -> GroupRow:
    scores = (optional(row[name]) for name in ("accuracy", "macro_f1", "log_loss"))
    return GroupRow(row["group"], int(row["series"]), *scores)


@dataclass(frozen=True)
class YesOrNo:
    """Series by whether they are of one class and whether it is predicted; the first word is the truth."""

    label: str
    number: int
    yes_yes: int
    yes_no: int
    no_yes: int
    no_no: int


def yes_or_no(rows: Rows) -> dict[str, list[YesOrNo]]:
    """The rows of reports/confusion.csv by split, where each class is predicted by itself: four rows each."""
    return {
        name: [_yes_or_no(mine[k : k + 4], 1 + k // 4) for k in range(0, len(mine), 4)]
        for name, mine in by_split(rows).items()
    }


def _yes_or_no(rows: Rows, number: int) -> YesOrNo:
    no_no, no_yes, yes_no, yes_yes = (int(row["series"]) for row in rows)
    return YesOrNo(rows[3]["actual"], number, yes_yes, yes_no, no_yes, no_no)
