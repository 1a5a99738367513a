"""Where the curves of a training lie: values per epoch in, coordinates and SVG paths out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.reporting.figures import Tick, number_ticks

WIDTH, HEIGHT = 340, 190  # user units: CSS pixels
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 26


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
        return round(LEFT + (epoch - 1) / max(epochs - 1, 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - value / high * (HEIGHT - TOP - BOTTOM), 1)

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
