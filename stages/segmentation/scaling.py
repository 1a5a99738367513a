"""Normalization of values: missing values interpolated, one sensor orientation, zero mean and unit variance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
# Windows whose means are computed at once: bounds memory.
PART = 4096
# A channel shows the orientation of a sensor where the skewness of its window means has the same sign in this share
# of the recordings of the train split, its median is this far from 0, and there are so many recordings.
MIN_AGREEMENT, MIN_SKEWNESS, MIN_RECORDINGS = 0.75, 0.5, 5
# From this skewness against the common sign on, a channel is taken for flipped.
FLIPPED = 0.4
# Deviations from the mean beyond which a value is a placeholder of a logger for a missing one, 3.4e38 say: its square
# is infinite, and would make all predictions for the recording NaN.
MAX_DEVIATIONS = 1e6


@dataclass(frozen=True)
class Scaler:
    """One mean and one standard deviation per channel, from the train split; never per recording.

    Scaled by itself, a recording would lose the difference between a lying and a standing person. But a sensor is
    sometimes worn upside down: channels that are skewed to one side in nearly all recordings are flipped in one where
    they are skewed to the other.

    Attributes:
        mean, deviation: (channels,).
        skew: (channels,), common sign of the skewness where a channel shows the orientation, else 0.
        width: timepoints of the windows whose means are skewed.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    skew: tuple[int, ...]
    width: int

    @classmethod
    def fit(cls, series: Sequence[Values], width: int) -> Scaler:
        """Mean and standard deviation of all timepoints; NaN counts for nothing, a constant channel keeps its size.

        Sums are taken around the first value seen, so that a large offset costs no digits.
        """
        if not series:
            raise ValueError("no series to fit a scaler to")
        skewness = [_skewness(fill(values), width) for values in series]
        skew = _common_skew(skewness, [_mean(values) for values in series])
        origin, total, squares, count = None, 0.0, 0.0, 0
        for values, its in zip(series, skewness, strict=True):
            known = np.asarray(values, np.float64) * _signs(its, skew)
            if origin is None:
                origin = _mean(known)
            known = known - origin
            total = total + np.nansum(known, 0)
            squares = squares + np.nansum(known * known, 0)
            count = count + (~np.isnan(known)).sum(0)
        shift = total / np.maximum(count, 1)
        variance = np.maximum(squares / np.maximum(count, 1) - shift**2, 0)
        mean = origin + shift
        # Below what float32 can tell apart a channel is constant: dividing by it would blow up rounding errors.
        constant = np.sqrt(variance) <= 1e-7 * np.maximum(np.abs(mean), 1e-30)
        deviation = np.where(constant, 1.0, np.sqrt(variance))
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()), skew, width)

    def fits(self, channels: int) -> bool:
        """Whether it is of so many channels, and divides by none of them."""
        sizes = {len(self.mean), len(self.deviation), len(self.skew)}
        return (
            sizes == {channels} and min(self.deviation) > 0 and self.width > 0 and {-1, 0, 1} >= {*self.skew}
        )

    def __call__(self, values: Values) -> Values:
        """Scaled values, (timepoints, channels); missing values are interpolated, a channel without any is 0."""
        return self.scale(self.orient(values))

    def orient(self, values: Values) -> Values:
        """A whole recording with missing values interpolated, in the common orientation."""
        filled = fill(values)
        if not any(self.skew):
            return filled
        signs = _signs(_skewness(filled, self.width), self.skew)
        return filled if (signs > 0).all() else filled * signs

    def scale(self, oriented: Values) -> Values:
        """Scale a part of an oriented recording; missing values are 0, the mean."""
        scaled = (oriented - np.array(self.mean)) / np.array(self.deviation)
        return np.where(np.abs(scaled) <= MAX_DEVIATIONS, scaled, 0).astype(np.float32)


def fill(values: Values) -> Values:
    """Interpolate NaN linearly; a channel without any number stays NaN."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    filled = np.array(values)
    rows = np.arange(len(values))
    for channel in np.flatnonzero(missing.any(0) & ~missing.all(0)):
        gaps = missing[:, channel]
        filled[gaps, channel] = np.interp(rows[gaps], rows[~gaps], values[~gaps, channel])
    return filled


def level(oriented: Values, scaler: Scaler) -> Values:
    """Median of each scaled channel in the third of all windows with the most motion, (channels,).

    A sensor is never worn twice in the same way: postures are measured relative to its mean position during motion.
    """
    means, motion = _window_moments(scaler.scale, oriented, scaler.width)
    moving = motion.sum(1)
    found: Values = np.median(means[moving >= np.quantile(moving, 2 / 3)], 0).astype(np.float32)
    return found


def _window_moments(
    scale: Callable[[Values], Values], values: Values, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each channel in windows of `width` timepoints, (windows, channels) each."""
    means, variances = [], []
    for start in range(0, len(values), PART * width):
        part = scale(values[start : start + PART * width])
        n = max(len(part) // width, 1)
        pieces = part[: n * width].reshape(n, -1, part.shape[1]).astype(np.float64)
        means.append(pieces.mean(1))
        variances.append(pieces.var(1))
    return np.concatenate(means), np.concatenate(variances)


def _common_skew(
    skewness: Sequence[NDArray[np.float64]], means: Sequence[NDArray[np.float64]]
) -> tuple[int, ...]:
    """The sign of the skewness of each channel where recordings agree on one; 0 where they do not.

    A channel whose mean has one sign in all recordings is never flipped: its 0 is meaningful.
    """
    found, levels = np.array(skewness), np.array(means)
    middle = np.median(found, 0)
    agreed = (np.sign(found) == np.sign(middle)).mean(0) >= MIN_AGREEMENT
    both = (levels.min(0) < 0) & (levels.max(0) > 0)
    oriented = agreed & both & (np.abs(middle) > MIN_SKEWNESS) & (len(found) >= MIN_RECORDINGS)
    return tuple(int(sign) for sign in np.where(oriented, np.sign(middle), 0))


def _signs(skewness: NDArray[np.float64], skew: Sequence[int]) -> Values:
    """-1 for the channels that are flipped, else 1."""
    flipped = skewness * np.array(skew) < -FLIPPED
    return np.where(flipped, np.float32(-1), np.float32(1))


def _skewness(filled: Values, width: int) -> NDArray[np.float64]:
    """Of the means of windows, (channels,); 0 of a channel without any number, and of a constant one."""
    means, _ = _window_moments(lambda part: part, filled, width)
    middle = means.mean(0)
    off = means - middle
    spread = np.sqrt((off**2).mean(0))
    flat = spread <= 1e-7 * np.maximum(np.abs(middle), 1e-30)
    found: NDArray[np.float64] = np.nan_to_num(((off / np.where(flat, np.inf, spread)) ** 3).mean(0))
    return found


def _mean(values: NDArray[np.floating]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(0, dtype=np.float64)
    mean: NDArray[np.float64] = total / np.maximum(known.sum(0), 1)
    return mean
