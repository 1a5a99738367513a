"""Where the line of a channel lies on the time axis of a drawing: numbers in, an SVG path out.

A recording is drawn as one column of pixels after the other, each from its lowest to its highest value: a drawing
of a million timepoints stays small and shows every peak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.timeseries.times import Times

WIDTH, LEFT, RIGHT = 1080, 112, 8  # user units: CSS pixels at full width
GAP = 3.0  # median steps; a line is not drawn over a longer pause
POINTS = 24_000  # columns of all channels together: bounds the size of the page
Values = NDArray[np.floating]


@dataclass(frozen=True)
class Trace:
    """One channel: its name, its path, its place, and the range of its own scale."""

    name: str
    path: str
    y: float
    height: float
    low: str
    high: str


@dataclass(frozen=True)
class Stretch:
    """A range of x."""

    x: float
    width: float


@dataclass(frozen=True)
class Scale:
    """Timepoints to x: each timepoint is as wide as the median step, so that neighbours touch.

    Attributes:
        first: the first timepoint that is drawn.
        offsets: times after it of all that are drawn; nanoseconds are held exactly, as they are short.
        half: half a median step.
    """

    first: int
    offsets: NDArray[np.float64]
    half: float

    @classmethod
    def of(cls, times: Times, first: int = 0) -> Scale:
        """Scale of the stretch of a recording that starts with timepoint `first` and has these times."""
        offsets = (times - times[0]).astype(np.float64)
        return cls(first, offsets, float(np.median(np.diff(offsets))) / 2 if len(offsets) > 1 else 0.5)

    def x(self, offset: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """x of an offset from the first timepoint."""
        span = float(self.offsets[-1]) + 2 * self.half
        return LEFT + (np.asarray(offset) + self.half) / span * (WIDTH - LEFT - RIGHT)

    def offset(self, row: int) -> float:
        """Time of a timepoint; before and after what is drawn: of its first and last."""
        return float(self.offsets[min(max(row - self.first, 0), len(self.offsets) - 1)])

    def stretch(self, start: int, end: int) -> Stretch:
        """From the left edge of a timepoint to the right edge of another, inclusive."""
        left, right = self.x(self.offset(start) - self.half), self.x(self.offset(end) + self.half)
        return Stretch(round(float(left), 2), round(float(right - left), 2))

    def middle(self, row: int) -> float:
        """x of one timepoint."""
        return round(float(self.x(self.offset(row))), 2)


def trace(channel: Values, scale: Scale, name: str, y: float, height: float, channels: int) -> Trace:
    """One channel on its own scale."""
    numbers = np.where(np.isfinite(channel), channel, np.nan).astype(np.float64)
    if np.isnan(numbers).all():
        return Trace(name, "", y, height, "", "no numbers")
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    room, margin = height - 10, 5.0
    share = (high - numbers) / (high - low) if high > low else numbers * 0 + 0.5
    path = envelope(scale, y + margin + share * room, min(WIDTH - LEFT - RIGHT, POINTS // channels))
    return Trace(name, path, y, height, *_ends(low, high))


def envelope(scale: Scale, y: NDArray[np.float64], columns: int) -> str:
    """An SVG path through all points, or through the lowest and highest of each of `columns` columns.

    NaN and pauses of more than `GAP` median steps are left open.
    """
    pauses = np.diff(scale.offsets, prepend=scale.offsets[0]) > 2 * scale.half * GAP
    x = scale.x(scale.offsets)
    starts: NDArray[np.integer] = np.arange(len(y))
    if len(y) > 2 * columns:
        column = ((x - LEFT) / (WIDTH - LEFT - RIGHT) * columns).astype(np.int64)
        starts = np.flatnonzero(np.diff(column, prepend=-1))
    parts, drawing = [], False
    for a, b in zip(starts, [*starts[1:], len(y)], strict=True):
        points = y[a:b]
        if np.isnan(points).all():
            drawing = False
            continue
        turns = sorted({int(np.nanargmin(points)), int(np.nanargmax(points))})
        begin = "L" if drawing and not pauses[a] else "M"
        parts.append(f"{begin}{_short(x[a])} {_short(points[turns[0]])}")
        # A point alone still needs a line to be seen: one of no length, with round ends.
        parts += [f"V{_short(points[turns[1]])}"] if len(turns) > 1 else ["h0"] if begin == "M" else []
        drawing = True
    return "".join(parts)


def _ends(low: float, high: float) -> tuple[str, str]:
    """The ends of a scale with as many digits as tell them apart; of a constant only one."""
    if low == high:
        return f"{low:.3g}".replace("-", "−"), ""
    digits = 2 - math.floor(math.log10(high - low))
    plain = max(abs(low), abs(high)) < 1e5 and digits < 6
    low_text, high_text = (f"{v:.{max(digits, 0)}f}" if plain else f"{v:.3g}" for v in (low, high))
    return low_text.replace("-", "−"), high_text.replace("-", "−")


def _short(value: float) -> str:
    return f"{round(float(value), 1):g}"
