"""Two ways to the same end, timed in turn: medians, ratios, a table for people and JSON for programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from storage.progress import bar


@dataclass(frozen=True)
class Figure:
    """Seconds of one thing that was done several times, both ways.

    Attributes:
        name: what was done.
        ours: seconds of each run with Labeltrail.
        plain: seconds of each run the plain way; in words what that is.
        way: the plain way in words.
    """

    name: str
    way: str
    ours: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times as long the plain way takes."""
        return median(self.plain) / median(self.ours)

    def to_json(self) -> dict[str, Any]:
        """For `--json`: medians, ratio and every run."""
        return {
            "name": self.name,
            "plain_way": self.way,
            "median": round(median(self.ours), 3),
            "median_plain": round(median(self.plain), 3),
            "ratio": round(self.ratio, 2),
            "runs": [round(seconds, 3) for seconds in self.ours],
            "runs_plain": [round(seconds, 3) for seconds in self.plain],
        }

    def line(self) -> str:
        """A row of the table in docs/benchmarks.md."""
        cells = (self.name, _cell(self.ours), _cell(self.plain), f"{self.ratio:.2f}", self.way)
        return "| " + " | ".join(cells) + " |"


HEADER = "| what | ours | plain | plain / ours | the plain way |\n|---|---|---|---|---|"


def compare(
    name: str,
    way: str,
    runs: int,
    ours: Callable[[], object],
    plain: Callable[[], object],
    before: Callable[[], object] = lambda: None,
) -> Figure:
    """Do both in turn, each first in every other run; `before` makes the work for a run and is not timed."""
    figure = Figure(name, way)
    with bar(name, runs) as advance:
        for run in range(runs):
            before()
            turns = [(ours, figure.ours), (plain, figure.plain)]
            for work, seconds in turns if run % 2 == 0 else reversed(turns):
                seconds.append(clock(work))
            advance()
    return figure


def clock(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _cell(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
