"""Hostile input by the thousand: what is drawn, how often, and what became of it.

A target is a test that takes the fixture `fuzz` and gives it a strategy and a check. The check says `TAKEN` or
`REFUSED`, and raises where something is wrong: a traceback, something lost, a refusal that says not where. A normal
run draws a few examples, always the same; `make fuzz` draws thousands, by another seed if one is given.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from storage.errors import LabeltrailError
from storage.printable import UNSAFE

TAKEN, REFUSED = "taken", "refused"
Check = Callable[[Any], str]
FEW = 100  # examples of a target in a normal run
BATCH = 200  # that are drawn by one seed where the time is given


@dataclass
class Fuzz:
    """How long to go on, and how often which outcome was seen.

    Attributes:
        examples: so many are drawn of a strategy; 0: few.
        seconds: go on for so long, whatever that makes; 0: not by time.
        seed: which examples are drawn.
    """

    examples: int
    seconds: float
    seed: int
    outcomes: Counter[str] = field(default_factory=Counter)
    took: float = 0.0

    def __call__(
        self,
        strategy: st.SearchStrategy[Any],
        check: Check,
        *,
        few: int = FEW,
        share: float = 1.0,
        outcomes: frozenset[str] = frozenset({TAKEN, REFUSED}),
    ) -> None:
        """Draw examples and check each.

        Args:
            strategy: what to draw.
            check: says TAKEN or REFUSED, and raises where something is wrong.
            few: examples in a normal run.
            share: of the examples of a long run, for a check that takes long.
            outcomes: what must be seen, or the draw is too one-sided.
        """
        start, seed = time.monotonic(), self.seed
        number = max(int(self.examples * share), 1) if self.examples else BATCH if self.seconds else few

        def once(example: Any) -> None:
            self.outcomes[check(example)] += 1

        while True:
            _draw(strategy, once, number, seed)
            seed += 1
            self.took = time.monotonic() - start
            if self.took >= self.seconds:
                break
        assert outcomes <= self.outcomes.keys(), f"only {dict(self.outcomes)}: the draw is too one-sided"

    def line(self) -> str:
        """`10,000 examples: 6,012 taken, 3,988 refused, 12.3 s`."""
        parts = ", ".join(
            f"{count:,} {outcome}" for outcome, count in sorted(self.outcomes.items(), reverse=True)
        )
        return f"{self.outcomes.total():,} examples: {parts}, {self.took:.1f} s"


def _draw(strategy: st.SearchStrategy[Any], check: Callable[[Any], None], number: int, seed: int) -> None:
    settings = hypothesis.settings(
        max_examples=number,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    hypothesis.seed(seed)(settings(hypothesis.given(strategy)(check)))()


def refused(error: LabeltrailError, *named: str) -> str:
    """REFUSED, once it is seen that the refusal is one that helps and that nothing in it moves a cursor.

    Args:
        error: the refusal.
        named: what it must name, such as the file.
    """
    text = str(error)
    assert error.what, repr(error)
    assert error.where or error.why, f"neither where nor why: {text}"
    assert not UNSAFE.search(text.replace("\n", "")), repr(text)
    assert not [line for line in text.split("\n")[1:] if not line.startswith("  ")], (
        f"a forged line: {text!r}"
    )
    assert len(text) < LONGEST_REFUSAL, f"a refusal of {len(text):,} characters: {text[:300]}"
    for name in named:
        assert name in text, f"{name!r} is not named: {text}"
    return REFUSED


LONGEST_REFUSAL = 20_000
