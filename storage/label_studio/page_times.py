"""Label Studio's time parser: d3's `utcParse` of its `timeFormat`, with the page's preprocessing.

A numeric cell is parsed as a number first, which drops leading zeros. The first dot with up to three digits behind it
is taken for a fraction of a second, also in a date. `%f` is read as `%L`, and six digits are truncated to three.
Source: tags/object/TimeSeries.jsx of Label Studio 1.23.2, and d3-time-format's locale.js.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from storage.label_studio.page_csv import number

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
PADS = "-_0"
SIX_DIGITS = re.compile(r"\.(\d{3})\d{3}\Z", re.ASCII)
FRACTION = re.compile(r"\.(\d{0,3})\b", re.ASCII)
ZONE = re.compile(r"^(Z)|([+-]\d\d)(?::?(\d\d))?", re.ASCII)
DIGITS = re.compile(r"\s*\d+", re.ASCII)
DAY_MS = 86_400_000

# The fields of a time by d3's letters: y, m (from 0), d, H, M, S, L, and p, Z, Q, s where they occur.
Fields = dict[str, float]
# Returns the end of a directive in the text, None where it does not match.
Directive = Callable[[Fields, str, int], int | None]


def cell_time(cell: str, time_format: str) -> float | None:
    """Milliseconds since 1970 UTC of a cell; None where the page can parse no time, and uses 0."""
    value = number(cell)
    text = cell if math.isnan(value) else number_text(value)
    actual = time_format
    if "%f" in time_format:
        actual = time_format.replace("%f", "%L", 1)
        text = SIX_DIGITS.sub(r".\1", text) if math.isnan(value) else text
    if math.isnan(value) and "." in text:
        text = FRACTION.sub(lambda match: f".{match[1].ljust(3, '0')}", text, count=1)
    return utc_parse(text, actual)


def number_text(value: float) -> str:
    """A number as JavaScript writes it."""
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    if 1e-7 <= abs(value) < 1e21:
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def utc_parse(text: str, time_format: str) -> float | None:
    """d3's `utcParse(time_format)(text)` in milliseconds; None where the text does not match."""
    fields: Fields = {"y": 1900, "d": 1, "H": 0, "M": 0, "S": 0, "L": 0}
    if _parse(fields, time_format, text) != len(text):
        return None
    if "Q" in fields:
        return fields["Q"]
    if "s" in fields:
        return fields["s"] * 1000 + fields["L"]
    if "p" in fields:
        fields["H"] = fields["H"] % 12 + fields["p"] * 12
    zone = fields.get("Z", 0)
    hours = fields["H"] + math.trunc(zone / 100)
    minutes = fields["M"] + math.fmod(zone, 100)
    year, month = fields["y"] + fields.get("m", 0) // 12, fields.get("m", 0) % 12
    if not 1 <= year <= 9999:
        return None
    days = date(int(year), int(month) + 1, 1).toordinal() - date(1970, 1, 1).toordinal() + fields["d"] - 1
    return days * DAY_MS + ((hours * 60 + minutes) * 60 + fields["S"]) * 1000 + fields["L"]


def _parse(fields: Fields, time_format: str, text: str) -> int | None:
    """The end of the format in the text; None where it does not match."""
    i, position = 0, 0
    while i < len(time_format):
        if position >= len(text):
            return None
        sign = time_format[i]
        i += 1
        if sign != "%":
            if sign != text[position]:
                return None
            position += 1
            continue
        letter = time_format[i : i + 1]
        if letter and letter in PADS:
            i += 1
            letter = time_format[i : i + 1]
        i += 1
        directive = DIRECTIVES.get(letter)
        ends = directive(fields, text, position) if directive else None
        if ends is None:
            return None
        position = ends
    return position


def _digits(field: str, most: int | None, change: Callable[[float], float] = float) -> Directive:
    """A directive of up to `most` characters, with blanks before digits."""

    def read(fields: Fields, text: str, position: int) -> int | None:
        match = DIGITS.match(text[position:] if most is None else text[position : position + most])
        if match is None:
            return None
        fields[field] = change(float(match[0]))
        return position + match.end()

    return read


def _names(field: str, names: tuple[str, ...]) -> Directive:
    """A directive of one of these names, in any case."""
    known = re.compile("|".join(names), re.IGNORECASE)
    places = {name.lower(): float(n) for n, name in enumerate(names)}

    def read(fields: Fields, text: str, position: int) -> int | None:
        match = known.match(text, position)
        if match is None:
            return None
        fields[field] = places[match[0].lower()]
        return match.end()

    return read


def _zone(fields: Fields, text: str, position: int) -> int | None:
    match = ZONE.search(text[position : position + 6])
    if match is None:
        return None
    fields["Z"] = 0 if match[1] else -float(match[2] + (match[3] or "00"))
    return position + len(match[0])


def _percent(_: Fields, text: str, position: int) -> int | None:
    return position + 1 if text[position] == "%" else None


def _day_of_year(fields: Fields, text: str, position: int) -> int | None:
    fields["m"] = 0
    return _digits("d", 3)(fields, text, position)


DIRECTIVES: dict[str, Directive] = {
    "a": _names("w", tuple(name[:3] for name in DAYS)),
    "A": _names("w", DAYS),
    "b": _names("m", tuple(name[:3] for name in MONTHS)),
    "B": _names("m", MONTHS),
    "d": _digits("d", 2),
    "e": _digits("d", 2),
    "f": _digits("L", 6, lambda digits: digits // 1000),
    "H": _digits("H", 2),
    "I": _digits("H", 2),
    "j": _day_of_year,
    "L": _digits("L", 3),
    "m": _digits("m", 2, lambda month: month - 1),
    "M": _digits("M", 2),
    "p": _names("p", ("AM", "PM")),
    "Q": _digits("Q", None),
    "s": _digits("s", None),
    "S": _digits("S", 2),
    "y": _digits("y", 2, lambda year: year + (1900 if year > 68 else 2000)),
    "Y": _digits("y", 4),
    "Z": _zone,
    "%": _percent,
}
