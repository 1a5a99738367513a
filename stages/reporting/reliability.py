"""Where the dots of a reliability diagram lie: how sure against how often right, coordinates out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.reporting.figures import Tick, number_ticks

SIDE = 176  # user units: CSS pixels
LEFT, TOP = 40, 10
LARGEST, SMALLEST = 9.0, 2.0  # radius of a dot that stands for all answers, and of one for next to none


@dataclass(frozen=True)
class Dot:
    """Answers of about the same confidence; the area of the dot is their share of all."""

    x: float
    y: float
    radius: float
    answers: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Reliability:
    """One diagram; ticks are in x and y, `error` is the expected calibration error."""

    level: str
    answers: int
    error: float
    dots: tuple[Dot, ...]
    path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def diagrams(
    rows: Sequence[Mapping[str, str]], errors: Mapping[str, Mapping[str, float]]
) -> dict[str, list[Reliability]]:
    """The rows of reports/calibration.csv by set.

    Args:
        rows: of all sets.
        errors: expected calibration error by set and level.
    """
    return {
        name: [
            _diagram(level, error, [row for row in rows if row["set"] == name and row["level"] == level])
            for level, error in by_level.items()
        ]
        for name, by_level in errors.items()
    }


def _diagram(level: str, error: float, rows: Sequence[Mapping[str, str]]) -> Reliability:
    answers = sum(int(row["answers"]) for row in rows)
    dots = tuple(_dot(row, answers) for row in rows)
    ticks = number_ticks(0.0, 1.0, 5)
    return Reliability(
        level,
        answers,
        error,
        dots,
        "M" + "L".join(f"{dot.x} {dot.y}" for dot in dots) if dots else "",
        tuple(Tick(x_of(tick.value), tick.text) for tick in ticks),
        tuple(Tick(y_of(tick.value), tick.text) for tick in ticks),
    )


def _dot(row: Mapping[str, str], answers: int) -> Dot:
    n, sure, right = int(row["answers"]), float(row["confidence"]), float(row["right"])
    radius = max(LARGEST * math.sqrt(n / answers), SMALLEST)
    return Dot(x_of(sure), y_of(right), round(radius, 1), n, sure, right)


def x_of(share: float) -> float:
    """Of a share, 0 at the left and 1 at the right of the square."""
    return round(LEFT + share * SIDE, 1)


def y_of(share: float) -> float:
    """Of a share, 0 at the bottom and 1 at the top of the square."""
    return round(TOP + (1 - share) * SIDE, 1)
