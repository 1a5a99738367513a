"""Reads data/candidate, data/dataset and data/arrays; writes reports/evaluate.json, classes.csv, subjects.csv,
confusion.csv, calibration.csv.

Scores the candidate on the validation and the test set, per timepoint and per event, per class and per group (the
person, say), with how far each score may lie off and whether probabilities mean what they say. Nothing is chosen
here, and nothing anywhere is chosen by what is written here about the test set but promotion itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages import params
from stages.compatibility import refuse
from stages.metrics import bootstrap, calibration
from stages.metrics.segmentation import BACKGROUND, Scores, Tally, tally, total
from stages.run import run
from stages.segmentation.model import Segmenter
from stages.timeseries.gaps import stretches
from storage.artifacts import checkpoint, dataset, reports
from storage.files import write_json
from storage.paths import CANDIDATE
from storage.printable import say
from storage.progress import track

SETS = ("validation", "test")


@dataclass(frozen=True)
class Result:
    """What is said about one set: in all, by group, and the ends of 95 % intervals by score."""

    scores: Scores
    groups: dict[str, tuple[int, Scores]]
    intervals: dict[str, tuple[float, float]]


def main() -> None:
    """Candidate to scores."""
    settings, index = params.load(), dataset.read_index()
    resting = load(index)
    model, known = Segmenter.from_checkpoint(resting), resting.training.get("learnt_from", ["train"])
    results = {
        name: judge(
            {key: count(model, index, key, settings) for key in track(keys, f"scoring {name}")}, index
        )
        for name in SETS
        if name not in known and (keys := index.of(name))
    }
    write(results, index.labels)
    for name, result in results.items():
        say(f"{name}: {in_words(result)}")
    for name in SETS:
        if name in known:
            say(f"{name}: no scores, for the model has learnt from it")
        elif name not in results:
            say(f"warning: no {name} set: no scores for it")


def load(index: dataset.Index) -> checkpoint.Checkpoint:
    """The candidate.

    Raises:
        InputError: it was made with other channels or labels than the dataset has, so its classes mean others.
    """
    resting = checkpoint.read(CANDIDATE)
    refuse(resting, CANDIDATE, "dataset", index.channels, index.labels, index.sampling_rate)
    return resting


def count(model: Segmenter, index: dataset.Index, key: str, settings: params.Params) -> Tally:
    """Compare one series with the truth."""
    (values, times, target), rules = dataset.labeled(key, index), settings.evaluate
    known = stretches(values, times, settings.ingest.gap)
    judged = model.judge(values, target, index.series[key].regions, known)
    return tally(judged, index.labels, rules.iou, rules.instant_tolerance)


def judge(tallies: dict[str, Tally], index: dataset.Index) -> Result:
    """Score the series of one set."""
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


def write(results: dict[str, Result], labels: tuple[str, ...]) -> None:
    """A file for each table."""
    write_json(reports.SCORES, {name: summary(result) for name, result in results.items()})
    reports.write_csv(reports.CLASSES, CLASS_HEADER, class_rows(results))
    reports.write_csv(reports.SUBJECTS, SUBJECT_HEADER, subject_rows(results))
    reports.write_csv(reports.CONFUSION, CONFUSION_HEADER, confusion_rows(results, labels))
    reports.write_csv(reports.CALIBRATION, CALIBRATION_HEADER, calibration_rows(results))


CLASS_HEADER = (
    "set", "label", "timepoints", "precision", "recall", "f1",
    "events", "events_predicted", "events_matched", "event_f1", "split", "merged", "start_error", "end_error",
)  # fmt: skip
SUBJECT_HEADER = (
    "set", "group", "series", "timepoints", "accuracy", "balanced_accuracy", "macro_f1", "worst_f1",
    "events", "events_predicted", "events_matched", "event_f1", "event_macro_f1", "split", "merged",
    "start_error", "end_error",
)  # fmt: skip
CONFUSION_HEADER = ("set", "actual", "predicted", "timepoints", "share")
CALIBRATION_HEADER = ("set", "level", "low", "high", "answers", "confidence", "right")


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
    """One line about a set."""
    scores = result.scores
    if not scores.event["true"]:
        return "no score, for it has no event to find"
    parts = (
        ("balanced accuracy", "balanced_accuracy", scores.timepoint["balanced_accuracy"]),
        ("event F1", "event_f1", scores.event["f1"]),
    )
    texts = [reports.in_words(title, value, result.intervals.get(name)) for title, name, value in parts]
    return f"{', '.join(texts)} of {scores.event['true']} events"


def class_rows(results: dict[str, Result]) -> list[list[Any]]:
    """A row for each set and class."""
    return [
        [name, *vars(score).values()] for name, result in results.items() for score in result.scores.classes
    ]


def subject_rows(results: dict[str, Result]) -> list[list[Any]]:
    """A row for each set and group."""
    return [
        [
            name,
            group,
            series,
            int(scores.confusion.sum()),
            *(scores.timepoint[key] for key in SUBJECT_HEADER[4:8]),
            *(
                scores.event[key]
                for key in ("true", "predicted", "matched", "f1", "macro_f1", "split", "merged")
            ),
            *(scores.boundary.get(f"{edge}_mean") for edge in ("start", "end")),
        ]
        for name, result in results.items()
        for group, (series, scores) in result.groups.items()
    ]


def confusion_rows(results: dict[str, Result], labels: tuple[str, ...]) -> list[list[Any]]:
    """A row for each set, true class and predicted class; `share` is of the true class, empty where none is of it."""
    names = [BACKGROUND, *labels]
    return [
        [name, actual, predicted, int(n), float(n / row.sum()) if row.any() else None]
        for name, result in results.items()
        for actual, row in zip(names, result.scores.confusion, strict=True)
        for predicted, n in zip(names, row, strict=True)
    ]


def calibration_rows(results: dict[str, Result]) -> list[list[Any]]:
    """A row for each set, level and bin that holds answers: their mean confidence and the share that is right."""
    return [
        [name, level, *row]
        for name, result in results.items()
        for level, found in result.scores.bins.items()
        for row in calibration.rows(found)
    ]


if __name__ == "__main__":
    run(main, whole="stages.classification.evaluate")
