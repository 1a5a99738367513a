"""Time stamps as text: Label Studio's `timeFormat` (the directives of d3-time-format) to nanoseconds and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

# d3 directives that strptime spells otherwise; %L is milliseconds, %e a day padded with a blank.
STRPTIME = {"%L": "%f", "%e": "%d", "%Z": "%z"}
EPOCH = {"%s": 10**9, "%Q": 10**6}
# A zone stands behind a time of day; behind a date, "-2026" is a year.
ZONE = re.compile(r":\d\d(?:[.,]\d+)?\s?(Z|[+-]\d\d:?\d\d)$")


def parse(texts: Sequence[str], time_format: str) -> NDArray[np.int64]:
    """Nanoseconds since 1970 UTC, one for each text; a text without a zone is taken as UTC.

    Raises:
        ValueError: a text does not match the format; the message names it.
    """
    import pandas as pd  # half a second, and only stamps as text need it

    if time_format in EPOCH:
        return np.array([_epoch(t, EPOCH[time_format]) for t in texts], np.int64)
    pattern = re.sub(r"%[LeZ]", lambda m: STRPTIME[m[0]], time_format)
    stamps = pd.to_datetime(pd.Series(texts, dtype="str"), format=pattern, exact=True, utc=True)
    return stamps.dt.tz_localize(None).dt.as_unit("ns").to_numpy().astype(np.int64)


def render(nanoseconds: int, time_format: str) -> str:
    """The inverse of `parse`; as many digits of a second as the stamp needs, six or nine for %f."""
    import pandas as pd

    if time_format in EPOCH:
        number = Decimal(nanoseconds) / EPOCH[time_format]
        return format(number.normalize(), "f")
    fraction = nanoseconds % 10**9
    digits = {
        "%f": f"{fraction:09d}" if fraction % 1000 else f"{fraction // 1000:06d}",
        "%L": f"{fraction // 10**6:03d}",
        "%Z": "+0000",
        "%z": "+0000",
        "%e": str(pd.Timestamp(nanoseconds).day).rjust(2),
    }
    pattern = re.sub(r"%[fLZze]", lambda m: digits[m[0]], time_format)
    return pd.Timestamp(nanoseconds - fraction).strftime(pattern)


def _epoch(text: str, unit: int) -> int:
    """Nanoseconds of a count of units since 1970, to the last digit.

    Raises:
        ValueError: it is no number.
    """
    try:
        return int(Decimal(text.strip()) * unit)
    except (InvalidOperation, OverflowError) as error:
        raise ValueError(f"{text!r} is not a number") from error


def zones(texts: Sequence[str]) -> list[str]:
    """The different time zones at the end of the texts; "" where a text names none."""
    return sorted({match[1] if (match := ZONE.search(text)) else "" for text in texts})
