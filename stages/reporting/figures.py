"""Layout of learning curves and reliability diagrams: values in, coordinates and SVG paths out.

Ticks are round numbers, and round moments of the clock and the calendar.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.timeseries.times import Times

SECOND = 10**9
# What a clock and a calendar are divided by, in seconds; beyond these, whole days.
CLOCK = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
CHART_WIDTH, CHART_HEIGHT = 340, 190  # user units: CSS pixels
CHART_LEFT, CHART_RIGHT, CHART_TOP, CHART_BOTTOM = 44, 12, 12, 26
SQUARE = 176  # user units: CSS pixels
SQUARE_LEFT, SQUARE_TOP = 40, 10
LARGEST, SMALLEST = 9.0, 2.0  # radius of a dot of all predictions, and of hardly any


@dataclass(frozen=True)
class Tick:
    """A value on an axis and how it is written."""

    value: float
    text: str


def number_ticks(low: float, high: float, most: int) -> tuple[Tick, ...]:
    """Multiples of 1, 2 or 5 times a power of ten within [low, high], `most` of them or fewer.

    >>> [tick.text for tick in number_ticks(0.0, 1.0, 6)]
    ['0', '0.2', '0.4', '0.6', '0.8', '1']
    """
    if not high > low:
        return (Tick(low, f"{low:g}"),)
    step = round_step((high - low) / most)
    digits = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Adding 0.0 turns the -0 that rounding can leave into 0.
    values = (round(k * step, digits) + 0.0 for k in range(first, last + 1))
    return tuple(Tick(value, _plain(value, digits)) for value in values)


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, ... that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def time_ticks(start: int, end: int, most: int) -> tuple[Tick, ...]:
    """Round moments between two stamps in nanoseconds since 1970 UTC; values are nanoseconds after `start`."""
    least = (end - start) / SECOND / most
    if least < 0.5:
        ticks = number_ticks(0.0, (end - start) / SECOND, most)
        return tuple(Tick(tick.value * SECOND, f"+{tick.text} s") for tick in ticks)
    days = 86400 * round_step(max(least / 86400, 1))
    step = int(next((s for s in CLOCK if s >= least), days)) * SECOND
    moments = range(-(-start // step) * step, end + 1, step)
    return tuple(Tick(float(moment - start), _moment(moment, step)) for moment in moments)


def axis_note(times: Times) -> str:
    """Note below a time axis: the day of its first timepoint."""
    return f"UTC, from {day(int(times[0]))}" if times.dtype.kind == "i" else ""


def day(nanoseconds: int) -> str:
    """The date of a stamp."""
    return str(np.datetime64(nanoseconds, "ns").astype("datetime64[D]"))


def _moment(nanoseconds: int, step: int) -> str:
    if step >= 86400 * SECOND:
        return day(nanoseconds)
    unit = "m" if step >= 60 * SECOND else "s"
    clock = str(np.datetime64(nanoseconds, "ns").astype(f"datetime64[{unit}]")).partition("T")[2]
    return day(nanoseconds) if nanoseconds % (86400 * SECOND) == 0 else clock


def _plain(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"
    return text.replace("-", "−")


@dataclass(frozen=True)
class Point:
    """A place in a chart and the value it stands for."""

    x: float
    y: float
    value: float


@dataclass(frozen=True)
class Curve:
    """One line; `best` is its point at the best epoch."""

    name: str
    path: str
    best: Point | None


@dataclass(frozen=True)
class Chart:
    """Curves on common axes; ticks are in x and y."""

    title: str
    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    best_x: float


def chart(title: str, curves: Mapping[str, Sequence[float]], best: int, top: float | None = None) -> Chart:
    """Lay out one value or more for each epoch.

    Args:
        title: what is shown.
        curves: values of epochs 1, 2, ... by name.
        best: the epoch whose weights were kept, from 1.
        top: upper end of the scale; None: the highest value.
    """
    epochs = max(len(values) for values in curves.values())
    high = top or max(v for values in curves.values() for v in values) or 1.0

    def x(epoch: float) -> float:
        return round(
            CHART_LEFT + (epoch - 1) / max(epochs - 1, 1) * (CHART_WIDTH - CHART_LEFT - CHART_RIGHT), 1
        )

    def y(value: float) -> float:
        return round(
            CHART_HEIGHT - CHART_BOTTOM - value / high * (CHART_HEIGHT - CHART_TOP - CHART_BOTTOM), 1
        )

    def line(name: str, values: Sequence[float]) -> Curve:
        places = [f"{x(epoch)} {y(value)}" for epoch, value in enumerate(values, 1)]
        path = "M" + "L".join(places) + ("h0" if len(places) == 1 else "")
        kept = Point(x(best), y(values[best - 1]), values[best - 1]) if best <= len(values) else None
        return Curve(name, path, kept)

    return Chart(
        title,
        tuple(line(name, values) for name, values in curves.items()),
        tuple(Tick(x(tick.value), tick.text) for tick in _epoch_ticks(epochs)),
        tuple(Tick(y(tick.value), tick.text) for tick in number_ticks(0.0, high, 5)),
        x(best),
    )


def _epoch_ticks(epochs: int) -> list[Tick]:
    """The first epoch, then round ones."""
    round_ones = [t for t in number_ticks(0.0, float(epochs), 5) if t.value > 1 and t.value == int(t.value)]
    return [Tick(1.0, "1"), *round_ones]


@dataclass(frozen=True)
class Dot:
    """Predictions of about the same confidence; the area of the dot is their share of all."""

    x: float
    y: float
    radius: float
    predictions: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Reliability:
    """One diagram; ticks are in x and y, `error` is the expected calibration error."""

    level: str
    predictions: int
    error: float
    dots: tuple[Dot, ...]
    path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def diagrams(
    rows: Sequence[Mapping[str, str]], errors: Mapping[str, Mapping[str, float]]
) -> dict[str, list[Reliability]]:
    """The rows of reports/calibration.csv by split; `errors` are expected calibration errors by split and level."""
    return {
        name: [
            _diagram(level, error, [row for row in rows if row["split"] == name and row["level"] == level])
            for level, error in by_level.items()
        ]
        for name, by_level in errors.items()
    }


def _diagram(level: str, error: float, rows: Sequence[Mapping[str, str]]) -> Reliability:
    total = sum(int(row["answers"]) for row in rows)
    dots = tuple(_dot(row, total) for row in rows)
    return Reliability(
        level,
        total,
        error,
        dots,
        "M" + "L".join(f"{dot.x} {dot.y}" for dot in dots) if dots else "",
        *square_ticks(),
    )


def square_ticks() -> tuple[tuple[Tick, ...], tuple[Tick, ...]]:
    """Ticks of shares in x and in y."""
    ticks = number_ticks(0.0, 1.0, 5)
    return tuple(Tick(x_of(t.value), t.text) for t in ticks), tuple(
        Tick(y_of(t.value), t.text) for t in ticks
    )


def _dot(row: Mapping[str, str], total: int) -> Dot:
    n, sure, right = int(row["answers"]), float(row["confidence"]), float(row["right"])
    radius = max(LARGEST * math.sqrt(n / total), SMALLEST)
    return Dot(x_of(sure), y_of(right), round(radius, 1), n, sure, right)


def x_of(share: float) -> float:
    """Of a share, 0 at the left and 1 at the right of the square."""
    return round(SQUARE_LEFT + share * SQUARE, 1)


def y_of(share: float) -> float:
    """Of a share, 0 at the bottom and 1 at the top of the square."""
    return round(SQUARE_TOP + (1 - share) * SQUARE, 1)
