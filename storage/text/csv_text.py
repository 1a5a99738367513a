"""Tables for people: CSV in which no text is run as a formula, and which is read back as it was.

Excel, LibreOffice and Google Sheets run a cell that begins with =, +, -, @, a tab or a line end (OWASP, CSV
Injection). A label, a series key or a person may begin so. Such a text is written behind an apostrophe, and read
without it; numbers are written as they are. A text that has an apostrophe there gets a second one: nothing is lost.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from storage.text.json_text import LONE_SURROGATE, REPLACEMENT

# The wide forms are taken for the same where Japanese or Chinese is set.
FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
QUOTED = re.compile('[,"\r\n]')


class NoRowError(ValueError):
    """What is no row of a table.

    Args:
        line: its last one, from 1.
        why: what is wrong.
    """

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line, self.why = line, why


def dump(rows: Iterable[Sequence[Any]]) -> bytes:
    """The rows in UTF-8, each ended by a line feed; None is an empty cell, half a character is U+FFFD."""
    return LONE_SURROGATE.sub(REPLACEMENT, "".join(line(row) for row in rows)).encode()


def dump_plain(rows: Iterable[Sequence[Any]]) -> bytes:
    """The rows for programs: formulas stand as they are; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def line(row: Sequence[Any]) -> str:
    """One row with its line feed."""
    cells = [_written(cell) for cell in row]
    return (",".join(cells) if cells != [""] else '""') + "\n"


def parse(text: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of their last line, from 1; blank lines are left out.

    Raises:
        NoRowError: a row is none.
    """
    text = text.removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, [_read(cell) for cell in row]
    except csv.Error as error:
        raise NoRowError(reader.line_num, str(error)) from error


def _written(cell: Any) -> str:
    if cell is None:
        return ""
    text = str(cell)
    if isinstance(cell, str) and FORMULA.match(text) and not NUMBER.fullmatch(text):
        text = f"'{text}"
    if QUOTED.search(text):
        text = '"' + text.replace('"', '""') + '"'
    return text


def _read(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell
