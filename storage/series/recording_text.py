"""The text of a recording: encoding, line ends and delimiter.

Read leniently, as people read a table: in UTF-8, UTF-16 and Windows-1252, with Unix, Windows and old Macintosh line
ends, with quotes and blanks around cells. What Label Studio's page makes of the same bytes is in
storage/label_studio/page_csv.py.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator

from storage.label_studio.page_csv import SPACE
from storage.printable import shortened
from storage.series.validation import Problem

# Delimiters, the likeliest first.
SEPARATORS = (",", ";", "\t", "|")
PIECE = 1 << 20  # bytes
SHOWN = 60  # characters of a cell or a line
# What Python or JavaScript takes for blank.
BLANK = SPACE + "\x1c\x1d\x1e\x1f\x85"
# Excel's line above the header.
SEP_LINE = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)
# Letters and signs of western Europe, as they stand in names of columns and units.
WESTERN = re.compile("[\x00-\x7f\xa0¡£§ª«°±²³µ·¹º»¼½¾¿À-ÖØ-öøùúûüý€‚„…Š‹ŒŽ‘’“”•–—™š›œžŸ]*")
# UTF-8, or text of another alphabet, that was decoded as Windows-1252.
GARBLED = re.compile("[ÂÃ][\x80-\xbf]|[À-ÿ]{3}|[\x80-\x9f]")


def encoding_of(raw: bytes) -> str | Problem:
    """The name of the encoding by which Python decodes the file; a problem where none is certain."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        name = "utf-32" if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) else "utf-16"
        return name if first_undecodable(raw, name) is None else _damaged(name.upper())
    if b"\0" in raw:
        even, odd = raw[0:2000:2], raw[1:2000:2]
        for name, zeros, signs in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
            if zeros.count(0) > 0.9 * len(zeros) and 0 not in signs and first_undecodable(raw, name) is None:
                return name
        row = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        return Problem(row, "the file holds a zero byte: it is not text", "save it as CSV in UTF-8")
    wrong = first_undecodable(raw, "utf-8")
    if wrong is None:
        return "utf-8-sig"
    row = raw.count(b"\n", 0, wrong) + 1
    problem = Problem(row, "the file is not UTF-8 text", "save it as CSV in UTF-8")
    return "windows-1252" if _is_western(raw) else problem


def _damaged(name: str) -> Problem:
    return Problem(None, f"the file begins as {name} text and is none to its end", "save it as CSV in UTF-8")


def first_undecodable(raw: bytes, encoding: str) -> int | None:
    """Position of the first byte that cannot be decoded; decoded piece by piece, to save memory."""
    decoder = codecs.getincrementaldecoder(encoding)()
    for start in range(0, len(raw), PIECE):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(raw[start : start + PIECE], final=start + PIECE >= len(raw))
        except UnicodeDecodeError as error:
            return start - pending + error.start
    return None


def _is_western(raw: bytes) -> bool:
    """Whether all that is not ASCII reads as words and units of western Europe, by Windows-1252."""
    for start in range(0, len(raw), PIECE):
        try:
            text = raw[start : start + PIECE].decode("windows-1252")
        except UnicodeDecodeError:
            return False
        if not WESTERN.fullmatch(text) or GARBLED.search(text):
            return False
    return True


def lines(raw: bytes, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines of a file with their number, from 1, without line ends and byte order mark."""
    with io.TextIOWrapper(io.BytesIO(raw), encoding, newline=None) as text:
        for number, line in enumerate(text, 1):
            yield number, (line.lstrip("\ufeff") if number == 1 else line).removesuffix("\n")


def split(line: str, sep: str | None) -> list[str]:
    """The cells of a line, without quotes and blanks around them; split at any run of blanks where `sep` is None.

    Raises:
        csv.Error: quotes do not pair up in this line, or a quoted cell is longer than Python reads.
    """
    if sep is None:
        return line.split()
    if '"' not in line:
        return [cell.strip(BLANK) for cell in line.split(sep)]
    reader = csv.reader([line], delimiter=sep, skipinitialspace=not sep.isspace(), strict=True)
    return [cell.strip(BLANK) for cell in next(reader)]


def quoted(text: str) -> str:
    """A piece of a file for an error: in quotes, on one line, not longer than a line."""
    return f"'{shortened(text.strip(), SHOWN)}'"


def read_header(raw: bytes) -> tuple[str, list[str]]:
    """The delimiter of a CSV file, and the names of its columns.

    Args:
        raw: the file, whole or its beginning, in UTF-8 (with a byte order mark or without), UTF-16 or Windows-1252.

    Returns:
        The separator, and the names without quotes and blanks; `0`, `1`, `2`, ... where the first line holds numbers
        alone, as Label Studio calls the columns of a file without a header.
    """
    found = [line for line in _first_lines(raw) if line.strip()][:3]
    if found and (sep_line := SEP_LINE.fullmatch(found[0])):
        return sep_line[1], _names(found[1] if len(found) > 1 else "", sep_line[1])
    sep = max(SEPARATORS, key=lambda mark: _columns(found, mark))
    return sep, _names(found[0] if found else "", sep)


def _first_lines(raw: bytes) -> Iterator[str]:
    raw = raw[:PIECE]
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = raw.decode("utf-16", errors="replace")
    else:
        try:
            text = codecs.getincrementaldecoder("utf-8-sig")().decode(raw)
        except UnicodeDecodeError:
            text = raw.decode("windows-1252", errors="replace")
    return io.StringIO(text, newline=None)


def _columns(found: list[str], sep: str) -> int:
    """How many columns there are by this separator; 1 where the first two lines differ."""
    counts = {len(_split_leniently(line, sep)) for line in found[:2]}
    return counts.pop() if len(counts) == 1 else 1


def _names(line: str, sep: str) -> list[str]:
    names = _split_leniently(line.rstrip("\n"), sep) if line else []
    return [str(number) for number in range(len(names))] if all(map(_is_number, names)) else names


def _split_leniently(line: str, sep: str) -> list[str]:
    """Cells of a line whose quotes may not pair up, for a guess of the delimiter."""
    try:
        return split(line.rstrip("\n"), sep)
    except csv.Error:
        return [cell.strip(' "') for cell in line.rstrip("\n").split(sep)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
