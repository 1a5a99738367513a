"""Scores of predictions for whole series, with confidence intervals and calibration.

Every score is a function of how often each series counts: once each, or as often as a draw of the bootstrap took
it. So the score and the ends of its interval come from the same lines.

With `binary` and `multiclass` exactly one class is true. With `multilabel`, and where there is a single class, each
class is scored by itself, yes or no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.metrics import bootstrap, calibration, roc_curves
from stages.metrics.calibration import Bins
from stages.metrics.segmentation import Score, or_none, timepoint_means
from storage.label_studio.label_config import Task

# Probabilities are clipped by this in the log loss, which is infinite for a true class of probability 0.
LEAST = float(np.finfo(np.float32).eps)
PART = 1 << 18  # numbers that are weighed at once: bounds memory
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class LabeledPredictions:
    """True classes of series, bool (series, classes), those that a model decided on, and its probabilities."""

    task: Task
    labels: tuple[str, ...]
    truth: NDArray[np.bool_]
    decided: NDArray[np.bool_]
    probabilities: NDArray[np.floating]

    def take(self, rows: Sequence[int]) -> LabeledPredictions:
        """Those of some of the series."""
        some = list(rows)
        return replace(
            self, truth=self.truth[some], decided=self.decided[some], probabilities=self.probabilities[some]
        )

    @property
    def independent(self) -> bool:
        """Whether each class is predicted by itself, not one among all."""
        return self.task == "multilabel" or len(self.labels) == 1

    @property
    def right(self) -> NDArray[np.bool_]:
        """(series,): whether exactly the true classes are predicted."""
        return np.asarray((self.truth == self.decided).all(1))

    @property
    def confidence(self) -> Numbers:
        """(series,): probability that all predicted classes are right, as if independent."""
        return confidence(self.decided, self.probabilities, self.independent)

    @property
    def ranked(self) -> list[int]:
        """Classes that areas under curves are the mean of: all, of two exclusive ones the second."""
        return [1] if self.task == "binary" and len(self.labels) == 2 else list(range(len(self.labels)))

    @property
    def curves(self) -> list[int]:
        """Classes with ROC and precision-recall curves: none of three or more exclusive ones."""
        return [] if self.task == "multiclass" and len(self.labels) > 1 else self.ranked


def class_confidence(
    decided: NDArray[np.bool_], probabilities: NDArray[np.floating], independent: bool
) -> Numbers:
    """(series, classes): probability of each decision; of exclusive classes only of the predicted one."""
    wide = probabilities.astype(np.float64)
    return np.where(decided, wide, 1 - wide if independent else 0.0)


def confidence(decided: NDArray[np.bool_], probabilities: NDArray[np.floating], independent: bool) -> Numbers:
    """(series,): probability that all predicted classes are right, as if independent."""
    each = class_confidence(decided, probabilities, independent)
    return np.asarray(each.prod(1) if independent else each.max(1))


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class against all others.

    Attributes:
        series, predicted, right: number of series of the class, predicted as it, and both.
        precision: None: no series is of it or predicted as it.
        recall, f1: None: no series is of it.
        roc_auc, average_precision: None: no series of the split is of it, or every one.
    """

    label: str
    series: int
    predicted: int
    right: int
    precision: Score
    recall: Score
    f1: Score
    roc_auc: float | None
    average_precision: float | None


@dataclass(frozen=True)
class Scores:
    """Scores of a model on one split.

    Attributes:
        series: count; accuracy; balanced_accuracy (mean recall of the classes; of independent ones the mean of
            yes and no); macro_f1, worst_f1; log_loss (nats; of independent ones the mean over classes);
            roc_auc, average_precision (of two classes the second's, else the mean). None: there is nothing to score
            by, as for the means over classes where no series is of one, and for the last two where the split has no
            class that some series are and some are not.
        classes: per class.
        confusion: series, (true class, predicted class); of independent ones (class, true, predicted) with 0 no,
            1 yes.
        bins: confidence against share that is right.
    """

    series: dict[str, Score]
    classes: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]
    bins: Bins

    @property
    def calibration(self) -> float | None:
        """Expected calibration error; None where there is no series."""
        return calibration.expected_error(self.bins)


def score(predictions: LabeledPredictions) -> Scores:
    """Score the series of one split, of which there is one at least."""
    once = np.ones((1, len(predictions.truth)))
    found: dict[str, Score] = {name: or_none(values[0]) for name, values in _means(predictions, once).items()}
    return Scores(
        {"count": len(predictions.truth)} | found,
        tuple(_class_score(predictions, k, once) for k in range(len(predictions.labels))),
        confusion(predictions),
        _bins(predictions),
    )


