"""Time stamps as text: Label Studio's `timeFormat` (the directives of d3-time-format) to nanoseconds and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from storage.printable import shortened

# d3 directives that strptime spells otherwise; %L is milliseconds, %e a day padded with a blank.
STRPTIME = {"L": "%f", "e": "%d", "Z": "%z"}
EPOCH = {"%s": 10**9, "%Q": 10**6}
# One directive: what a number is padded with (- nothing, _ blanks, 0 zeros), and its letter.
DIRECTIVE = re.compile(r"%([-_0]?)(.)")
# A blank that stands for a zero: at the start, behind another blank, or inside a date or a time of day.
PADDING = r"(?:^|(?<=[-/: ])) (?=\d)"
# A zone stands behind a time of day; behind a date, "-2026" is a year.
ZONE = re.compile(r":\d\d(?:[.,]\d+)?\s?(Z|[+-]\d\d:?\d\d)$")


# What stands for a text that is no time, where such are let pass: pandas' NaT.
NO_TIME = int(np.iinfo(np.int64).min)


def parse(texts: Sequence[str], time_format: str, *, strict: bool = True) -> NDArray[np.int64]:
    """Nanoseconds since 1970 UTC, one for each text; a text without a zone is taken as UTC.

    Args:
        texts: as they are written.
        time_format: Label Studio's.
        strict: refuse a text that does not match; otherwise it becomes `NO_TIME`.

    Raises:
        ValueError: a text does not match the format; the message names it.
    """
    import pandas as pd  # half a second, and only stamps as text need it

    if time_format in EPOCH:
        return np.array([_epoch(t, EPOCH[time_format], strict) for t in texts], np.int64)
    pattern = DIRECTIVE.sub(lambda m: STRPTIME.get(m[2], f"%{m[2]}"), time_format)
    written = pd.Series(texts, dtype="str")
    if re.search("%_|%e", time_format):
        written = written.str.replace(PADDING, "0", regex=True)
    stamps = pd.to_datetime(
        written, format=pattern, exact=True, utc=True, errors="raise" if strict else "coerce"
    )
    stamps = stamps.dt.tz_localize(None)
    if not strict:  # the years 1678 to 2261 are what int64 holds in nanoseconds
        stamps = stamps.where(stamps.between(pd.Timestamp.min, pd.Timestamp.max))
    return stamps.dt.as_unit("ns").to_numpy().astype(np.int64)


def render(nanoseconds: int, time_format: str) -> str:
    """The inverse of `parse`; as many digits of a second as the stamp needs, six or nine for %f."""
    import pandas as pd

    if time_format in EPOCH:
        number = Decimal(nanoseconds) / EPOCH[time_format]
        return format(number.normalize(), "f")
    fraction = nanoseconds % 10**9
    digits = {
        "f": f"{fraction:09d}" if fraction % 1000 else f"{fraction // 1000:06d}",
        "L": f"{fraction // 10**6:03d}",
        "Z": "+0000",
        "z": "+0000",
    }
    second = pd.Timestamp(nanoseconds - fraction)

    def field(match: re.Match[str]) -> str:
        padding, letter = match.groups()
        if letter == "e":
            padding, letter = padding or "_", "d"
        text = digits.get(letter) or second.strftime(f"%{letter}")
        if padding in ("", "0") or not text.isdecimal():
            return text
        return (text.lstrip("0") or "0").rjust(len(text) if padding == "_" else 0)

    return DIRECTIVE.sub(field, time_format)


def _epoch(text: str, unit: int, strict: bool) -> int:
    """Nanoseconds of a count of units since 1970, to the last digit.

    Raises:
        ValueError: it is no number, or too large for int64, where that is not let pass.
    """
    try:
        found = int(Decimal(text.strip()) * unit)
        if abs(found) >= -NO_TIME:
            raise OverflowError
        return found
    except (InvalidOperation, OverflowError, ValueError) as error:
        if not strict:
            return NO_TIME
        raise ValueError(f"'{shortened(text)}' is not a number") from error


def zones(texts: Sequence[str]) -> list[str]:
    """The different time zones at the end of the texts; "" where a text names none."""
    return sorted({match[1] if (match := ZONE.search(text)) else "" for text in texts})
