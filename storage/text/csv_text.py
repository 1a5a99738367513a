"""CSV tables in which formulas are escaped, and which round-trip.

Excel, LibreOffice and Google Sheets run a cell that begins with =, +, -, @, a tab or a line end as a formula (OWASP,
CSV Injection). Such a text, as a label or series key may be, is written with a leading apostrophe, which is removed
when it is read; a text with an apostrophe before a formula gets a second one. Numbers are not escaped.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from storage.text.json_text import LONE_SURROGATE, REPLACEMENT

# Spreadsheets set to Japanese or Chinese accept the full-width forms too.
FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
QUOTED = re.compile('[,"\r\n]')


class NoRowError(ValueError):
    """A row of a table is invalid.

    Args:
        line: its last line, from 1.
        why: the reason.
    """

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line, self.why = line, why


def dump(rows: Iterable[Sequence[Any]]) -> bytes:
    """The rows in UTF-8, with line feeds; None is an empty cell, a lone surrogate U+FFFD."""
    return LONE_SURROGATE.sub(REPLACEMENT, "".join(line(row) for row in rows)).encode()


def dump_plain(rows: Iterable[Sequence[Any]]) -> bytes:
    """The rows without escaped formulas, for programs; None is an empty cell."""
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
        NoRowError: a row is invalid.
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
