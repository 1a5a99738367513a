"""Scores of a classifier on labeled series: per class and per group (the person, say), with confidence intervals and
calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.classification.dataset import load
from stages.classification.inference import Predicted, predict_recordings, with_truth
from stages.classification.model import Classifier
from stages.metrics import calibration, classification
from stages.metrics.classification import LabeledPredictions, Scores
from stages.metrics.roc_curves import roc_points
from storage.artifacts import arrays, dataset, reports
from storage.artifacts.checkpoint import Checkpoint, Scorer
from storage.artifacts.reports import Evaluation
from storage.progress import track

HEADLINE = {"series": ("accuracy", "balanced_accuracy", "count", "log_loss", "macro_f1")}


@dataclass(frozen=True)
class Result:
    """Predictions and scores of one split, in all and by group, with the ends of 95 % intervals by score."""

    predictions: LabeledPredictions
    scores: Scores
    groups: dict[str, Scores]
    intervals: dict[str, tuple[float, float]]


def evaluate(model: Checkpoint, index: dataset.Index, splits: Sequence[str]) -> Evaluation:
    """Score a model on splits of the dataset."""
    classifier = Classifier.from_checkpoint(model)
    predicted = {name: predict_split(classifier, index, name) for name in splits}
    results = {name: score_split(classifier, found, index) for name, found in predicted.items() if found.keys}
    return Evaluation(
        scores={name: summary(result) for name, result in results.items()},
        headline=HEADLINE,
        tables={
            "classes": (CLASS_HEADER, class_rows(results)),
            "subjects": (SUBJECT_HEADER, subject_rows(results)),
            "confusion": (CONFUSION_HEADER, confusion_rows(results)),
            "calibration": (reports.CALIBRATION_HEADER, calibration_rows(results)),
            "roc": (reports.ROC_HEADER, roc_rows(results)),
        },
        lines={name: in_words(result) for name, result in results.items()},
        warnings={name: unscored(name, found.unfit) for name, found in predicted.items() if found.unfit},
    )


def predict_split(model: Classifier, index: dataset.Index, name: str) -> Predicted:
    """Predictions for each labeled series of a split."""
    keys = track(index.of(name), f"predicting {name}")
    return predict_recordings(model, ((key, arrays.values(key)) for key in keys))


def scorer(index: dataset.Index) -> Scorer:
    test = load(index, "test")

    def scores(model: Checkpoint) -> Mapping[str, float | None]:
        if test is None:
            return {}
        classifier = Classifier.from_checkpoint(model)
        found = classifier.probabilities(test.values)
        task, decided = classifier.spec.task, classifier.decide(found)
        return classification.score(
            LabeledPredictions(task, index.labels, test.targets, decided, found)
        ).series

    return scores


def score_split(model: Classifier, found: Predicted, index: dataset.Index) -> Result:
    """Score the series of one split."""
    predictions = with_truth(model, found, index)
    groups = [index.series[key].group for key in found.keys]
    mine = {
        name: predictions.take([i for i, group in enumerate(groups) if group == name])
        for name in sorted(set(groups))
    }
    return Result(
        predictions,
        classification.score(predictions),
        {name: classification.score(some) for name, some in mine.items()},
        classification.intervals(predictions, groups),
    )


def unscored(name: str, unfit: Mapping[str, str]) -> str:
    """The warning that series are in no score."""
    series = "; ".join(f"{key}: {why}" for key, why in unfit.items())
    return f"warning: {len(unfit)} labeled series of the {name} split are in no score: {series}"


CLASS_HEADER = (
    "split", "label", "series", "predicted", "right", "precision", "recall", "f1", "roc_auc", "average_precision",
)  # fmt: skip
SUBJECT_HEADER = (
    "split", "group", "series", "accuracy", "balanced_accuracy", "macro_f1", "worst_f1", "log_loss",
)  # fmt: skip
CONFUSION_HEADER = ("split", "actual", "predicted", "series", "share")


def summary(result: Result) -> dict[str, dict[str, float | None]]:
    """What `dvc metrics` shows: rounded, so that a difference in the table is a difference."""
    error = result.scores.calibration
    levels: dict[str, Mapping[str, float | None]] = {
        "series": result.scores.series,
        "calibration": {"series": error} if error is not None else {},
    }
    return reports.rounded(levels, result.intervals)


def in_words(result: Result) -> str:
    """One line about a split."""
    texts = [
        reports.score_text(title, result.scores.series[name], result.intervals.get(name))
        for title, name in (("accuracy", "accuracy"), ("macro F1", "macro_f1"))
    ]
    return f"{', '.join(texts)} of {result.scores.series['count']} series"


def class_rows(results: Mapping[str, Result]) -> list[list[Any]]:
    """A row for each split and class."""
    return [
        [name, *vars(score).values()] for name, result in results.items() for score in result.scores.classes
    ]


def subject_rows(results: Mapping[str, Result]) -> list[list[Any]]:
    """A row for each split and group."""
    return [
        [name, group, scores.series["count"], *(scores.series[key] for key in SUBJECT_HEADER[3:])]
        for name, result in results.items()
        for group, scores in result.groups.items()
    ]


def confusion_rows(results: Mapping[str, Result]) -> list[list[Any]]:
    """A row for each split, true class and predicted class; `share` is of the true class, empty where none is.

    Of independent classes each has four rows: the class, and `not` with it.
    """
    rows = []
    for name, result in results.items():
        labels, found = result.predictions.labels, result.scores.confusion
        tables = [(labels, found)]
        if result.predictions.independent:
            tables = [((f"not {k}", k), part) for k, part in zip(labels, found, strict=True)]
        rows += [
            [name, actual, predicted, int(n), float(n / row.sum()) if row.any() else None]
            for classes, counts in tables
            for actual, row in zip(classes, counts, strict=True)
            for predicted, n in zip(classes, row, strict=True)
        ]
    return rows


def calibration_rows(results: Mapping[str, Result]) -> list[list[Any]]:
    """A row for each split and bin that is not empty: mean confidence and share that is right."""
    return [
        [name, "series", *row]
        for name, result in results.items()
        for row in calibration.rows(result.scores.bins)
    ]


def roc_rows(results: Mapping[str, Result]) -> list[list[Any]]:
    """A row for each point of the curve of each class that has one, by split."""
    return [
        [name, result.predictions.labels[k], *point]
        for name, result in results.items()
        for k in result.predictions.curves
        for point in roc_points(result.predictions.truth[:, k], result.predictions.probabilities[:, k])
    ]
