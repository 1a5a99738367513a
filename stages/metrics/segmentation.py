"""Scores of a segmentation: per timepoint and per event, per class and in all.

Per timepoint: of each class how many timepoints were found (recall), how many of those found are right
(precision), and their harmonic mean (F1). Per event: a true range counts as found when a predicted one of the same
label overlaps it by at least `iou` (intersection over union), a true instant when a predicted one lies within
`tolerance` timepoints. Each is matched at most once, the best pairs first.

A series is counted once (`tally`); every score is a function of sums of such counts, so that a split, a person and a
thousand draws of a bootstrap are scored by the same lines.

Where no event and no timepoint of a label is true, a score is undefined: None (in arrays NaN), never 0 and never 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics import calibration
from stages.metrics.calibration import Bins
from stages.metrics.matching import fragmented, match
from storage.artifacts.region import Region

BACKGROUND = "background"
Confusion = NDArray[np.int64]
Counts = NDArray[np.integer] | NDArray[np.float64]
Score = float | None


@dataclass(frozen=True)
class LabeledPrediction:
    """One series with true and predicted regions and classes.

    Attributes:
        target: int16 (timepoints,), -1 where unknown: left out.
        classes: int16 (timepoints,), predicted.
        true, predicted: regions.
        scores: of the predicted regions, 0 to 1; empty: not evaluated.
        confidence: (timepoints,), probability of the predicted class; None: not to be calibrated.
        sampling_rate: timepoints per unit of time; None: not known.
    """

    target: NDArray[np.int16]
    classes: NDArray[np.int16]
    true: Sequence[Region]
    predicted: Sequence[Region]
    scores: Sequence[float] = ()
    confidence: NDArray[np.float32] | None = None
    sampling_rate: float | None = None


@dataclass(frozen=True)
class Tally:
    """What one series adds to the scores of a split.

    Attributes:
        confusion: timepoints, (true class, predicted class).
        events: (classes, 5): true, predicted, matched; true ones cut to pieces, predicted ones that run true ones
            together.
        errors: (matched, 3): class, and by how many timepoints start and end are off.
        sampling_rate: timepoints per unit of time; None: not known.
        timepoint_bins, region_bins: confidence against what is right.
    """

    confusion: Confusion
    events: NDArray[np.int64]
    errors: NDArray[np.int64]
    sampling_rate: float | None
    timepoint_bins: Bins
    region_bins: Bins


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class; None: nothing is there to score. Background has no events.

    Attributes:
        precision: None: no timepoint is of it or was predicted to be.
        recall, f1: None: no timepoint is of it.
        event_f1: None: no event is of it.
        fragmented, merged: true events cut to pieces, predicted ones that run true ones together.
        start_error, end_error: mean timepoints by which matched events are off; None: none was matched.
    """

    label: str
    timepoints: int
    precision: Score
    recall: Score
    f1: Score
    events: int
    events_predicted: int
    events_matched: int
    event_f1: Score
    fragmented: int
    merged: int
    start_error: float | None
    end_error: float | None


@dataclass(frozen=True)
class Scores:
    """Scores of a model on one split; a score is None where the split has nothing to score by.

    Attributes:
        timepoint: balanced_accuracy, accuracy, macro_precision, macro_recall, macro_f1, worst_f1.
        event: f1, precision, recall, macro_f1, true, predicted, matched, boundary_error (mean timepoints by
            which starts and ends of matched events are off), fragmentation (predicted events for each true one),
            fragmented (true events cut to pieces), merged (predicted events that run true ones together).
        boundary, boundary_time: start_mean, start_median, end_mean, end_median by which matched events are off, in
            timepoints and in the recordings' unit of time; empty where nothing was matched or no rate is known.
        calibration: expected calibration error of timepoint and region, where there were confidences and there is
            something to find.
        classes: per class, background first.
        confusion: timepoints, (true class, predicted class).
        bins: what the calibration comes from, by timepoint and region.
    """

    timepoint: dict[str, Score]
    event: dict[str, Score]
    boundary: dict[str, float]
    boundary_time: dict[str, float]
    calibration: dict[str, float]
    classes: tuple[ClassScore, ...]
    confusion: Confusion
    bins: dict[str, Bins]


