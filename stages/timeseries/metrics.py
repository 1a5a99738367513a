"""How good a segmentation is: per timepoint and per event, per class and in all.

Per timepoint: of each class how many timepoints were found (recall), how many of those found are right
(precision), and their harmonic mean (F1). Per event: a true range counts as found when a predicted one of the same
label overlaps it by at least `iou` (intersection over union), a true instant when a predicted one lies within
`tolerance` timepoints. Each is matched at most once, the best pairs first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.regions import Region

BACKGROUND = "background"
Confusion = NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """One series with what is true and what was predicted.

    Attributes:
        target: int16 (timepoints,), -1 where nothing is known: left out.
        classes: int16 (timepoints,), predicted.
        true, predicted: regions.
    """

    target: NDArray[np.int16]
    classes: NDArray[np.int16]
    true: Sequence[Region]
    predicted: Sequence[Region]


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class; event scores are 0 for background, which has no events."""

    label: str
    timepoints: int
    precision: float
    recall: float
    f1: float
    events: int
    events_predicted: int
    events_matched: int
    event_f1: float


@dataclass(frozen=True)
class Scores:
    """All that is said about a model on one set.

    Attributes:
        timepoint: balanced_accuracy, accuracy, macro_precision, macro_recall, macro_f1, worst_f1.
        event: f1, precision, recall, macro_f1, true, predicted, matched, boundary_error (mean timepoints by
            which starts and ends of matched events are off), fragmentation (predicted events for each true one).
        classes: per class, background first.
        confusion: timepoints, (true class, predicted class).
    """

    timepoint: dict[str, float]
    event: dict[str, float]
    classes: tuple[ClassScore, ...]
    confusion: Confusion


def score(judged: Iterable[Judged], labels: Sequence[str], iou: float, tolerance: int) -> Scores:
    """Score the series of one set together."""
    classes = len(labels) + 1
    confusion = np.zeros((classes, classes), np.int64)
    events = np.zeros((classes, 3), np.int64)  # true, predicted, matched
    errors: list[int] = []
    for item in judged:
        confusion += confuse(item.target, item.classes, classes)
        for k, label in enumerate(labels, 1):
            true = [r for r in item.true if r.label == label]
            predicted = [r for r in item.predicted if r.label == label]
            pairs = match(true, predicted, iou, tolerance)
            events[k] += len(true), len(predicted), len(pairs)
            for a, b in pairs:
                errors += [abs(a.start - b.start), abs(a.end - b.end)]
    return Scores(
        timepoint_scores(confusion),
        _event_scores(events, errors),
        _class_scores(confusion, events, labels),
        confusion,
    )


def confuse(target: NDArray[np.int16], classes: NDArray[np.int16], n: int) -> Confusion:
    """Count timepoints by (true class, predicted class); targets of -1 are left out."""
    known = target >= 0
    pairs = target[known].astype(np.int64) * n + classes[known]
    return np.bincount(pairs, minlength=n * n).reshape(n, n)


def _rates(confusion: Confusion) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 of each class; 0 where a class was never found."""
    hit, true, found = np.diag(confusion).astype(float), confusion.sum(1), confusion.sum(0)
    return hit / np.maximum(found, 1), hit / np.maximum(true, 1), 2 * hit / np.maximum(true + found, 1)


def timepoint_scores(confusion: Confusion) -> dict[str, float]:
    """Means over the classes that truly occur; a class that is never predicted counts as 0 in all of them."""
    precision, recall, f1 = _rates(confusion)
    there = confusion.sum(1) > 0
    seen = there | (confusion.sum(0) > 0)
    if not there.any():
        return dict.fromkeys(
            ["balanced_accuracy", "accuracy", "macro_precision", "macro_recall", "macro_f1", "worst_f1"], 0.0
        )
    return {
        "balanced_accuracy": float(recall[there].mean()),
        "accuracy": float(np.diag(confusion).sum() / confusion.sum()),
        "macro_precision": float(precision[seen].mean()),
        "macro_recall": float(recall[seen].mean()),
        "macro_f1": float(f1[seen].mean()),
        "worst_f1": float(f1[there].min()),
    }


def _event_scores(events: NDArray[np.int64], errors: list[int]) -> dict[str, float]:
    true, predicted, matched = (int(n) for n in events.sum(0))
    seen = events[(events[:, 0] + events[:, 1]) > 0]
    return {
        "f1": _f1(true, predicted, matched),
        "precision": matched / max(predicted, 1),
        "recall": matched / max(true, 1),
        "macro_f1": float(np.mean([_f1(*row) for row in seen])) if len(seen) else 1.0,
        "true": true,
        "predicted": predicted,
        "matched": matched,
        "boundary_error": float(np.mean(errors)) if errors else 0.0,
        "fragmentation": predicted / max(true, 1),
    }


def _f1(true: int, predicted: int, matched: int) -> float:
    """Nothing to find and nothing found is right."""
    return 2 * float(matched) / float(true + predicted) if true + predicted else 1.0


def _class_scores(
    confusion: Confusion, events: NDArray[np.int64], labels: Sequence[str]
) -> tuple[ClassScore, ...]:
    precision, recall, f1 = _rates(confusion)
    return tuple(
        ClassScore(
            label,
            timepoints=int(confusion[k].sum()),
            precision=float(precision[k]),
            recall=float(recall[k]),
            f1=float(f1[k]),
            events=int(events[k, 0]),
            events_predicted=int(events[k, 1]),
            events_matched=int(events[k, 2]),
            event_f1=_f1(*events[k]) if k else 0.0,
        )
        for k, label in enumerate([BACKGROUND, *labels])
    )


def match(
    true: Sequence[Region], predicted: Sequence[Region], iou: float, tolerance: int
) -> list[tuple[Region, Region]]:
    """Pairs of true and predicted events of one label, each used once, the best pair first."""
    pairs = []
    for i, a in enumerate(true):
        for j, b in enumerate(predicted):
            value = _closeness(a, b, tolerance) if a.instant else overlap(a, b)
            if value > 0 and (a.instant or value >= iou):
                pairs.append((-value, i, j))
    used_true: set[int] = set()
    used_predicted: set[int] = set()
    found = []
    for _, i, j in sorted(pairs):
        if i not in used_true and j not in used_predicted:
            used_true.add(i)
            used_predicted.add(j)
            found.append((true[i], predicted[j]))
    return found


def overlap(a: Region, b: Region) -> float:
    """Intersection over union, in timepoints."""
    shared = min(a.end, b.end) - max(a.start, b.start) + 1
    return shared / (a.rows + b.rows - shared) if shared > 0 else 0.0


def _closeness(instant: Region, other: Region, tolerance: int) -> float:
    """1 where the middle of `other` is on the instant, towards 0 at the tolerance, 0 or less beyond."""
    return 1 - abs((other.start + other.end) / 2 - instant.start) / (tolerance + 1)
