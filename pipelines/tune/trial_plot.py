"""Plot the trials of a tuning: the loss of each and the best so far, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from stages.reporting.figures import number_ticks

WIDTH, HEIGHT = 760, 340  # user units: CSS pixels
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 44, 40
# Smaller losses are drawn here. The axis is logarithmic: losses of good and bad params differ by orders of magnitude.
SMALLEST = 1e-4
COLOURS = {"complete": "#1f5fbf", "pruned": "#9aa3ad", "failed": "#c0392b"}
STYLE = (
    "text{font:12px sans-serif;fill:#333}.grid{stroke:#e3e6ea}.best{fill:none;stroke:#e08a00;stroke-width:2}"
)
STATES = (("complete", "● complete"), ("pruned", "○ pruned"), ("failed", "✕ failed"))
LEGEND = (
    f'<text x="{LEFT}" y="18" xml:space="preserve">validation loss   '
    + "".join(f'<tspan fill="{COLOURS[state]}">{text}</tspan>   ' for state, text in STATES)
    + '<tspan fill="#e08a00">━ best so far</tspan></text>'
)


@dataclass(frozen=True)
class Mark:
    """A trial: its number, state, last loss (None: it has none), and a tooltip."""

    number: int
    state: str
    loss: float | None
    tooltip: str


@dataclass(frozen=True)
class Axes:
    """Coordinates of trial numbers and losses."""

    last: int
    low: float
    high: float

    @classmethod
    def of(cls, marks: Sequence[Mark]) -> Axes:
        """Axes on which all marks fit."""
        losses = [max(mark.loss, SMALLEST) for mark in marks if mark.loss is not None] or [1.0]
        return cls(max(marks[-1].number, 2), min(losses) / 1.15, max(losses) * 1.15)

    def x(self, number: float) -> float:
        return round(LEFT + (number - 1) / (self.last - 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, loss: float) -> float:
        share = math.log(max(loss, SMALLEST) / self.low) / math.log(self.high / self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def losses(self) -> list[float]:
        """Round losses for the axis: 1, 2 and 5 times powers of ten, or the powers alone where that is many."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1, 2, 5) if len(decades) <= 4 else (1,)
        found = [float(f"{factor}e{decade}") for decade in decades for factor in factors]
        return [loss for loss in found if self.low <= loss <= self.high]


def draw(marks: Sequence[Mark]) -> str:
    """The plot as an SVG file, of at least one mark; in the order of their numbers."""
    axes = Axes.of(marks)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}">',
        f"<title>Validation loss by trial</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_grid(axes),
        *_best(marks, axes),
        *(_mark(mark, axes) for mark in marks),
        LEGEND,
        "</svg>",
    ]
    return "\n".join(body) + "\n"


def _grid(axes: Axes) -> list[str]:
    lines = []
    for loss in axes.losses():
        y = axes.y(loss)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{loss:g}</text>')
    for tick in number_ticks(1, axes.last, 10):
        if tick.value == round(tick.value):
            place = f'x="{axes.x(tick.value)}" y="{HEIGHT - BOTTOM + 18}"'
            lines.append(f'<text {place} text-anchor="middle">{tick.text}</text>')
    lines.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">trial</text>')
    return lines


def _best(marks: Sequence[Mark], axes: Axes) -> list[str]:
    """A staircase: the lowest loss of complete trials so far."""
    path, lowest = "", math.inf
    for mark in marks:
        if mark.state != "complete" or mark.loss is None or mark.loss >= lowest:
            continue
        lowest = mark.loss
        path += f"{'H' if path else 'M'}{axes.x(mark.number)}{'V' if path else ','}{axes.y(lowest)}"
    return [f'<path class="best" d="{path}H{axes.x(marks[-1].number)}"/>'] if path else []


def _mark(mark: Mark, axes: Axes) -> str:
    """A dot for a complete trial, a ring for a pruned one, a cross at the upper edge for a failed one."""
    loss = axes.high if mark.loss is None else mark.loss
    x, y, colour = axes.x(mark.number), axes.y(loss), COLOURS[mark.state]
    title = f"<title>{escape(mark.tooltip)}</title>"
    if mark.state == "failed":
        shape = f"M{x - 4},{y - 4}l8,8m0,-8l-8,8"
        return f'<path d="{shape}" stroke="{colour}" stroke-width="2">{title}</path>'
    fill = colour if mark.state == "complete" else "#fff"
    return f'<circle cx="{x}" cy="{y}" r="4" fill="{fill}" stroke="{colour}">{title}</circle>'
