"""Layout of the report's drawing of a recording: values in, coordinates out.

True and predicted regions lie in two lanes above each other and above the signal, on the same time axis, with a
strip between them that is filled where they differ. Of the signal, each column of pixels goes from its lowest to its
highest value: a drawing of a million timepoints stays small and shows every peak.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.matching import match
from stages.metrics.segmentation import LabeledPrediction
from stages.reporting.figures import Tick, number_ticks, time_ticks
from stages.timeseries.runs import runs
from stages.timeseries.times import Times
from storage.artifacts.region import Region

WIDTH, LEFT, RIGHT = 1080, 112, 8  # user units: CSS pixels at full width
GAP = 3.0  # median steps; a line is not drawn over a longer pause
POINTS = 24_000  # columns of all channels together: bounds the size of the page
Values = NDArray[np.floating]
TRACES_Y = 76  # below the two lanes, which templates/segmentation.html draws


@dataclass(frozen=True)
class Bar:
    """One region in a lane.

    Attributes:
        x, width: of its timepoints; an instant is a tick at `x`.
        label: the class name; `number` its place in the legend, from 1.
        text: what fits inside: the name, the number, or nothing.
        missed: no region of the other lane is the same event.
    """

    x: float
    width: float
    label: str
    number: int
    text: str
    instant: bool
    missed: bool
    start: str
    end: str


@dataclass(frozen=True)
class SeriesPlot:
    """A recording with what is true and what was predicted; ticks are in x."""

    traces: tuple[Trace, ...]
    true: tuple[Bar, ...]
    predicted: tuple[Bar, ...]
    differences: tuple[Stretch, ...]
    unknown: tuple[Stretch, ...]
    ticks: tuple[Tick, ...]
    bottom: float


@dataclass(frozen=True)
class Recording:
    """One recording with true and predicted regions.

    Attributes:
        values: (timepoints, channels).
        times: (timepoints,), numbers or nanoseconds since 1970 UTC.
        channels: their names.
        prediction: true and predicted regions and classes.
        labels: class names; target k is `labels[k - 1]`.
    """

    values: Values
    times: Times
    channels: Sequence[str]
    prediction: LabeledPrediction
    labels: Sequence[str]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Timepoints where the true class is known and another one was predicted."""
        target = self.prediction.target
        wrong: NDArray[np.bool_] = (target >= 0) & (target != self.prediction.classes)
        return wrong


def series_plot(
    recording: Recording, iou: float, tolerance: int, rows: tuple[int, int] | None = None
) -> SeriesPlot:
    """Lay out one recording.

    Args:
        iou, tolerance: when a true and a predicted region are the same event.
        rows: the stretch of timepoints to draw, the second not included; None: all.
    """
    first, end = rows or (0, len(recording.times))
    times, prediction = recording.times[first:end], recording.prediction
    scale, channels = Scale.of(times, first), recording.channels
    same = match(prediction.true, prediction.predicted, iou, tolerance)
    height = 64.0 if len(channels) <= 6 else 40.0 if len(channels) <= 16 else 22.0
    return SeriesPlot(
        traces=tuple(
            trace(recording.values[first:end, i], scale, name, TRACES_Y + i * height, height, len(channels))
            for i, name in enumerate(channels)
        ),
        true=_bars(prediction.true, {i for i, _ in same}, scale, recording),
        predicted=_bars(prediction.predicted, {j for _, j in same}, scale, recording),
        differences=_stretches(recording.wrong[first:end], scale),
        unknown=_stretches(prediction.target[first:end] < 0, scale),
        ticks=time_axis(times, scale, 10),
        bottom=TRACES_Y + len(channels) * height,
    )


def longest_difference(recording: Recording) -> tuple[int, int] | None:
    """Timepoints around the longest stretch where the classes differ, with as much again on both sides.

    None: they never differ, or all of the recording shows it as well, being short or as good as all wrong.
    """
    rows = len(recording.times)
    starts, ends, codes = runs(recording.wrong.astype(np.int16))
    lengths = (ends - starts + 1) * codes
    if not lengths.any():
        return None
    longest = int(lengths.argmax())
    around = max(int(lengths[longest]), rows // 50)
    first, end = max(int(starts[longest]) - around, 0), min(int(ends[longest]) + 1 + around, rows)
    return (first, end) if rows > WIDTH and end - first <= rows / 2 else None


def _bars(regions: Sequence[Region], found: set[int], scale: Scale, recording: Recording) -> tuple[Bar, ...]:
    last = scale.first + len(scale.offsets) - 1
    bars = []
    # What is drawn later lies on top: instants, and of ranges the one that is inside the other.
    for i, region in sorted(enumerate(regions), key=lambda p: (p[1].instant, p[1].start, -p[1].end)):
        if region.end < scale.first or region.start > last:
            continue
        place = scale.stretch(region.start, region.end)
        if region.instant:
            place = Stretch(scale.middle(region.start), 0.0)
        number = recording.labels.index(region.label) + 1
        text = _text_that_fits(place.width, region.label, str(number))
        start, end = _written(recording.times, region.start), _written(recording.times, region.end)
        missed = i not in found
        bars.append(Bar(place.x, place.width, region.label, number, text, region.instant, missed, start, end))
    return tuple(bars)


def _text_that_fits(width: float, *texts: str) -> str:
    """The first text that is not wider than `width`, at 11 pixels."""
    return next((text for text in texts if text_width(text) + 8 <= width), "")


def text_width(text: str) -> float:
    """Pixels that a text takes at 11 pixels, within a tenth."""
    return sum(11.5 if unicodedata.east_asian_width(c) in "WF" else 6.8 for c in text)


def _written(times: Times, row: int) -> str:
    value = times[min(row, len(times) - 1)]
    return f"{np.datetime64(int(value), 'ns')}" if times.dtype.kind == "i" else f"{float(value):.12g}"


def _stretches(mask: NDArray[np.bool_], scale: Scale) -> tuple[Stretch, ...]:
    starts, ends, codes = runs(mask.astype(np.int16))
    kept = codes > 0
    return tuple(
        scale.stretch(scale.first + int(a), scale.first + int(b))
        for a, b in zip(starts[kept], ends[kept], strict=True)
    )


def time_axis(times: Times, scale: Scale, most: int) -> tuple[Tick, ...]:
    """Ticks of the recording's own times in x, `most` of them or fewer."""
    if times.dtype.kind == "i":
        ticks = time_ticks(int(times[0]), int(times[-1]), most - 1)
        return tuple(Tick(round(float(scale.x(tick.value)), 2), tick.text) for tick in ticks)
    first = float(times[0])
    ticks = number_ticks(first, float(times[-1]), most)
    return tuple(Tick(round(float(scale.x(tick.value - first)), 2), tick.text) for tick in ticks)


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
    return Trace(name, path, y, height, *_scale_texts(low, high))


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


def _scale_texts(low: float, high: float) -> tuple[str, str]:
    """The ends of a scale with as many digits as tell them apart; of a constant only one."""
    if low == high:
        return f"{low:.3g}".replace("-", "−"), ""
    digits = 2 - math.floor(math.log10(high - low))
    plain = max(abs(low), abs(high)) < 1e5 and digits < 6
    low_text, high_text = (f"{v:.{max(digits, 0)}f}" if plain else f"{v:.3g}" for v in (low, high))
    return low_text.replace("-", "−"), high_text.replace("-", "−")


def _short(value: float) -> str:
    return f"{round(float(value), 1):g}"
