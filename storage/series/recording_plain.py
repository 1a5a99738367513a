"""Plain recordings: files that Label Studio's page and pandas' C parser read alike, as nearly all are.

Checks of the bytes recognize them: cells as many in each line as in the header, no quotes around numbers,
no line that begins with two empty cells, names that differ in more than their case. What the page does with the rest
is in storage/label_studio/page_csv.py.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from storage.label_studio.label_config import LabelConfig
from storage.label_studio.page_csv import SPACE, PageError, guess_separator, is_nan, split
from storage.series import timestamps as stamps
from storage.series.recording import Series, Times
from storage.series.recording_cells import MISSING, kind_of
from storage.series.recording_layout import duplicate_columns, is_column_number, required_columns, resolve
from storage.series.recording_text import first_undecodable
from storage.series.recording_times import first_misread_time

# Rows that are read at once.
CHUNK = 1 << 18
PIECE = 1 << 20  # bytes
NA_VALUES = [spell(word) for word in sorted(MISSING) for spell in (str, str.upper, str.title)] + [
    "NaN",
    "-NaN",
]
BLANK = b"(?:" + b"|".join(re.escape(sign.encode()) for sign in SPACE if sign not in "\n\r") + b")"
BLANK_AT_ENDS = re.compile(rb"\n%b+[^\s]|(?<!\n)%b\r?(?:\n|\Z)" % (BLANK, BLANK))
QUOTED = re.compile(rb'"(?:""|[^"\n])*"')
QUOTED_CELL = b"\x01"  # stands for a quoted cell


@dataclass(frozen=True)
class Plain:
    """A file that was read.

    Attributes:
        series: its numbers.
        names: of its columns; of a file without a header `0`, `1`, ...
        has_header: whether the first line holds them.
        words: whether missing values are words, like NaN: the page ends the line of the channel there.
    """

    series: Series
    names: list[str]
    has_header: bool
    words: bool


@dataclass(frozen=True)
class _Table:
    """A table whose quoted cells are masked, and the positions of its columns."""

    raw: bytes
    sep: str
    names: list[str]
    has_header: bool
    places: dict[str, int]


def read(raw: bytes, config: LabelConfig) -> Plain | None:
    """Read a plain recording; None for any other, and where a cell is not what it should be."""
    table = _table(raw, config)
    if table is None:
        return None
    # Words for missing values, like NaN, are looked for only where parsing fails without: they are rare.
    for words in (False, True):
        series = _parse(table, config, NA_VALUES if words else [""])
        if series is not None:
            return (
                Plain(series, table.names, table.has_header, words)
                if _has_equal_rows(table, config, series)
                else None
            )
    return None


def _table(raw: bytes, config: LabelConfig) -> _Table | None:
    """Look at the first two lines, and at bytes that no plain file has."""
    if b"\0" in raw or (b"\r" in raw and raw.count(b"\r") != raw.count(b"\r\n")):
        return None
    if not raw.isascii() and first_undecodable(raw, "utf-8") is not None:
        return None
    start = len(codecs.BOM_UTF8) if raw.startswith(codecs.BOM_UTF8) else 0
    ends = raw.find(b"\n", start)
    below = raw.find(b"\n", ends + 1)
    first = raw[start : ends if ends >= 0 else None].decode()
    second = raw[ends + 1 : below if below >= 0 else None].decode() if ends >= 0 else ""
    try:
        sep = guess_separator([first, second]) if config.sep == "auto" else config.sep
    except PageError:
        return None
    names, cells = split(first, sep), split(second, sep)
    has_header = not all(is_nan(name) == is_nan(cell) for name, cell in zip(names, cells, strict=False))
    numbers = [str(number) for number in range(len(names))]
    if len(names) != len(cells) or sep not in first or names == numbers or raw.startswith(b"{", start):
        return None
    if has_header and not any(kind_of(name) in ("text", "boolean") for name in names):
        return None  # a row with a word for a missing value, more likely than names
    names = names if has_header else numbers
    places = _places(names, config)
    if places is None or (b'"' in raw and (masked := _mask_quoted_cells(raw, sep)) is None):
        return None
    return _Table(masked if b'"' in raw and masked else raw, sep, names, has_header, places)


def _places(names: list[str], config: LabelConfig) -> dict[str, int] | None:
    """Where the columns are, if the page finds them there too."""
    lower = [name.lower() for name in names]
    places = resolve(names, config)
    if not isinstance(places, dict) or len(set(lower)) < len(lower) or duplicate_columns(names, config):
        return None
    if any(name != name.strip() for name in names) or not lower:
        return None
    # To the page a channel that is a number is a place, where there is one.
    moved = any(
        is_column_number(name) and int(name) < len(names) and places[name] != int(name)
        for name in config.channels
    )
    return None if moved else places


def _mask_quoted_cells(raw: bytes, sep: str) -> bytes | None:
    """The file with one sign for each quoted cell; None where a quote stands anywhere else."""
    if QUOTED_CELL in raw:
        return None
    masked = QUOTED.sub(QUOTED_CELL, raw)
    mark = re.escape(sep.encode())
    alone = re.compile(rb"(?:\A|(?<=[\n%b]))%b(?=[\r\n%b]|\Z)" % (mark, QUOTED_CELL, mark))
    body = masked.removeprefix(codecs.BOM_UTF8)
    whole = b'"' not in masked and len(alone.findall(body)) == body.count(QUOTED_CELL)
    return masked if whole else None


def count_byte(raw: bytes, byte: bytes) -> int:
    """How often a byte occurs; several times faster than `bytes.count` where it occurs often."""
    whole = np.frombuffer(raw, np.uint8)
    parts = (whole[start : start + PIECE] for start in range(0, len(whole), PIECE))
    return sum(int(np.count_nonzero(part == byte[0])) for part in parts)


def _parse(table: _Table, config: LabelConfig, missing: list[str]) -> Series | None:
    """The numbers, or None where a cell is not what it should be, or the page takes a time for another.

    Row by row into arrays of their final size, so that a long recording is not in memory twice.
    """
    most = count_byte(table.raw, b"\n") + 1
    values = np.empty((most, len(config.channels)), np.float32)
    stamped = config.time_column and config.time_format
    times: Times = np.empty(most, np.int64) if stamped else np.empty(most, np.float64)
    rows, zones = 0, set()
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        # A row with more cells than the header is a warning in pandas, and a refusal here.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            for frame in _frames(table, config, missing):
                part = slice(rows, rows + len(frame))
                for i, name in enumerate(config.channels):
                    values[part, i] = frame[table.places[name]].to_numpy(np.float32)
                if config.time_column is None:
                    times[part] = np.arange(part.start, part.stop)
                elif config.time_format is None:
                    times[part] = frame[table.places[config.time_column]].to_numpy(np.float64)
                else:
                    texts = frame[table.places[config.time_column]].fillna("").tolist()
                    times[part] = stamps.parse(texts, config.time_format)
                    zones |= set(stamps.zones(texts)) if "%z" in config.time_format.lower() else set()
                    if (
                        len(texts)
                        and first_misread_time(texts, np.asarray(times[part], np.int64), config.time_format)
                        is not None
                    ):
                        return None
                rows = part.stop
        except (ValueError, OverflowError, pd.errors.ParserWarning, csv.Error):
            return None
    good = rows and len(zones) < 2 and np.isfinite(times[:rows]).all() and not np.isinf(values[:rows]).any()
    return Series(values[:rows], times[:rows]) if good else None


def _frames(table: _Table, config: LabelConfig, missing: list[str]) -> Iterator[pd.DataFrame]:
    """The table, some rows at a time; columns are called by their number."""
    types: dict[int, str] = {table.places[name]: "float32" for name in config.channels}
    if config.time_column:
        types[table.places[config.time_column]] = "str" if config.time_format else "float64"
    file = io.BytesIO(table.raw)
    file.seek(len(codecs.BOM_UTF8) if table.raw.startswith(codecs.BOM_UTF8) else 0)
    yield from pd.read_csv(
        file,
        sep=table.sep,
        header=0 if table.has_header else None,  # skiprows would be slower by a third
        names=list(range(len(table.names))),
        dtype=types,
        index_col=False,
        chunksize=CHUNK,
        keep_default_na=False,
        na_values=missing,
        quoting=csv.QUOTE_NONE,
    )


def _has_equal_rows(table: _Table, config: LabelConfig, series: Series) -> bool:
    """Whether each line has as many cells as the header, and the page finds all of them.

    The first two lines have, and pandas takes no later row that has more: so the sum says it for all.
    """
    sep, raw = table.sep.encode(), table.raw
    rows = len(series.values) + table.has_header
    found = count_byte(raw, sep) if len(sep) == 1 else raw.count(sep)
    if found != rows * (len(table.names) - 1):
        return False
    if _has_booleans(raw, np.append(series.values[0], series.times[0]), sep, table.has_header):
        return False
    if table.sep in SPACE:
        return not _has_whitespace_at_ends(raw)
    first = next((name for name in required_columns(config) if table.places[name] == 0), None)
    if first is not None and (
        first == config.time_column or not np.isnan(_channel(series, config, first)).any()
    ):
        return True
    return re.search(rb"\n%b*" % BLANK + re.escape(sep + sep), raw) is None


def _has_whitespace_at_ends(raw: bytes) -> bool:
    """Whether a line begins or ends with blanks, which the page strips: as delimiters they would matter."""
    blanks = b" \t\v\f"
    ends = [part for n in blanks for part in (b"\n%c" % n, b"%c\n" % n, b"%c\r\n" % n)]
    if raw[-1:] in blanks or any(end in raw for end in ends):
        return True
    return not raw.isascii() and BLANK_AT_ENDS.search(raw) is not None


def _channel(series: Series, config: LabelConfig, name: str) -> NDArray[np.float32]:
    values: NDArray[np.float32] = series.values[:, config.channels.index(name)]
    return values


def _has_booleans(raw: bytes, first: NDArray[np.float64], sep: bytes, has_header: bool) -> bool:
    """Whether a column holds True and False, which pandas takes for 1 and 0, and the page for words."""
    if not ((first == 0) | (first == 1) | np.isnan(first)).any():
        return False
    start = raw.find(b"\n") if has_header else 0
    # One letter of each, which no number has: bytes look for one many times faster than for two.
    if all(raw.find(letter, start) < 0 for letter in (b"u", b"U", b"s", b"S")):
        return False
    mark = re.escape(sep)
    cell = re.compile(rb"[\n%b](?i:true|false)(?=[\r\n%b]|$)" % (mark, mark))
    return cell.search(raw, start) is not None


def line_of(raw: bytes, has_header: bool) -> Callable[[int], int]:
    """The line of a plain file on which a timepoint is written, from 1."""

    def line(timepoint: int) -> int:
        lines = (n for n, text in enumerate(io.BytesIO(raw), 1) if text.strip())
        return next(n for place, n in enumerate(lines) if place == timepoint + has_header)

    return line
