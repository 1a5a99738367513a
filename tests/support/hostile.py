"""What somebody may write who wants to do harm, or whose tools are broken: texts, JSON values, bytes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

# What moves a cursor, ends a line or a field, starts a program or a script, leaves a folder, or is half a character.
PIECES = (
    "\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\r", "\n", "\x0b", "\x0c", "\x00", "\x08", "\x7f", "\x85", "\x1c",
    "\x1e", "\x1f", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\ufeff", "\u061c", "\xad", "\ud83d",
    "\udc00", "🏃", "\U000e0041", "e\u0301", "İ", "ß", "\t", ",", ";", "|", ":", "=", "#", "%", "'", '"', "\\",
    "`id`", "$(id)", "${HOME}", "<script>alert(1)</script>", "]]>", "&amp;", "&x;", "../", "/", "//", "./", "..",
    "~", "-rf", "--", "@", "@{-1}", "^", "*", "?", "[", "{", "}", " ", "  ", "\xa0", "NaN", "null", "None", "true",
    "1e999", "-0", "0x1f", "00", "1_000", "\nAnnotator: ben@example.com +99", "\n  next: rm -rf ~", "labels: +1",
    ".dvc", ".git", "CON", "a" * 300,
)  # fmt: skip
SMALL = st.sampled_from(
    ["", "a", "walk", "run", "one", "two", "label", "ts", "csv", "time", "id", "0", "1", "x1"]
)
HALVES = st.characters()  # every code point there is, halves of surrogate pairs too
texts = st.lists(st.one_of(SMALL, st.sampled_from(PIECES), st.text(HALVES, max_size=4)), max_size=4).map(
    "".join
)
numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63) - 1, 10**400]),
    st.floats(),
    st.sampled_from([1e308, -1e308, 1e-320, -0.0, 0.1, 1e16]),
)
MOMENTS = (
    "2026-01-02T03:04:05.000001Z", "2026-01-02", "2026-01-02\ud80003:04:05", "2026-01-02\u202803:04",
    "20260102T030405", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-01T00:00:00Z",
    "yesterday", "2026-W01-1",
)  # fmt: skip
scalars = st.one_of(st.none(), st.booleans(), numbers, texts, st.sampled_from(MOMENTS))


def deep(levels: int) -> Any:
    """Lists and objects inside each other."""
    value: Any = "bottom"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


values = st.one_of(
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from([20, 99, 100, 101, 300]).map(deep),
)


@st.composite
def altered(draw: st.DrawFn, good: Any, most: int = 3) -> Any:
    """A good value with up to `most` places of it replaced, taken out, doubled or renamed."""
    value = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(0, most))):
        value = _alter(draw, value)
    return value


def _alter(draw: st.DrawFn, value: Any) -> Any:
    """The value with one place of it altered; which one is drawn on the way down."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(value)))
        what = draw(st.sampled_from(["inner", "inner", "inner", "out", "rename", "more"]))
        if what == "inner":
            value[name] = _alter(draw, value[name])
        elif what == "out":
            del value[name]
        elif what == "rename":
            value[draw(texts)] = value.pop(name)
        else:
            value[draw(texts)] = draw(values)
        return value
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        place = draw(st.integers(0, len(value) - 1))
        what = draw(st.sampled_from(["inner", "inner", "inner", "out", "double", "more"]))
        if what == "inner":
            value[place] = _alter(draw, value[place])
        elif what == "out":
            del value[place]
        elif what == "double":
            value.insert(place, value[place])
        else:
            value.insert(place, draw(values))
        return value
    if isinstance(value, str) and draw(st.booleans()):
        place = draw(st.integers(0, len(value)))
        return value[:place] + draw(texts) + value[place + draw(st.integers(0, 2)) :]
    return draw(values)


def dumped(value: Any) -> bytes:
    """JSON as some program may have written it: with NaN, without escapes where that is possible."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


BYTES = (
    b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\xbd", b"\r\n", b"\n", b'"', b"\\u0000", b"\\ud83d",
    b"[" * 2000, b'{"a":' * 2000, b"9" * 5000, b"1e99999", b"-", b"{}", b"[]", b"null", b",", b":", b"<<<<<<< HEAD\n",
    b"&a [*a]", b"!!python/object/apply:os.system ['id']", b"!!int x", b"2026-99-99",
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, good: bytes, most: int = 2) -> bytes:
    """Good bytes with up to `most` places of them cut out, doubled or written over."""
    data = good
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 3, 40])))
        piece = draw(
            st.one_of(
                st.just(b""), st.sampled_from(BYTES), st.binary(max_size=4), st.just(data[start:end] * 2)
            )
        )
        data = data[:start] + piece + data[end:]
    return data


def json_bytes(good: Any) -> st.SearchStrategy[bytes]:
    """JSON that is nearly the good value, that is any value, and bytes that are nearly JSON."""
    return st.one_of(
        altered(good).map(dumped), altered(good).map(dumped), values.map(dumped), damaged(dumped(good))
    )


@st.composite
def patched_text(draw: st.DrawFn, good: str, most: int = 3) -> str:
    """A good text with hostile pieces in up to `most` places of it."""
    text = good
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(texts) + text[start + draw(st.sampled_from([0, 0, 0, 1, 5, 30])) :]
    return text
