"""Ticks of an axis: round numbers, and round moments of the clock and the calendar."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stages.timeseries.times import Times

SECOND = 10**9
# What a clock and a calendar are divided by, in seconds; beyond these, whole days.
CLOCK = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


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
    """What a time axis cannot say with its ticks: the day of its first timepoint."""
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
