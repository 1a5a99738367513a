"""A recording of another sampling rate, brought to the project's.

A network counts timepoints, not seconds: with two rates it would see two speeds of one movement. Where the new
rate is lower, a timepoint is the mean of the signal over its own interval (a box as wide as the interval keeps what
is faster than the new rate from folding into it); where it is higher, a straight line between its neighbours.

Nothing is invented: the new timepoints start anew behind a pause of more than `gap` intervals, and one whose nearest
old timepoint has no number has none either, unless a number of a slow channel, alone between empty cells, lies in its
interval. Times stay those of the recording, to the nanosecond.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from stages.timeseries.times import Times

# New timepoints at a time: memory does not grow with the recording.
BLOCK = 1 << 18

Numbers = NDArray[np.float64]


def interval(times: Times, rate: float) -> float:
    """One interval of the new rate, in the unit of the times."""
    return (1e9 if times.dtype.kind == "i" else 1.0) / rate


def longest_bridge(times: Times, rate: float, gap: float) -> float:
    """The longest pause that is no gap: `gap` intervals of the slower of both rates."""
    return gap * max(float(np.median(np.diff(times))), interval(times, rate))


def even_times(times: Times, rate: float, gap: float) -> Times:
    """The new timepoints: evenly spaced from the first one of the recording, and anew behind each gap.

    Args:
        times: (timepoints,), increasing, two or more.
        rate: new timepoints per second (per unit of time where times are numbers).
        gap: intervals; a longer pause is a gap.

    Returns:
        Times of the same kind; the last one of a stretch is at most half an interval away from the old last.

    >>> even_times(np.array([0.0, 1.0, 2.0, 3.0, 9.0, 10.0]), 0.5, 2.0)
    array([0., 2., 9.])
    """
    breaks = np.flatnonzero(np.diff(times) > longest_bridge(times, rate, gap)) + 1
    starts = [0, *breaks.tolist()]
    ends = [*breaks.tolist(), len(times)]
    every = interval(times, rate)
    pieces = []
    for start, end in zip(starts, ends, strict=True):
        count = math.ceil(float(times[end - 1] - times[start]) / every - 0.5) + 1
        pieces.append(times[start] + _offsets(count, rate, times.dtype))
    joined: Times = np.concatenate(pieces)
    return joined


def _offsets(count: int, rate: float, dtype: np.dtype[np.float64] | np.dtype[np.int64]) -> Times:
    """0, 1, 2, .. intervals; in whole nanoseconds without a float on the way, whose steps are wider there."""
    steps = np.arange(count)
    if dtype.kind != "i":
        return steps / rate
    every = Fraction(10**9) / Fraction(str(rate)).limit_denominator(10**6)
    whole, rest = divmod(every.numerator, every.denominator)
    return steps * whole + steps * rest // every.denominator


def nearest_times(times: Times, onto: Times) -> Times:
    """For each of the new timepoints the nearest time of the recording: what people see."""
    after = np.searchsorted(times, onto).clip(1, len(times) - 1)
    earlier = onto - times[after - 1] <= times[after] - onto
    nearest: Times = times[np.where(earlier, after - 1, after)]
    return nearest


def resample(
    values: NDArray[np.float32], times: Times, onto: Times, rate: float, gap: float
) -> Iterator[NDArray[np.float32]]:
    """Values at the new timepoints, block by block.

    Args:
        values: (timepoints, channels), NaN where there is no number.
        times: (timepoints,).
        onto: the new times, from `even_times`.
        rate: their rate.
        gap: as for `even_times`.
    """
    every, bridge = interval(times, rate), longest_bridge(times, rate, gap)
    lower = every > float(np.median(np.diff(times)))
    for start in range(0, len(onto), BLOCK):
        part = onto[start : start + BLOCK]
        first = max(int(np.searchsorted(times, part[0] - every)) - 1, 0)
        last = int(np.searchsorted(times, part[-1] + every)) + 1
        near = times[first:last]
        # Differences are exact in nanoseconds; from there on a float is fine enough.
        since, at = (near - near[0]).astype(np.float64), (part - near[0]).astype(np.float64)
        found = np.empty((len(part), values.shape[1]), np.float32)
        for channel in range(values.shape[1]):
            line = Line(since, values[first:last, channel].astype(np.float64), bridge)
            found[:, channel] = line.mean(at, every) if lower else line(at)
        yield found


class Line:
    """One channel as a line through its numbers, broken at gaps and where a number is missing."""

    def __init__(self, times: Numbers, numbers: Numbers, bridge: float) -> None:
        self.times, self.numbers = times, numbers
        self.steps = np.diff(times)
        self.whole = (self.steps <= bridge) & np.isfinite(numbers[1:]) & np.isfinite(numbers[:-1])
        self.slopes = np.where(self.whole, np.diff(numbers) / self.steps, 0.0)

    def __call__(self, at: Numbers) -> Numbers:
        """On the line; beside it, the nearest number."""
        i, into = self._place(at)
        return np.where(self.whole[i], self.numbers[i] + self.slopes[i] * into, self._nearest(at))

    def mean(self, at: Numbers, width: float) -> Numbers:
        """Mean of the line over `width` around each time, as far as there is a line."""
        level = float(np.nanmean(self.numbers)) if np.isfinite(self.numbers).any() else 0.0
        flat = np.where(self.whole, (self.numbers[:-1] + self.numbers[1:]) / 2 - level, 0.0)
        area = np.concatenate([[0.0], np.cumsum(flat * self.steps)])
        known = np.concatenate([[0.0], np.cumsum(self.steps * self.whole)])
        sums, lengths = [], []
        for edge in (at - width / 2, at + width / 2):
            i, into = self._place(edge)
            height = np.where(self.whole[i], self.numbers[i] - level, 0.0)
            sums.append(area[i] + (height + self.slopes[i] * into / 2) * into)
            lengths.append(known[i] + into * self.whole[i])
        length = lengths[1] - lengths[0]
        there = (length > width * 1e-6) & np.isfinite(self._nearest(at))
        mean = (sums[1] - sums[0]) / np.where(there, length, 1.0) + level
        return np.where(there, mean, self._lone_mean(at, width))

    def _lone_mean(self, at: Numbers, width: float) -> Numbers:
        """Mean of numbers without a neighbour, as a channel of a lower rate has them; else the nearest number."""
        lone = np.isfinite(self.numbers)
        lone[1:] &= ~self.whole
        lone[:-1] &= ~self.whole
        counts = np.concatenate([[0], np.cumsum(lone)])
        sums = np.concatenate([[0.0], np.cumsum(np.where(lone, self.numbers, 0.0))])
        first, last = (np.searchsorted(self.times, edge) for edge in (at - width / 2, at + width / 2))
        number = counts[last] - counts[first]
        mean = (sums[last] - sums[first]) / np.maximum(number, 1)
        return np.where(number > 0, mean, self._nearest(at))

    def _place(self, at: Numbers) -> tuple[NDArray[np.intp], Numbers]:
        """The interval in which a time lies, and how far in; before and behind all, at its end."""
        i = (np.searchsorted(self.times, at, "right") - 1).clip(0, len(self.steps) - 1)
        return i, (at - self.times[i]).clip(0, self.steps[i])

    def _nearest(self, at: Numbers) -> Numbers:
        i, into = self._place(at)
        return np.where(into <= self.steps[i] / 2, self.numbers[i], self.numbers[i + 1])
