"""Scores of a segmenter on labeled series: per timepoint and per event, per class and per group (the person, say),
with confidence intervals and calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages import params
from stages.metrics import bootstrap, calibration
from stages.metrics.segmentation import BACKGROUND, Scores, Tally, score, tally, total
from stages.segmentation.dataset import load
from stages.segmentation.model import Segmenter
from stages.timeseries.gaps import stretches
from storage.artifacts import dataset, reports
from storage.artifacts.checkpoint import Checkpoint, Scorer
from storage.artifacts.reports import Evaluation
from storage.progress import track

HEADLINE = {"timepoint": ("balanced_accuracy", "worst_f1"), "event": ("f1", "macro_f1", "true")}


@dataclass(frozen=True)
class Result:
    """Scores of one split, in all and by group, with the ends of 95 % intervals by score."""

    scores: Scores
    groups: dict[str, tuple[int, Scores]]
    intervals: dict[str, tuple[float, float]]


def evaluate(
    model: Checkpoint, index: dataset.Index, splits: Sequence[str], settings: params.Params
) -> Evaluation:
    """Score a model on splits of the dataset."""
    segmenter = Segmenter.from_checkpoint(model)
    results = {
        name: score_split(
            {key: count(segmenter, index, key, settings) for key in track(index.of(name), f"scoring {name}")},
            index,
        )
        for name in splits
    }
    return to_evaluation(results, index.labels)


def scorer(index: dataset.Index, settings: params.Params) -> Scorer:
    test, rules = load(index, "test", settings.ingest.gap), settings.evaluate

    def scores(model: Checkpoint) -> Mapping[str, float | None]:
        segmenter = Segmenter.from_checkpoint(model)
        predicted = (segmenter.predict_labeled(e.values, e.target, e.regions, e.known) for e in test)
        found = score(predicted, segmenter.labels, rules.iou, rules.instant_tolerance)
        return {"event_f1": found.event["f1"], "event_macro_f1": found.event["macro_f1"], **found.timepoint}

    return scores


def count(model: Segmenter, index: dataset.Index, key: str, settings: params.Params) -> Tally:
    """Compare one series with the truth."""
    (values, times, target), rules = dataset.labeled(key, index), settings.evaluate
    known = stretches(values, times, settings.ingest.gap)
    prediction = model.predict_labeled(values, target, index.series[key].regions, known)
    return tally(prediction, index.labels, rules.iou, rules.instant_tolerance)


def score_split(tallies: dict[str, Tally], index: dataset.Index) -> Result:
    """Score the series of one split."""
    group_of = {key: index.series[key].group for key in tallies}
    mine = {
        name: [tallies[key] for key in tallies if group_of[key] == name]
        for name in sorted(set(group_of.values()))
    }
    every = list(tallies.values())
    return Result(
        total(every, index.labels),
        {name: (len(some), total(some, index.labels)) for name, some in mine.items()},
        bootstrap.intervals(every, list(group_of.values())),
    )


def to_evaluation(results: Mapping[str, Result], labels: tuple[str, ...]) -> Evaluation:
    """Results by split, as evaluate writes them."""
    return Evaluation(
        scores={name: summary(result) for name, result in results.items()},
        headline=HEADLINE,
        tables={
            "classes": (CLASS_HEADER, class_rows(results)),
            "subjects": (SUBJECT_HEADER, subject_rows(results)),
            "confusion": (CONFUSION_HEADER, confusion_rows(results, labels)),
            "calibration": (reports.CALIBRATION_HEADER, calibration_rows(results)),
        },
        lines={name: in_words(result) for name, result in results.items()},
    )


CLASS_HEADER = (
    "split", "label", "timepoints", "precision", "recall", "f1",
    "events", "events_predicted", "events_matched", "event_f1", "fragmented", "merged", "start_error", "end_error",
)  # fmt: skip
SUBJECT_HEADER = (
    "split", "group", "series", "timepoints", "accuracy", "balanced_accuracy", "macro_f1", "worst_f1",
    "events", "events_predicted", "events_matched", "event_f1", "event_macro_f1", "fragmented", "merged",
    "start_error", "end_error",
)  # fmt: skip
CONFUSION_HEADER = ("split", "actual", "predicted", "timepoints", "share")


def summary(result: Result) -> dict[str, dict[str, float | None]]:
    """What `dvc metrics` shows: rounded, so that a difference in the table is a difference."""
    scores = result.scores
    levels: dict[str, Mapping[str, float | None]] = {
        "timepoint": scores.timepoint,
        "event": scores.event,
        "boundary": scores.boundary,
        "boundary_time": scores.boundary_time,
        "calibration": scores.calibration,
    }
    return reports.rounded(levels, result.intervals)


def in_words(result: Result) -> str:
    """One line about a split."""
    scores = result.scores
    if not scores.event["true"]:
        return "no score, for it has no event to find"
    parts = (
        ("balanced accuracy", "balanced_accuracy", scores.timepoint["balanced_accuracy"]),
        ("event F1", "event_f1", scores.event["f1"]),
    )
    texts = [reports.score_text(title, value, result.intervals.get(name)) for title, name, value in parts]
    return f"{', '.join(texts)} of {scores.event['true']} events"


def class_rows(results: Mapping[str, Result]) -> list[list[Any]]:
    """A row for each split and class."""
    return [
        [name, *vars(score).values()] for name, result in results.items() for score in result.scores.classes
    ]


def subject_rows(results: Mapping[str, Result]) -> list[list[Any]]:
    """A row for each split and group."""
    return [
        [
            name,
            group,
            series,
            int(scores.confusion.sum()),
            *(scores.timepoint[key] for key in SUBJECT_HEADER[4:8]),
            *(
                scores.event[key]
                for key in ("true", "predicted", "matched", "f1", "macro_f1", "fragmented", "merged")
            ),
            *(scores.boundary.get(f"{edge}_mean") for edge in ("start", "end")),
        ]
        for name, result in results.items()
        for group, (series, scores) in result.groups.items()
    ]


def confusion_rows(results: Mapping[str, Result], labels: tuple[str, ...]) -> list[list[Any]]:
    """A row for each split, true class and predicted class; `share` is of the true class, empty without one."""
    names = [BACKGROUND, *labels]
    return [
        [name, actual, predicted, int(n), float(n / row.sum()) if row.any() else None]
        for name, result in results.items()
        for actual, row in zip(names, result.scores.confusion, strict=True)
        for predicted, n in zip(names, row, strict=True)
    ]


def calibration_rows(results: Mapping[str, Result]) -> list[list[Any]]:
    """A row for each split, level and bin that is not empty: mean confidence and share that is right."""
    return [
        [name, level, *row]
        for name, result in results.items()
        for level, found in result.scores.bins.items()
        for row in calibration.rows(found)
    ]