def score(
    prediction: Iterable[LabeledPrediction], labels: Sequence[str], iou: float, tolerance: int
) -> Scores:
    """Score the series of one split together."""
    return total([tally(item, labels, iou, tolerance) for item in prediction], labels)


def tally(prediction: LabeledPrediction, labels: Sequence[str], iou: float, tolerance: int) -> Tally:
    """Count one series; a label that is not among `labels` is a KeyError."""
    number = {label: k for k, label in enumerate(labels, 1)}
    true, predicted = prediction.true, prediction.predicted
    pairs = match(true, predicted, iou, tolerance)
    matched = [true[i] for i, _ in pairs]
    cut, merged = (
        [true[i] for i in fragmented(true, predicted)],
        [predicted[j] for j in fragmented(predicted, true)],
    )
    events = [
        np.bincount(np.array([number[r.label] for r in regions], np.intp), minlength=len(labels) + 1)
        for regions in (true, predicted, matched, cut, merged)
    ]
    errors = [
        (number[a.label], abs(a.start - b.start), abs(a.end - b.end))
        for a, b in ((true[i], predicted[j]) for i, j in pairs)
    ]
    return Tally(
        confuse(prediction.target, prediction.classes, len(labels) + 1),
        np.stack(events, axis=1),
        np.array(errors, np.int64).reshape(-1, 3),
        prediction.sampling_rate,
        *_bins(prediction, {j for _, j in pairs}),
    )


def _bins(prediction: LabeledPrediction, matched: set[int]) -> tuple[Bins, Bins]:
    timepoints: Bins = np.zeros((calibration.BINS, 3))
    if prediction.confidence is not None:
        known = prediction.target >= 0
        right = prediction.target[known] == prediction.classes[known]
        timepoints = calibration.bins(prediction.confidence[known], right)
    hits = np.array([j in matched for j in range(len(prediction.scores))], np.bool_)
    return timepoints, calibration.bins(prediction.scores, hits)


def confuse(target: NDArray[np.int16], classes: NDArray[np.int16], n: int) -> Confusion:
    """Count timepoints by (true class, predicted class); targets of -1 are left out."""
    counts = np.zeros(n * n, np.int64)
    for start in range(0, len(target), calibration.PART):
        part = target[start : start + calibration.PART]
        known = part >= 0
        pairs = part[known].astype(np.int64) * n + classes[start : start + calibration.PART][known]
        counts += np.bincount(pairs, minlength=n * n)
    return counts.reshape(n, n)


def total(tallies: Sequence[Tally], labels: Sequence[str]) -> Scores:
    """Scores of all series together."""
    n = len(labels) + 1
    confusion = sum((t.confusion for t in tallies), np.zeros((n, n), np.int64))
    events = sum((t.events for t in tallies), np.zeros((n, 5), np.int64))
    errors = np.concatenate([np.zeros((0, 3), np.int64), *(t.errors for t in tallies)])
    timed = [t.errors[:, 1:] / t.sampling_rate for t in tallies if t.sampling_rate]
    none = np.zeros((calibration.BINS, 3))
    bins = {
        "timepoint": sum((t.timepoint_bins for t in tallies), none),
        "region": sum((t.region_bins for t in tallies), none),
    }
    something = bool(events[:, 0].any() or confusion[1:].any())
    calibrated = {name: calibration.expected_error(found) for name, found in bins.items() if something}
    return Scores(
        timepoint_scores(confusion),
        _event_scores(events, errors),
        _boundary(errors[:, 1:]),
        _boundary(np.concatenate([np.zeros((0, 2)), *timed])),
        {name: value for name, value in calibrated.items() if value is not None},
        tuple(_class_scores(confusion, events, errors, labels)),
        confusion,
        bins,
    )


def timepoint_scores(confusion: Confusion) -> dict[str, Score]:
    """Means over the classes that truly occur; a class that is never predicted counts as 0 in all of them.

    Class 0 is background: where no other class is true, there are no scores.
    """
    found = labeled_means(np.diag(confusion), confusion.sum(1), confusion.sum(0))
    return {name: or_none(value) for name, value in found.items()}


def labeled_means(hit: Counts, true: Counts, found: Counts) -> dict[str, NDArray[np.float64]]:
    """`timepoint_means` where class 0 is background; NaN where no timepoint is of a label."""
    labeled = (true[..., 1:] > 0).any(-1)
    means = timepoint_means(hit, true, found)
    return {name: np.where(labeled, values, np.nan) for name, values in means.items()}


