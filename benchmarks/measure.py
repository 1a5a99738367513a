"""One timed operation, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.timing import clock
from storage.progress import bar, console

HEADER = "| what | seconds | compared with |\n|---|---|---|"


@dataclass
class Measure:
    """Seconds of one thing that was done several times.

    Attributes:
        name: what was done.
        runs: seconds of each time.
        facts: figures beside it, by what they mean.
    """

    name: str
    runs: list[float] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)

    def time(self, work: Callable[[], object]) -> None:
        """Run it once more, and print how long it took."""
        self.runs.append(clock(work))
        console.print(f"{self.name}: {self.runs[-1]:.2f} s", markup=False)

    @property
    def seconds(self) -> float:
        """The median."""
        return median(self.runs)

    def against(self, bare: Measure | None = None, plain: Measure | None = None) -> Measure:
        """Say how many times the bare cost this is, and how many times as long the plain way takes."""
        if bare is not None:
            self.facts["times the bare cost"] = self.seconds / bare.seconds
        if plain is not None:
            self.facts["times faster than plain"] = plain.seconds / self.seconds
        return self

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        facts = {name: round(value, 3) for name, value in self.facts.items()}
        return {
            "name": self.name,
            "median": round(self.seconds, 4),
            "runs": [round(run, 4) for run in self.runs],
            "facts": facts,
        }

    def line(self) -> str:
        """A row of a table in docs/scaling.md."""
        spread = f" ({min(self.runs):.2f} to {max(self.runs):.2f})" if len(self.runs) > 1 else ""
        facts = "; ".join(f"{name} {_short(value)}" for name, value in self.facts.items())
        return f"| {self.name} | {self.seconds:.2f}{spread} | {facts} |"


def in_turn(
    runs: int, before: Callable[[], object], ways: Sequence[tuple[Measure, Callable[[], object]]]
) -> None:
    """Time several ways to the same end, in the other order every other run; `before` makes the work, untimed."""
    with bar(ways[0][0].name, runs) as advance:
        for run in range(runs):
            before()
            for measure, work in ways if run % 2 == 0 else ways[::-1]:
                measure.time(work)
            advance()


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
