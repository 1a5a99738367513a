"""Label Studio's CSV parser: an exact port of `parseCSV` of its editor, version 1.23.2.

It is no usual CSV parser: it keeps quotes, detects a header from two lines, ignores the case of names, reads an empty
cell as 0, and appends cells to columns one by one, so that a missing cell shifts those that follow. Import compares
recordings with this parser; tests compare it with the page itself. Source: libs/editor/src/utils/data.js and
tags/object/TimeSeries.jsx.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

# Whitespace in JavaScript: String.trim and Number.
SPACE = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
NUMBER = re.compile(
    r"(?P<decimal>[+-]?(?:Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))"
    r"|0[xX](?P<hex>[\da-fA-F]+)|0[oO](?P<octal>[0-7]+)|0[bB](?P<binary>[01]+)",
    re.ASCII,
)
# The page does not escape the separator in a regular expression, where these are special.
SPECIAL = frozenset(r".*+?^$()[|\"")
GUESSED = re.compile(f"[,;{SPACE}]")


class PageError(Exception):
    """An error that Label Studio's page shows instead of a recording."""


def number(text: str) -> float:
    """JavaScript's `Number` of a text: NaN where it is none, 0 where it is blank."""
    text = text.strip(SPACE)
    if not text:
        return 0.0
    match = NUMBER.fullmatch(text)
    if match is None:
        return math.nan
    if match["decimal"]:
        return float(text)
    base = {"hex": 16, "octal": 8, "binary": 2}[str(match.lastgroup)]
    return float(int(str(match[str(match.lastgroup)]), base))


def is_nan(text: str | None) -> bool:
    """JavaScript's `isNaN` of a text; None: a missing one."""
    return text is None or math.isnan(number(text))


def guess_separator(lines: Sequence[str]) -> str:
    """The separator where the label config says `auto`: the one in the second line.

    Raises:
        PageError: there is none, or more than one.
    """
    separators = GUESSED.findall(lines[1].strip(SPACE)) if len(lines) > 1 else []
    if not separators:
        raise PageError("No separators found")
    if set(separators) != {separators[0]}:
        raise PageError(f"More than one possible separator found: {', '.join(sorted(set(separators)))}")
    if lines[0].count(separators[0]) != lines[1].count(separators[0]):
        raise PageError("Different amount of elements in rows.")
    return str(separators[0])


def split(line: str, separator: str) -> list[str]:
    """The cells of a line. Quotes stay; of two empty cells at the start one is lost."""
    mark = re.escape(separator)
    return re.findall(f'"(?:""|[^"])*"|[^"{mark}]+|(?={mark}(?:{mark}|$))|^(?={mark})', line.strip(SPACE))


class PageTable:
    """A CSV file as the page reads it.

    Attributes:
        names: of the columns, in lower case; `0`, `1`, `2`, ... where the page detects no header.
        has_header: whether the first line names the columns.

    Args:
        text: the file, decoded, without a byte order mark.
        separator: one character, or `auto`.

    Raises:
        PageError: the page shows an error.
    """

    def __init__(self, text: str, separator: str = ",") -> None:
        self._text = text
        ends = text.find("\n")
        first = text[: ends if ends >= 0 else None]
        second = text[ends + 1 : max(text.find("\n", ends + 1), 0) or None] if ends >= 0 else None
        if separator != "auto" and separator not in first:
            raise PageError(f'Cannot find provided separator "{separator}".')
        if separator == "auto":
            separator = guess_separator([first] if second is None else [first, second])
        if SPECIAL & set(separator):
            raise PageError(f"separator {separator} is a sign of regular expressions")
        self.separator = separator
        names, cells = split(first, separator), split(second or "", separator)
        if not names or not cells:
            raise PageError("Cannot read properties of null (reading '0')")
        pairs = ((name, cells[i] if i < len(cells) else None) for i, name in enumerate(names))
        self.has_header = not all(is_nan(name) == is_nan(cell) for name, cell in pairs)
        if self.has_header and len(names) != len(cells):
            raise PageError("Column names count differs from data columns count.")
        lower = [name.lower() for name in names]
        self.names = lower if self.has_header else [str(number) for number in range(len(names))]

    def rows(self) -> Iterator[list[str]]:
        """The cells of each line that is not blank, without the header; as many as the page finds in it."""
        start = self._text.find("\n") + 1 if self.has_header else 0
        while start <= len(self._text):
            end = self._text.find("\n", start)
            line = self._text[start : end if end >= 0 else None]
            if line.strip(SPACE):
                yield split(line, self.separator)
            if end < 0:
                return
            start = end + 1

    def columns(self) -> dict[str, list[float | str]]:
        """The columns; each cell is a number where it is one.

        Raises:
            PageError: a row has more cells than there are columns.
        """
        columns: dict[str, list[float | str]] = {name: [] for name in self.names}
        for cells in self.rows():
            if len(cells) > len(self.names):
                raise PageError("Cannot read properties of undefined (reading 'push')")
            for name, cell in zip(self.names, cells, strict=False):
                value = number(cell)
                columns[name].append(cell if math.isnan(value) else value)
        return columns

    def name_of(self, column: str) -> str:
        """The column name that the page looks up for a channel: digits are a position in the header."""
        if re.fullmatch(r"\d+", column, re.ASCII) and column == str(int(column[:9])):
            position = int(column)
            column = self.names[position] if position < len(self.names) and self.names[position] else column
        return column.lower()
