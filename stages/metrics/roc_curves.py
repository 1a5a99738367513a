"""ROC and precision-recall curves of class probabilities.

Series are predicted positive by falling probability, those of equal probability together. After each step the
curves have a point: false against true positive rate (ROC; Fawcett, An introduction to ROC analysis, 2006), and
recall against precision. The area under ROC is 0.5 for random probabilities; average precision is the
mean precision over the steps of recall, without interpolation, and for random probabilities the share of the class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POINTS = 200  # of a curve, at most
Numbers = NDArray[np.float64]
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Steps:
    """True and false positives after each step, (draws, steps), weighted by how often each series is drawn."""

    right: Numbers
    wrong: Numbers


def steps(truth: NDArray[np.bool_], probabilities: NDArray[np.floating], weights: Numbers) -> Steps:
    """Take series by their probability.

    Args:
        truth, probabilities: (series,), of one class.
        weights: (draws, series), how often each series counts in each draw.
    """
    order = np.argsort(-probabilities, kind="stable")
    taken, is_it = probabilities[order], truth[order]
    last = np.flatnonzero(np.append(taken[1:] != taken[:-1], True))
    counted = weights[:, order]
    positives, right = (np.cumsum(part, axis=1)[:, last] for part in (counted, counted * is_it))
    return Steps(right, positives - right)


def roc_areas(taken: Steps) -> Numbers:
    """Area under ROC of each draw, (draws,); NaN where all series are of one kind."""
    right, wrong = (_from_zero(part) for part in (taken.right, taken.wrong))
    area = (np.diff(wrong) * (right[:, 1:] + right[:, :-1]) / 2).sum(1)
    return _divide(area, right[:, -1] * wrong[:, -1])


def average_precisions(taken: Steps) -> Numbers:
    """Average precision of each draw, (draws,); NaN where all series are of one kind."""
    gained = np.diff(_from_zero(taken.right))
    precision = taken.right / np.maximum(taken.right + taken.wrong, 1)
    return _divide((gained * precision).sum(1), taken.right[:, -1] * (taken.wrong[:, -1] > 0))


def roc_points(truth: NDArray[np.bool_], probabilities: NDArray[np.floating]) -> Points:
    """(share of the others that is taken, share of the class that is taken), from (0, 0) to (1, 1).

    None where all series are of one kind.
    """
    taken = steps(truth, probabilities, np.ones((1, len(truth))))
    right, wrong = _from_zero(taken.right)[0], _from_zero(taken.wrong)[0]
    if not right[-1] or not wrong[-1]:
        return ()
    return _thinned(wrong / wrong[-1], right / right[-1])


def precision_points(truth: NDArray[np.bool_], probabilities: NDArray[np.floating]) -> Points:
    """(recall, precision) after each step; none where no series is of the class."""
    taken = steps(truth, probabilities, np.ones((1, len(truth))))
    right, wrong = taken.right[0], taken.wrong[0]
    if not right[-1]:
        return ()
    return _thinned(right / right[-1], right / (right + wrong))


def _from_zero(counts: Numbers) -> Numbers:
    return np.concatenate([np.zeros((len(counts), 1)), counts], axis=1)


def _divide(values: Numbers, by: Numbers) -> Numbers:
    shares: Numbers = np.divide(values, by, out=np.full(len(values), np.nan), where=by > 0)
    return shares


def _thinned(x: Numbers, y: Numbers) -> Points:
    """Points to four digits: without those that lie on a line with their neighbours, then the most even ones."""
    turns = np.ones(len(x), np.bool_)
    turns[1:-1] = (x[1:-1] - x[:-2]) * (y[2:] - y[1:-1]) != (x[2:] - x[1:-1]) * (y[1:-1] - y[:-2])
    kept = np.flatnonzero(turns)
    if len(kept) > POINTS:
        kept = kept[np.linspace(0, len(kept) - 1, POINTS).round().astype(np.intp)]
    return tuple((round(float(a), 4), round(float(b), 4)) for a, b in zip(x[kept], y[kept], strict=True))
