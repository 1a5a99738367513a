"""Do probabilities mean what they say? Of what a model is 80 % sure of, 80 % should be right.

Answers are sorted into bins of equal width by their confidence. In each bin the mean confidence is compared with the
share that is right; the expected calibration error is the mean difference, each bin weighing as much as it holds
(Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015).
With few answers chance alone keeps it above 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BINS = 10
PART = 1 << 20  # answers that are sorted at once: bounds memory
Bins = NDArray[np.float64]  # (BINS, 3): answers, sum of their confidences, answers that are right


def bins(confidence: NDArray[np.floating] | Sequence[float], right: NDArray[np.bool_]) -> Bins:
    """Sort answers into bins; those of several recordings can be added up.

    Args:
        confidence: (answers,), 0 to 1.
        right: (answers,).
    """
    found = np.zeros((BINS, 3))
    for start in range(0, len(right), PART):
        sure = np.asarray(confidence[start : start + PART], np.float64)
        place = np.clip((sure * BINS).astype(np.intp), 0, BINS - 1)
        for column, weight in enumerate((None, sure, right[start : start + PART])):
            found[:, column] += np.bincount(place, weight, BINS)
    return found


def rows(found: Bins) -> list[tuple[float, float, int, float, float]]:
    """Of each bin that holds answers: its ends, how many, their mean confidence and the share that is right."""
    return [
        (k / BINS, (k + 1) / BINS, int(n), float(sure / n), float(right / n))
        for k, (n, sure, right) in enumerate(found)
        if n
    ]


def expected_error(found: Bins) -> float | None:
    """Expected calibration error, 0 (as sure as right) to 1; None where there were no answers."""
    answers = float(found[:, 0].sum())
    return float(np.abs(found[:, 1] - found[:, 2]).sum()) / answers if answers else None
