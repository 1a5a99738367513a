"""Problems of a recording, fatal ones and notes, each with the line of the file.

Lines are counted from 1, as an editor shows them: the header is line 1. Each kind of problem is reported once, at the
first line that has it, with how many more there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from storage.label_studio.label_config import LabelConfig
from storage.series import timestamps as stamps
from storage.series.recording import Times, sampling_rate

# From this size on a number is a logger's placeholder for a missing value (1e20, 3.4e38): the standard deviation of
# its channel would be so large that everything else is 0.
PLACEHOLDER = 1e15
MILLISECOND = 10**6  # nanoseconds
LONGEST_NS = 2**63 - 1  # that a difference of times can have
HIGHEST_RATE = 1e14  # timepoints per unit of time; what stages read goes up to 1e15
# The line of the file on which a timepoint is written.
Line = Callable[[int], int]


@dataclass(frozen=True)
class Problem:
    """Something about a recording that a person should know.

    Attributes:
        row: line of the file, from 1; None where it is about the file as a whole.
        what: one sentence.
        cure: what to do about it.
        fatal: the recording is refused; otherwise it is accepted, and this is a note.
    """

    row: int | None
    what: str
    cure: str
    fatal: bool = True


@dataclass
class Problems:
    """Problems of the rows by kind: the first of each kind, and how many rows have it."""

    kinds: dict[str, tuple[Problem, int]] = field(default_factory=dict)

    def add(self, kind: str, row: int, what: str, cure: str) -> None:
        """Keep the first problem of a kind, and count the others."""
        first, count = self.kinds.get(kind, (Problem(row, what, cure), 0))
        self.kinds[kind] = (first, count + 1)

    def counted(self) -> list[Problem]:
        """The first problem of each kind, with how many rows have it."""
        return [counted(problem, count) for problem, count in self.kinds.values()]


def time_problems(config: LabelConfig, times: Times, line: Line) -> list[Problem]:
    """Times must increase: a row written twice or a clock set back would tear regions apart."""
    if bool((times[1:] > times[:-1]).all()):
        return _unit_problems(config, times, line)
    steps = np.diff(times)
    problems = []
    for wrong, kind in ((steps == 0, "same"), (steps < 0, "back")):
        count = int(wrong.sum())
        if not count:
            continue
        index = int(np.flatnonzero(wrong)[0]) + 1
        before, now = (_time_text(config, times[i]) for i in (index - 1, index))
        same = kind == "same"
        what = f"the time {now} is there twice" if same else f"time goes back, from {before} to {now}"
        cure = "keep one row for each time" if same else "sort the rows by time, or split the recording there"
        problems.append(counted(Problem(line(index), what, cure), count))
    return sorted(problems, key=lambda p: p.row or 0)


def _unit_problems(config: LabelConfig, times: Times, line: Line) -> list[Problem]:
    """The sampling rate must be of a usable size."""
    if len(times) < 2:
        return []
    first, last = (_time_text(config, times[place]) for place in (0, -1))
    if times.dtype.kind == "i":
        wrong = int(times[-1]) - int(times[0]) > LONGEST_NS
        cure = "split the recording, or check the years in it"
    else:
        with np.errstate(over="ignore"):
            rate = sampling_rate(times)
        wrong = rate is None or not 1 / HIGHEST_RATE < rate < HIGHEST_RATE
        cure = "write the times in another unit, such as seconds, and check that timeColumn names them"
    what = (
        f"the times go from {first} to {last} in {len(times):,} rows, which is no time between measurements"
    )
    return [Problem(line(len(times) - 1), what, cure)] if wrong else []


def _time_text(config: LabelConfig, time: np.float64 | np.int64) -> str:
    return stamps.render(int(time), config.time_format) if config.time_format else f"{time:.15g}"


def page_time_notes(config: LabelConfig, times: Times, line: Line) -> list[Problem]:
    """Label Studio's page knows milliseconds: timepoints that are closer are one to it."""
    if not (config.time_column and config.time_format):
        return []
    same = np.flatnonzero(np.diff(times // MILLISECOND) == 0)
    if not len(same):
        return []
    what = f"{len(same)} timepoint(s) have the millisecond of the one before, and Label Studio shows no more digits"
    cure = (
        "nothing, if regions may be a millisecond off; else write times as numbers, and take timeFormat out"
    )
    return [Problem(line(int(same[0]) + 1), what, cure, fatal=False)]


def value_notes(config: LabelConfig, values: NDArray[np.float32], line: Line) -> list[Problem]:
    """Notes on the values of a recording that is accepted."""
    notes = []
    missing = np.isnan(values)
    if missing.any():
        row, _ = np.argwhere(missing)[0]
        parts = [f"{n} in {name!r}" for name, n in zip(config.channels, missing.sum(0), strict=True) if n]
        what = f"{int(missing.sum())} cell(s) without a number: {', '.join(parts)}"
        cure = "nothing: Label Studio draws 0 there; the model fills them in, and is not trained on long gaps"
        notes.append(Problem(line(int(row)), what, cure, fatal=False))
    if max(np.fmax.reduce(values, None), -np.fmin.reduce(values, None)) >= PLACEHOLDER:
        row, channel = np.argwhere(np.abs(values) >= PLACEHOLDER)[0]
        what = f"{values[row, channel]:g} in {config.channels[channel]!r} is no measurement, and hides all others"
        cure = "leave cells empty where there is no number"
        notes.append(Problem(line(int(row)), what, cure, fatal=False))
    if len(values) == 1:
        notes.append(Problem(2, "the recording has one row", "check that it was exported whole", fatal=False))
    return notes


def counted(problem: Problem, count: int) -> Problem:
    """The problem, and how many more rows have it."""
    if count == 1:
        return problem
    what = f"{problem.what} (and {count - 1} more row(s) like it)"
    return Problem(problem.row, what, problem.cure, problem.fatal)
