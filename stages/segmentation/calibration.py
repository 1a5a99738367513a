"""Calibration: of regions with a score of .8, about 80 % are true.

Networks are overconfident. On the validation split a temperature is fitted to the probabilities of steps (Guo
et al., On Calibration of Modern Neural Networks, ICML 2017), and a logistic curve to the scores of regions
(Platt, 1999); both are part of the model. Neither changes which regions are predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

TEMPERATURES = np.geomspace(0.5, 8, 57)
# Strength of the prior that pulls the logistic curve to the identity, as by that many regions.
PRIOR = 4.0
NEWTON_STEPS = 25


@dataclass(frozen=True)
class Confidence:
    """Calibrates probabilities and scores; without a validation split they stay as they are.

    Attributes:
        temperature: by which log-probabilities of steps are divided.
        slope, offset: of the logistic curve from the log-odds of a region's mean probability to calibrated ones.
    """

    temperature: float = 1.0
    slope: float = 1.0
    offset: float = 0.0

    def steps(self, probabilities: Floats, classes: NDArray[np.integer]) -> NDArray[np.float32]:
        """Calibrated probability of the class of each step, (steps,), from probabilities (steps, classes)."""
        found: NDArray[np.float32] = _with_temperature(probabilities, self.temperature)[
            np.arange(len(classes)), classes
        ]
        return found

    def region(self, score: float) -> float:
        """Calibrated score of a region, from the mean probability of its label."""
        return float(1 / (1 + np.exp(-(self.slope * _log_odds(score) + self.offset))))

    def fit_steps(self, steps: Sequence[tuple[Floats, NDArray[np.integer]]]) -> Confidence:
        """The temperature with the highest likelihood of true classes, (steps,); -1 is unknown."""
        known = [(p[y >= 0], y[y >= 0]) for p, y in steps]
        if not sum(len(y) for _, y in known):
            return self

        def loss(temperature: float) -> float:
            true = (_with_temperature(p, temperature)[np.arange(len(y)), y] for p, y in known)
            return -sum(float(np.log(np.maximum(c, 1e-9)).sum()) for c in true)

        return replace(self, temperature=round(float(min(TEMPERATURES, key=loss)), 6))

    def fit_regions(self, scores: Sequence[float], is_true: Sequence[bool]) -> Confidence:
        """The logistic curve with the highest likelihood of which regions are true; constant where it would fall."""
        x = np.stack([[_log_odds(score) for score in scores], np.ones(len(scores))], 1).reshape(-1, 2)
        y = np.array(is_true, float)
        slope, offset = _fit_logistic(x, y, np.array([1.0, 0.0]))
        if slope < 0:
            slope, offset = 0.0, *_fit_logistic(x[:, 1:], y, np.zeros(1))
        return replace(self, slope=round(float(slope), 6), offset=round(float(offset), 6))


def _with_temperature(probabilities: Floats, temperature: float) -> NDArray[np.float32]:
    powers = np.maximum(probabilities, 1e-9) ** (1 / temperature)
    tempered: NDArray[np.float32] = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
    return tempered


def _fit_logistic(x: Floats, y: Floats, start: Floats) -> Floats:
    """Weights of a logistic curve, with a Gaussian prior around `start`, by Newton's method.

    A step that overshoots is halved: with confident wrong regions the curve is flat, and whole steps would oscillate.
    """

    def loss(weights: Floats) -> float:
        odds, off = x @ weights, weights - start
        return float((np.logaddexp(0, odds) - y * odds).sum() + PRIOR / 2 * (off @ off))

    weights = start
    for _ in range(NEWTON_STEPS):
        p = np.exp(-np.logaddexp(0, -(x @ weights)))
        slope = x.T @ (p - y) + PRIOR * (weights - start)
        curve = x.T @ (x * (p * (1 - p))[:, None]) + PRIOR * np.eye(len(start))
        step, known = np.linalg.solve(curve, slope), loss(weights)
        while loss(weights - step) > known + 1e-9 * (1 + abs(known)):
            step = step / 2
        weights = weights - step
    return weights


def _log_odds(score: float) -> float:
    clipped = min(max(score, 1e-4), 1 - 1e-4)
    return float(np.log(clipped / (1 - clipped)))
