"""Reads data/candidate, data/dataset and data/arrays; writes reports/evaluate.json, classes.csv, subjects.csv,
confusion.csv, calibration.csv.

Scores the candidate on the validation and the test set: what it says of whole series, per class and per group (the
person, say), with how far each score may lie off and whether its chances mean what they say. Nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.classification import candidate
from stages.classification.inference import Asked, compare
from stages.classification.model import Classifier
from stages.metrics import calibration, classification
from stages.metrics.classification import Answers, Scores
from storage.artifacts import checkpoint, dataset, reports
from storage.files import write_json
from storage.paths import CANDIDATE
from storage.printable import say

SETS = ("validation", "test")


@dataclass(frozen=True)
class Result:
    """What is said about one set: the answers, in all, by group, and the ends of 95 % intervals by score."""

    answers: Answers
    scores: Scores
    groups: dict[str, Scores]
    intervals: dict[str, tuple[float, float]]


def main() -> None:
    """Candidate to scores."""
    index, resting = dataset.read_index(), checkpoint.read(CANDIDATE)
    model, known = candidate.wake(resting, index), resting.training.get("learnt_from", ["train"])
    scored = [name for name in SETS if name not in known and index.of(name)]
    asked = {name: candidate.answer(model, index, name) for name in scored}
    results = {name: judge(model, found, index) for name, found in asked.items() if found.keys}
    write(results)
    for name, result in results.items():
        say(f"{name}: {in_words(result)}")
    for line in warnings(asked, known):
        say(line)


def judge(model: Classifier, asked: Asked, index: dataset.Index) -> Result:
    """Score the series of one set."""
    answers = compare(model, asked, index)
    groups = [index.series[key].group for key in asked.keys]
    mine = {
        name: answers.take([i for i, group in enumerate(groups) if group == name])
        for name in sorted(set(groups))
    }
    return Result(
        answers,
        classification.score(answers),
        {name: classification.score(some) for name, some in mine.items()},
        classification.intervals(answers, groups),
    )


def warnings(asked: dict[str, Asked], known: list[str]) -> list[str]:
    """Sets that have no scores, and series that are in none."""
    lines = []
    for name in SETS:
        if name in known:
            lines.append(f"{name}: no scores, for the model has learnt from it")
        elif name not in asked:
            lines.append(f"warning: no {name} set: no scores for it")
        elif unfit := asked[name].unfit:
            series = "; ".join(f"{key}: {why}" for key, why in unfit.items())
            lines.append(f"warning: {len(unfit)} labeled series of the {name} set are in no score: {series}")
    return lines


def write(results: dict[str, Result]) -> None:
    """A file for each table."""
    write_json(reports.SCORES, {name: summary(result) for name, result in results.items()})
    reports.write_csv(reports.CLASSES, CLASS_HEADER, class_rows(results))
    reports.write_csv(reports.SUBJECTS, SUBJECT_HEADER, subject_rows(results))
    reports.write_csv(reports.CONFUSION, CONFUSION_HEADER, confusion_rows(results))
    reports.write_csv(reports.CALIBRATION, CALIBRATION_HEADER, calibration_rows(results))


CLASS_HEADER = (
    "set", "label", "series", "predicted", "right", "precision", "recall", "f1", "roc_auc", "average_precision",
)  # fmt: skip
SUBJECT_HEADER = (
    "set", "group", "series", "accuracy", "balanced_accuracy", "macro_f1", "worst_f1", "log_loss",
)  # fmt: skip
CONFUSION_HEADER = ("set", "actual", "predicted", "series", "share")
CALIBRATION_HEADER = ("set", "level", "low", "high", "answers", "confidence", "right")


def summary(result: Result) -> dict[str, dict[str, float | None]]:
    """What `dvc metrics` shows: rounded, so that a difference in the table is a difference."""
    error = result.scores.calibration
    levels: dict[str, Mapping[str, float | None]] = {
        "series": result.scores.series,
        "calibration": {"series": error} if error is not None else {},
    }
    return reports.rounded(levels, result.intervals)


def in_words(result: Result) -> str:
    """One line about a set."""
    texts = [
        reports.in_words(title, result.scores.series[name], result.intervals.get(name))
        for title, name in (("accuracy", "accuracy"), ("macro F1", "macro_f1"))
    ]
    return f"{', '.join(texts)} of {result.scores.series['count']} series"


def class_rows(results: dict[str, Result]) -> list[list[Any]]:
    """A row for each set and class."""
    return [
        [name, *vars(score).values()] for name, result in results.items() for score in result.scores.classes
    ]


def subject_rows(results: dict[str, Result]) -> list[list[Any]]:
    """A row for each set and group."""
    return [
        [name, group, scores.series["count"], *(scores.series[key] for key in SUBJECT_HEADER[3:])]
        for name, result in results.items()
        for group, scores in result.groups.items()
    ]


def confusion_rows(results: dict[str, Result]) -> list[list[Any]]:
    """A row for each set, true class and predicted class; `share` is of the true class, empty where none is.

    Of independent classes each has four, in which `not` and the class is the other answer.
    """
    rows = []
    for name, result in results.items():
        labels, found = result.answers.labels, result.scores.confusion
        tables = [(labels, found)]
        if result.answers.independent:
            tables = [((f"not {k}", k), part) for k, part in zip(labels, found, strict=True)]
        rows += [
            [name, actual, predicted, int(n), float(n / row.sum()) if row.any() else None]
            for classes, counts in tables
            for actual, row in zip(classes, counts, strict=True)
            for predicted, n in zip(classes, row, strict=True)
        ]
    return rows


def calibration_rows(results: dict[str, Result]) -> list[list[Any]]:
    """A row for each set and bin that holds answers: their mean confidence and the share that is right."""
    return [
        [name, "series", *row]
        for name, result in results.items()
        for row in calibration.rows(result.scores.bins)
    ]
