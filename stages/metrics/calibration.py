"""Calibration of probabilities: of predictions with a confidence of 80 %, 80 % should be right.

Predictions are sorted into bins of equal width by their confidence. In each bin the mean confidence is compared with
the share that is right; the expected calibration error is the mean difference, each bin weighing as much as it holds
(Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015).
With few predictions noise alone puts it above 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BINS = 10
PART = 1 << 20  # predictions that are sorted at once: bounds memory
Bins = NDArray[np.float64]  # (BINS, 3): predictions, sum of their confidences, those that are right


def bins(confidence: NDArray[np.floating] | Sequence[float], right: NDArray[np.bool_]) -> Bins:
    """Sort predictions into bins; those of several recordings can be added up.

    Args:
        confidence: (predictions,), 0 to 1.
        right: (predictions,).
    """
    found = np.zeros((BINS, 3))
    for start in range(0, len(right), PART):
        sure = np.asarray(confidence[start : start + PART], np.float64)
        place = np.clip((sure * BINS).astype(np.intp), 0, BINS - 1)
        for column, weight in enumerate((None, sure, right[start : start + PART])):
            found[:, column] += np.bincount(place, weight, BINS)
    return found


def rows(found: Bins) -> list[tuple[float, float, int, float, float]]:
    """Of each bin that is not empty: its ends, how many, their mean confidence and the share that is right."""
    return [
        (k / BINS, (k + 1) / BINS, int(n), float(sure / n), float(right / n))
        for k, (n, sure, right) in enumerate(found)
        if n
    ]


def expected_error(found: Bins) -> float | None:
    """Expected calibration error, 0 to 1; None where there are no predictions."""
    count = float(found[:, 0].sum())
    return float(np.abs(found[:, 1] - found[:, 2]).sum()) / count if count else None
