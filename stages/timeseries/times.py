"""Between a time, as Label Studio writes it, and a timepoint (row of the recording)."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.series import timestamps as stamps

# What else Label Studio may write in the place of a time that it does not know.
BLANK = {"", "null", "none", "invalid date"}

Times = NDArray[np.float64] | NDArray[np.int64]


def parse_time(value: Any, time_format: str | None) -> float | int | None:
    """A `start` or `end` of a region as a number in the unit of the recording's times; None: it is none.

    Numbers may come as text. With a `timeFormat`, Label Studio's editor may also hand over milliseconds since 1970.
    """
    if isinstance(value, str) and time_format:
        try:
            return int(stamps.parse([value], time_format)[0])
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):  # JSON has whole numbers of any length
        return None
    if not math.isfinite(number):
        return None
    # Through its digits: a float of nanoseconds since 1970 is wrong by up to 128 of them.
    return int(Decimal(str(value)) * 10**6) if time_format else number


def is_blank(value: Any) -> bool:
    """Whether a `start` or `end` is missing, as Label Studio leaves it where the very last timepoint is labeled."""
    return value is None or "nan" in str(value).lower() or str(value).strip().lower() in BLANK


def time_to_row(times: Times, time: float) -> int:
    """The nearest timepoint; of two that are equally near, the earlier. Outside: the first or the last.

    >>> time_to_row(np.array([0.0, 0.02, 0.04]), 0.029)
    1
    """
    after = int(np.searchsorted(times, time))
    if after == 0:
        return 0
    if after == len(times):
        return len(times) - 1
    # Differences of the array's own type: a float would round nanoseconds since 1970 to 256 of them.
    exact = times.dtype.type(time) if times.dtype.kind == "i" else time
    return after - 1 if exact - times[after - 1] <= times[after] - exact else after


def row_to_time(times: Times, row: int, time_format: str | None) -> float | str:
    """The time of a timepoint in the form that Label Studio wants."""
    return stamps.render(int(times[row]), time_format) if time_format else float(times[row])
