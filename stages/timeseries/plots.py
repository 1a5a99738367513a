"""Where things lie in the report's drawings: values in, coordinates and SVG paths out.

A recording is drawn as one column of pixels after the other, each from its lowest to its highest value: a drawing
of a million timepoints stays small and shows every peak. True and predicted regions lie in two lanes above each
other on the same time axis, with a strip between them that is filled where they differ.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.timeseries.axes import Tick, day, number_ticks, time_ticks
from stages.timeseries.metrics import Judged, match
from stages.timeseries.regions import runs
from stages.timeseries.times import Times
from storage.regions import Region

WIDTH, LEFT, RIGHT = 1080, 112, 8  # user units: CSS pixels at full width
TRUE_Y, LANE, STRIP = 6, 24, 8
PREDICTED_Y = TRUE_Y + LANE + STRIP
TRACES_Y = PREDICTED_Y + LANE + 14
GAP = 3.0  # median steps; a line is not drawn over a longer pause
POINTS = 24_000  # columns of all channels together: bounds the size of the page
Values = NDArray[np.floating]


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
class Scale:
    """Timepoints to x: each timepoint is as wide as the median step, so that neighbours touch."""

    offsets: NDArray[np.float64]
    half: float

    @classmethod
    def of(cls, times: Times) -> Scale:
        """Scale of one recording; stamps become nanoseconds after the first, which floats hold exactly."""
        offsets = (times - times[0]).astype(np.float64)
        return cls(offsets, float(np.median(np.diff(offsets))) / 2 if len(offsets) > 1 else 0.5)

    def x(self, offset: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """x of an offset from the first timepoint."""
        span = float(self.offsets[-1]) + 2 * self.half
        return LEFT + (np.asarray(offset) + self.half) / span * (WIDTH - LEFT - RIGHT)

    def stretch(self, start: int, end: int) -> Stretch:
        """From the left edge of a timepoint to the right edge of another, inclusive."""
        last = len(self.offsets) - 1
        left = float(self.x(self.offsets[min(start, last)] - self.half))
        right = float(self.x(self.offsets[min(end, last)] + self.half))
        return Stretch(round(left, 2), round(right - left, 2))

    def middle(self, row: int) -> float:
        """x of one timepoint."""
        return round(float(self.x(self.offsets[min(row, len(self.offsets) - 1)])), 2)


def series_plot(
    values: Values,
    times: Times,
    channels: Sequence[str],
    judged: Judged,
    labels: Sequence[str],
    iou: float,
    tolerance: int,
) -> SeriesPlot:
    """Lay out one recording.

    Args:
        values: (timepoints, channels).
        times: (timepoints,), numbers or nanoseconds since 1970 UTC.
        channels: their names.
        judged: what is true of it and what was predicted.
        labels: class names; target k is `labels[k - 1]`.
        iou, tolerance: when a true and a predicted region are the same event.
    """
    scale = Scale.of(times)
    same = [pair for label in labels for pair in _matched(judged, label, iou, tolerance)]
    wrong = (judged.target >= 0) & (judged.target != judged.classes)
    height = 64.0 if len(channels) <= 6 else 40.0 if len(channels) <= 16 else 22.0
    return SeriesPlot(
        traces=tuple(
            trace(values[:, i], scale, name, TRACES_Y + i * height, height, len(channels))
            for i, name in enumerate(channels)
        ),
        true=_bars(judged.true, {id(a) for a, _ in same}, scale, times, labels),
        predicted=_bars(judged.predicted, {id(b) for _, b in same}, scale, times, labels),
        differences=_stretches(wrong, scale),
        unknown=_stretches(judged.target < 0, scale),
        ticks=_time_axis(times, scale),
        bottom=TRACES_Y + len(channels) * height,
    )


def _matched(judged: Judged, label: str, iou: float, tolerance: int) -> list[tuple[Region, Region]]:
    true = [r for r in judged.true if r.label == label]
    return match(true, [r for r in judged.predicted if r.label == label], iou, tolerance)


def _bars(
    regions: Sequence[Region], found: set[int], scale: Scale, times: Times, labels: Sequence[str]
) -> tuple[Bar, ...]:
    bars = []
    for region in regions:
        place = scale.stretch(region.start, region.end)
        if region.instant:
            place = Stretch(scale.middle(region.start), 0.0)
        number = labels.index(region.label) + 1
        text = _fitting(place.width, region.label, str(number))
        bars.append(
            Bar(
                place.x, place.width, region.label, number, text, region.instant, id(region) not in found,
                _written(times, region.start), _written(times, region.end),
            )
        )  # fmt: skip
    return tuple(bars)


def _fitting(width: float, *texts: str) -> str:
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
    return tuple(scale.stretch(int(a), int(b)) for a, b, c in zip(starts, ends, codes, strict=True) if c)


def _time_axis(times: Times, scale: Scale) -> tuple[Tick, ...]:
    if times.dtype.kind == "i":
        ticks = time_ticks(int(times[0]), int(times[-1]), 9)
        return tuple(Tick(round(float(scale.x(tick.value)), 2), tick.text) for tick in ticks)
    first = float(times[0])
    ticks = number_ticks(first, float(times[-1]), 10)
    return tuple(Tick(round(float(scale.x(tick.value - first)), 2), tick.text) for tick in ticks)


def axis_note(times: Times) -> str:
    """What a time axis cannot say with its ticks: the day of its first timepoint."""
    return f"UTC, from {day(int(times[0]))}" if times.dtype.kind == "i" else ""


def trace(channel: Values, scale: Scale, name: str, y: float, height: float, channels: int) -> Trace:
    """One channel on its own scale."""
    numbers = np.where(np.isfinite(channel), channel, np.nan).astype(np.float64)
    if np.isnan(numbers).all():
        return Trace(name, "", y, height, "", "no numbers")
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    room, margin = height - 10, 5.0
    share = (high - numbers) / (high - low) if high > low else numbers * 0 + 0.5
    path = envelope(scale, y + margin + share * room, min(WIDTH - LEFT - RIGHT, POINTS // channels))
    return Trace(name, path, y, height, f"{low:.3g}", f"{high:.3g}" if high > low else "")


def envelope(scale: Scale, y: NDArray[np.float64], columns: int) -> str:
    """An SVG path through all points, or through the lowest and highest of each of `columns` columns.

    NaN and pauses of more than `GAP` median steps are left open.
    """
    pauses = np.diff(scale.offsets, prepend=scale.offsets[0]) > 2 * scale.half * GAP
    x = scale.x(scale.offsets)
    starts = np.arange(len(y))
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


def _short(value: float) -> str:
    return f"{round(float(value), 1):g}"
