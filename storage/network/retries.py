"""Retries of a request: exponential backoff with jitter, maximum attempts, deadline."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

FIRST_PAUSE_S = 0.1  # before the second attempt, doubled before each one after


@dataclass
class Attempts:
    """The attempts of one request.

    Attributes:
        most: maximum number of attempts.
        deadline_s: seconds after the first one; no attempt starts later.
        number: of the current attempt, from 1.
    """

    most: int
    deadline_s: float
    number: int = 1
    _began: float = field(default_factory=time.monotonic)

    def is_last(self) -> bool:
        """Whether the current attempt is the last one."""
        return self.number >= self.most or time.monotonic() - self._began > self.deadline_s

    def wait(self) -> None:
        """Back off before the next attempt, with jitter, so that clients do not retry at the same time."""
        time.sleep(FIRST_PAUSE_S * 2 ** (self.number - 1) * random.uniform(0.5, 1.0))  # noqa: S311 -- no secret
        self.number += 1
