"""The text of a recording: how its bytes are encoded, and what parts its columns."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator

# What parts columns, the likeliest first.
SEPARATORS = (",", ";", "\t", "|")


def header_of(raw: bytes) -> tuple[str, list[str]]:
    """What parts the columns of a CSV file, and what they are called.

    Args:
        raw: the file, whole or its beginning, in UTF-8 (with a byte order mark or without), UTF-16 or Windows-1252.

    Returns:
        The separator, and the names without quotes and blanks; `0`, `1`, `2`, ... where the first line holds numbers
        alone, as Label Studio calls the columns of a file without a header.
    """
    lines = [line for line in _first_lines(raw) if line.strip()][:3]
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip("\r\n")) == 5:
        return lines[0][4], _names(lines[1] if len(lines) > 1 else "", lines[0][4])
    sep = max(SEPARATORS, key=lambda mark: _columns(lines, mark))
    return sep, _names(lines[0] if lines else "", sep)


def _first_lines(raw: bytes) -> Iterator[str]:
    raw = raw[: 1 << 20]
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = raw.decode("utf-16", errors="replace")
    else:
        try:
            text = codecs.getincrementaldecoder("utf-8-sig")().decode(raw)
        except UnicodeDecodeError:
            text = raw.decode("windows-1252", errors="replace")
    return io.StringIO(text, newline=None)


def _columns(lines: list[str], sep: str) -> int:
    """How many columns there are by this separator; 1 where the first two lines differ."""
    counts = {len(_cells(line, sep)) for line in lines[:2]}
    return counts.pop() if len(counts) == 1 else 1


def _names(line: str, sep: str) -> list[str]:
    names = _cells(line, sep)
    return [str(number) for number in range(len(names))] if all(map(_is_number, names)) else names


def _cells(line: str, sep: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=sep, skipinitialspace=True), [])]
    except csv.Error:
        return [cell.strip() for cell in line.split(sep)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