def timepoint_means(hit: Counts, true: Counts, found: Counts) -> dict[str, NDArray[np.float64]]:
    """Scores of any number of splits at once, NaN where no class is true: counts by class, each (..., classes)."""
    precision, recall, f1 = _rates(hit, true, found)
    there = true > 0
    seen = there | (found > 0)
    means = {
        "balanced_accuracy": _mean(recall, there),
        "accuracy": hit.sum(-1) / np.maximum(true.sum(-1), 1),
        "macro_precision": _mean(precision, seen),
        "macro_recall": _mean(recall, seen),
        "macro_f1": _mean(f1, seen),
        "worst_f1": np.where(there, f1, 1.0).min(-1),
    }
    return {name: np.where(there.any(-1), values, np.nan) for name, values in means.items()}


def event_means(true: Counts, predicted: Counts, matched: Counts) -> dict[str, NDArray[np.float64]]:
    """F1, precision and recall of events by class, each (..., classes); NaN where there is no event to find."""
    all_true, all_predicted, all_matched = true.sum(-1), predicted.sum(-1), matched.sum(-1)
    means = {
        "f1": _rates(all_matched, all_true, all_predicted)[2],
        "precision": all_matched / np.maximum(all_predicted, 1),
        "recall": all_matched / np.maximum(all_true, 1),
        "macro_f1": _mean(_rates(matched, true, predicted)[2], true + predicted > 0),
    }
    return {name: np.where(all_true > 0, values, np.nan) for name, values in means.items()}


def or_none(value: float | np.floating | NDArray[np.float64]) -> Score:
    """A score as a number; None where there is none."""
    return None if np.isnan(value) else float(value)


def _rates(hit: Counts, true: Counts, found: Counts) -> tuple[NDArray[np.float64], ...]:
    """Precision, recall and F1; 0 where nothing was found."""
    return hit / np.maximum(found, 1), hit / np.maximum(true, 1), 2 * hit / np.maximum(true + found, 1)


def _mean(values: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = (values * where).sum(-1) / np.maximum(where.sum(-1), 1)
    return mean


def _event_scores(events: NDArray[np.int64], errors: NDArray[np.int64]) -> dict[str, Score]:
    true, predicted, matched, cut, merged = (int(n) for n in events.sum(0))
    return {
        **{name: or_none(value) for name, value in event_means(*events.T[:3]).items()},
        "true": true,
        "predicted": predicted,
        "matched": matched,
        "boundary_error": float(errors[:, 1:].mean()) if len(errors) else None,
        "fragmentation": predicted / true if true else None,
        "fragmented": cut,
        "merged": merged,
    }


def _boundary(errors: NDArray[np.int64] | NDArray[np.float64]) -> dict[str, float]:
    if not len(errors):
        return {}
    return {
        f"{edge}_{name}": float(of(errors[:, column]))
        for column, edge in enumerate(("start", "end"))
        for name, of in (("mean", np.mean), ("median", np.median))
    }


def _class_scores(
    confusion: Confusion, events: NDArray[np.int64], errors: NDArray[np.int64], labels: Sequence[str]
) -> Iterable[ClassScore]:
    precision, recall, f1 = _rates(np.diag(confusion), confusion.sum(1), confusion.sum(0))
    labeled = bool(confusion[1:].any())  # that all is background says nothing about background either
    for k, label in enumerate([BACKGROUND, *labels]):
        off = _boundary(errors[errors[:, 0] == k, 1:])
        true, predicted, matched, cut, merged = (int(n) for n in events[k])
        there = labeled and bool(confusion[k].any())
        yield ClassScore(
            label,
            timepoints=int(confusion[k].sum()),
            precision=float(precision[k]) if there or (labeled and confusion[:, k].any()) else None,
            recall=float(recall[k]) if there else None,
            f1=float(f1[k]) if there else None,
            events=true,
            events_predicted=predicted,
            events_matched=matched,
            event_f1=or_none(event_means(*events[k : k + 1, :3].T)["f1"]),
            fragmented=cut,
            merged=merged,
            start_error=off.get("start_mean"),
            end_error=off.get("end_mean"),
        )