def intervals(predictions: LabeledPredictions, groups: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Lower and upper end of the 95 % interval of each score, drawn as in `bootstrap`.

    Args:
        predictions: in an order that is always the same.
        groups: of each series.

    Returns:
        None of them where there are not two series to draw from; a score that a draw lacks is left out there.
    """
    if len(groups) < 2:
        return {}
    times, place = bootstrap.draws(groups)
    parts = min(-(-len(times) * len(groups) // PART), len(times))
    drawn = [_means(predictions, part[:, place].astype(np.float64)) for part in np.array_split(times, parts)]
    return bootstrap.percentiles({name: np.concatenate([part[name] for part in drawn]) for name in drawn[0]})


def _means(predictions: LabeledPredictions, weights: Numbers) -> dict[str, Numbers]:
    """Scores of each draw, (draws,), from how often each series counts in it, (draws, series)."""
    truth, decided = predictions.truth.astype(np.float64), predictions.decided.astype(np.float64)
    hit, true, found = (weights @ part for part in (truth * decided, truth, decided))
    number = weights.sum(1)
    means = timepoint_means(hit, true, found)
    balanced = means["balanced_accuracy"]
    if predictions.independent:
        balanced = _yes_and_no(hit, true, found, number[:, None])
    areas, precisions = zip(*(_ranked(predictions, k, weights) for k in predictions.ranked), strict=True)
    return {
        "accuracy": (weights * predictions.right).sum(1) / number,
        "balanced_accuracy": balanced,
        "macro_f1": means["macro_f1"],
        "worst_f1": means["worst_f1"],
        "log_loss": (weights * _losses(predictions)).sum(1) / number,
        "roc_auc": _known_mean(areas),
        "average_precision": _known_mean(precisions),
    }


def _ranked(predictions: LabeledPredictions, k: int, weights: Numbers) -> tuple[Numbers, Numbers]:
    """Area under ROC and average precision of one class, (draws,); NaN where all series of a draw are of one kind."""
    taken = roc_curves.steps(predictions.truth[:, k], predictions.probabilities[:, k], weights)
    return roc_curves.roc_areas(taken), roc_curves.average_precisions(taken)


def _yes_and_no(hit: Numbers, true: Numbers, found: Numbers, number: Numbers) -> Numbers:
    """Mean over classes of the recall of yes and that of no, of those of the two that occur."""
    false = number - true
    yes, no = hit / np.maximum(true, 1), (false - found + hit) / np.maximum(false, 1)
    occur = np.stack([true > 0, false > 0])
    by_class = (np.stack([yes, no]) * occur).sum(0) / np.maximum(occur.sum(0), 1)
    mean: Numbers = by_class.mean(-1)
    return mean


def _known_mean(by_class: Sequence[Numbers]) -> Numbers:
    """Mean over the classes for which there is a number, (draws,); NaN where there is none."""
    values = np.stack(by_class)
    known = ~np.isnan(values)
    total, n = np.where(known, values, 0.0).sum(0), known.sum(0)
    mean: Numbers = np.divide(total, n, out=np.full(len(total), np.nan), where=n > 0)
    return mean


def _losses(predictions: LabeledPredictions) -> Numbers:
    """Cross-entropy of each series, (series,), in nats."""
    clipped = np.clip(predictions.probabilities.astype(np.float64), LEAST, 1 - LEAST)
    if predictions.independent:
        return np.asarray(-np.log(np.where(predictions.truth, clipped, 1 - clipped)).mean(1))
    return np.asarray(-(np.log(clipped) * predictions.truth).sum(1))


def _class_score(predictions: LabeledPredictions, k: int, once: Numbers) -> ClassScore:
    truth, decided = predictions.truth[:, k], predictions.decided[:, k]
    hit, true, found = int((truth & decided).sum()), int(truth.sum()), int(decided.sum())
    area, precise = (float(found[0]) for found in _ranked(predictions, k, once))
    mixed = 0 < true < len(truth)
    return ClassScore(
        predictions.labels[k],
        series=true,
        predicted=found,
        right=hit,
        precision=hit / max(found, 1) if true or found else None,
        recall=hit / true if true else None,
        f1=2 * hit / (true + found) if true else None,
        roc_auc=area if mixed else None,
        average_precision=precise if mixed else None,
    )


def confusion(predictions: LabeledPredictions) -> NDArray[np.int64]:
    """Count series: (true class, predicted class), or of independent classes (class, true, predicted)."""
    truth, decided = predictions.truth.astype(np.int64), predictions.decided.astype(np.int64)
    if not predictions.independent:
        return truth.T @ decided
    both, true, found, n = (truth * decided).sum(0), truth.sum(0), decided.sum(0), len(truth)
    cells = [n - true - found + both, found - both, true - both, both]
    return np.stack(cells, axis=1).reshape(-1, 2, 2)


def _bins(predictions: LabeledPredictions) -> Bins:
    if predictions.independent:
        each = class_confidence(predictions.decided, predictions.probabilities, True)
        return calibration.bins(each.ravel(), (predictions.truth == predictions.decided).ravel())
    return calibration.bins(predictions.confidence, predictions.right)
