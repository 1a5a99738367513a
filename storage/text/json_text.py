"""JSON that somebody else wrote, read with limits: what it may hold is what everything behind can hold."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from storage.errors import InputError

# Lists and objects inside each other: more than a label needs, less than JSON libraries can take.
DEEPEST = 100
# A surrogate without its other half: JSON can say it (`"\\ud83d"`), UTF-8 cannot.
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")  # Python reads it as it stands, too
MOST_DIGITS = 18
REPLACEMENT = "\ufffd"


def parse_json(where: str, data: bytes, *, strict: bool = False) -> Any:
    """The value. What no JSON can say, NaN and infinite numbers, is null, as a browser writes it.

    Args:
        where: what errors call it.
        data: in UTF-8, UTF-16 or UTF-32.
        strict: refuse such numbers.

    Raises:
        InputError: it is no JSON, or lists and objects lie too deep in each other.
    """
    number = _strictly_finite if strict else _finite
    try:
        value = json.loads(data, parse_constant=_refused if strict else lambda _: None, parse_float=number)
    except (ValueError, RecursionError) as error:
        raise InputError("cannot be read", where=where, why=f"not JSON: {error}") from error
    if data.count(b"[") + data.count(b"{") > DEEPEST and is_deep(value):
        why = f"lists and objects lie more than {DEEPEST} deep in each other"
        raise InputError("cannot be read", where=where, why=why)
    return value


def is_deep(value: Any) -> bool:
    """Whether lists and objects lie deeper in each other than labels need."""
    level = [value]
    for _ in range(DEEPEST):
        # Each once: YAML may name one value in many places.
        level = list(
            {
                id(inner): inner
                for outer in level
                for inner in (outer.values() if isinstance(outer, dict) else outer)
                if isinstance(inner, dict | list)
            }.values()
        )
        if not level:
            return False
    return True


def has_lone_surrogate(value: Any) -> bool:
    """Whether a text or a name in a JSON value holds half a character (a lone surrogate)."""
    return bool(LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)))


def well_formed(value: Any) -> Any:
    """A JSON value with U+FFFD in the place of halves of characters, as a browser's `String.toWellFormed` has it."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(LONE_SURROGATE.sub(REPLACEMENT, text)) if LONE_SURROGATE.search(text) else value


def whole_number(text: str) -> int | None:
    """The number of a text of digits; None for any other text, or more than 18 digits, as 64 bits hold."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None


def _refused(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _strictly_finite(text: str) -> float:
    number = _finite(text)
    return _refused(text) if number is None else number


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
