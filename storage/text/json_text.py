"""Parses untrusted JSON with limits, and handles lone surrogates in it."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from storage.errors import InputError

# Maximum depth of nested lists and objects: more than a label needs, less than JSON libraries support.
DEEPEST = 100
# A lone surrogate: JSON can represent it (`"\\ud83d"`), UTF-8 cannot.
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")  # Python accepts it unescaped, too
MOST_DIGITS = 18
REPLACEMENT = "\ufffd"


def parse_json(where: str, data: bytes, *, strict: bool = False) -> Any:
    """Parse JSON; NaN and infinite numbers become null, as in a browser.

    Args:
        where: name for errors.
        data: in UTF-8, UTF-16 or UTF-32.
        strict: refuse such numbers.

    Raises:
        InputError: it is no JSON, or nested too deeply.
    """
    parse_float = _strictly_finite if strict else _finite
    try:
        value = json.loads(
            data, parse_constant=_reject if strict else lambda _: None, parse_float=parse_float
        )
    except (ValueError, RecursionError) as error:
        raise InputError("cannot be read", where=where, why=f"not JSON: {error}") from error
    if data.count(b"[") + data.count(b"{") > DEEPEST and is_deep(value):
        why = f"lists and objects are nested more than {DEEPEST} deep"
        raise InputError("cannot be read", where=where, why=why)
    return value


def is_deep(value: Any) -> bool:
    """Whether lists and objects are nested deeper than DEEPEST."""
    level = [value]
    for _ in range(DEEPEST):
        # Each once: YAML aliases repeat a value.
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
    """Whether a text or a key in a JSON value holds a lone surrogate."""
    return bool(LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)))


def well_formed(value: Any) -> Any:
    """A JSON value with lone surrogates replaced by U+FFFD, as JavaScript's `String.toWellFormed` does."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(LONE_SURROGATE.sub(REPLACEMENT, text)) if LONE_SURROGATE.search(text) else value


def whole_number(text: str) -> int | None:
    """A text of up to 18 digits as an integer, which fits into 64 bits; None for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None


def _reject(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _strictly_finite(text: str) -> float:
    number = _finite(text)
    return _reject(text) if number is None else number


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
