"""Invalid rows of a table of series by kind of error: all counted, the first few named."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence

from storage.errors import InputError
from storage.series.recording_cells import FLOAT32_MAX, MISSING

SHOWN = 5
# Kinds of errors of a row, and what to do about them.
KINDS = {
    "length": ("not as many cells as line 1", "cut or fill up all series to one length"),
    "missing": ("a missing value", "fill missing values in, or take those rows out"),
    "number": ("a cell that is no number", "write numbers, with a point for decimals"),
    "infinite": ("a number that is infinite in float32", "write finite numbers"),
    "label": (
        "a label that is neither 0 nor 1",
        "write 1 where a series has the label, else 0; --task multiclass where the numbers are classes",
    ),
    "class": ("a class that the training had not", "take those rows out, or train with such series too"),
    "one-hot": (
        "not one 1 in the y columns",
        "one 1 in each row, or --task multilabel where several may hold",
    ),
    "multiclass": ("not one 1 in the y columns", "one 1 in each row, for the task is multiclass"),
}
# Narrower than Python, to which 1_000 and digits of other scripts are numbers too.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# Line of the file, and columns or what else says where in it.
Row = tuple[int, Sequence[str]]


def named(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def rows_error(where: str, rows: int, wrong: Mapping[str, Sequence[Row]]) -> InputError:
    """The error that names them.

    Args:
        where: the file.
        rows: how many it has.
        wrong: rows by kind of error, each as the line and its columns.
    """
    lines = {line for found in wrong.values() for line, _ in found}
    what = [f"{len(lines)} of the {rows} rows of {where} cannot be taken:"]
    for kind, found in wrong.items():
        shown = "; ".join(f"line {line} ({named(columns)})" for line, columns in found[:SHOWN])
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        what.append(f"{len(found)} with {KINDS[kind][0]}: {shown}{more}")
    cure = "; ".join(KINDS[kind][1] for kind in wrong)
    return InputError(what, where=f"{where}:{min(lines)}", why="nothing was written", cure=cure)


def bad_cells(raw: bytes, header: Sequence[str], where: str, lines: Sequence[int] = ()) -> InputError:
    """Go through the cells one by one, and name those that are no numbers.

    Args:
        raw: the table.
        header: its columns.
        where: what errors call the file.
        lines: the line of each row in it; empty where rows begin in line 2.
    """
    wrong: dict[str, list[Row]] = {}
    rows, why = 0, ""
    reader = csv.reader(io.StringIO(raw.rstrip().decode("utf-8-sig"), newline=""))
    next(reader)
    line = reader.line_num + 1
    try:
        for cells in reader:  # a blank line is a row of no cells, unless nothing follows
            rows += 1
            line = lines[rows - 1] if lines else line
            for kind, columns in _row_errors(header, cells).items():
                wrong.setdefault(kind, []).append((line, columns))
            line = reader.line_num + 1  # a quote that is never closed makes one row of many lines
    except csv.Error as error:
        why = f"line {line}: {error}"
    if why or not wrong:
        cure = "write it again, without quotes and comments"
        return InputError(f"{where} cannot be read as a table of numbers", where=where, why=why, cure=cure)
    return rows_error(where, rows, {kind: wrong[kind] for kind in KINDS if kind in wrong})


def _row_errors(header: Sequence[str], cells: Sequence[str]) -> dict[str, list[str]]:
    """Columns of one row by kind of error."""
    if len(cells) != len(header):
        return {"length": [f"{len(cells)} cells, not {len(header)}"]}
    found: dict[str, list[str]] = {}
    for name, cell in zip(header, cells, strict=True):
        kind = _cell_error(name, cell.strip(" \t"))
        if kind:
            found.setdefault(kind, []).append(name)
    return found


def _cell_error(name: str, cell: str) -> str:
    if cell.lower() in MISSING:
        return "missing"
    if cell.lower().lstrip("+-") in ("inf", "infinity"):
        return "infinite"
    if not NUMBER.fullmatch(cell):
        return "number"
    # float32 is what models are fed: beyond it, a number is infinite as well.
    if abs(float(cell)) > FLOAT32_MAX:
        return "infinite"
    return "label" if name.startswith("y") and float(cell) not in (0, 1) else ""
