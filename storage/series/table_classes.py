"""A column of classes in a table of whole series: words, or numbers other than 0 and 1, one for each class.

It becomes a column of 0 and 1 for each class, `y_<class>`, as the form of storage/series/series_table.py has them;
a column of true and false one of 1 and 0.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from storage.errors import InputError
from storage.series.recording_cells import BOOLEANS, MISSING
from storage.series.table_forms import FORM
from storage.series.table_rows import NUMBER, named, rows_error
from storage.text import csv_text

# Where so few rows have another label than 0 and 1, and --task does not say multiclass, they are more likely wrong.
FEW = 0.1


@dataclass(frozen=True)
class Classes:
    """The table with a column for each class, and what was read."""

    raw: bytes
    labels: tuple[str, ...]
    note: str


def expand(
    raw: bytes,
    header: Sequence[str],
    where: str,
    lines: Sequence[int],
    known: Sequence[str] | None,
    multiclass: bool,
) -> Classes | None:
    """Read a single y column as classes; None where it is one of 0 and 1, or nothing that can be read so.

    Args:
        raw: the table, in UTF-8 with commas.
        header: its columns.
        where: what errors call it.
        lines: the line of each row; empty where rows begin in line 2.
        known: y columns of the training, where there was one.
        multiclass: whether `--task multiclass` was given.

    Raises:
        InputError: its values are no classes; or a class that the model was not trained on, with its rows.
    """
    place = next(n for n, name in enumerate(header) if name.startswith("y"))
    rows = _rows(raw)
    if rows is None or any(len(row) != len(header) for row in rows):
        return None
    cells = [_plain(row[place]) for row in rows]
    if not cells or any(cell.lower() in MISSING for cell in cells):
        return None
    if {cell.lower() for cell in cells} <= BOOLEANS.keys() and (known is None or len(known) == 1):
        written = [[BOOLEANS[cell.lower()]] for cell in cells]
        note = f"true is 1 in {header[place]!r}, false is 0"
        return _written(rows, header, place, [header[place]], written, note)
    if set(cells) <= {"0", "1"} and (known is None or len(known) == 1) and not multiclass:
        return None
    labels = _known(cells, known, where, lines) if known else _found(cells, multiclass)
    if labels == {}:
        raise _no_classes(header[place], where)
    if labels is None:
        return None
    names = {cell: name for name, cell in labels.items()}
    written = [[str(int(names[cell] == name)) for name in labels] for cell in cells]
    note = f"{len(labels)} classes in {header[place]!r}: {named(list(labels.values()))}"
    return _written(rows, header, place, list(labels), written, note)


def _known(
    cells: Sequence[str], known: Sequence[str], where: str, lines: Sequence[int]
) -> dict[str, str] | None:
    """Classes by the name of their column in the training."""
    labels = {name: name.removeprefix("y").removeprefix("_") for name in known}
    if len(known) < 2:
        return None
    wrong = [
        (lines[n] if lines else n + 2, [cell]) for n, cell in enumerate(cells) if cell not in labels.values()
    ]
    if wrong:
        raise rows_error(where, len(cells), {"class": wrong})
    return labels


def _found(cells: Sequence[str], multiclass: bool) -> dict[str, str] | None:
    """Classes by the name of a column for each: numbers by size, else words by the alphabet.

    None where a few rows stand against 0 and 1 in all others; empty where the values are no classes.
    """
    counts = Counter(cells)
    numbers = all(NUMBER.fullmatch(cell) for cell in counts)
    others = len(cells) - counts["0"] - counts["1"]
    if not multiclass and counts["0"] and counts["1"] and others <= FEW * len(cells):
        return None
    if numbers and any(not float(cell).is_integer() for cell in counts):
        return {}
    if len(counts) > max(2, len(cells) // 2):
        return {}
    order = sorted(counts, key=float) if numbers else sorted(counts)
    return {f"y_{cell}": cell for cell in order}


def _plain(cell: str) -> str:
    """A class as it is named: 1.0 and 1e0 are 1."""
    cell = cell.strip()
    if NUMBER.fullmatch(cell) and np.isfinite(number := float(cell)) and number == int(number):
        return str(int(number))
    return cell


def _rows(raw: bytes) -> list[list[str]] | None:
    try:
        return list(csv.reader(io.StringIO(raw.rstrip().decode("utf-8-sig"), newline="")))[1:]
    except csv.Error:
        return None


def _written(
    rows: Sequence[Sequence[str]],
    header: Sequence[str],
    place: int,
    names: Sequence[str],
    written: Sequence[Sequence[str]],
    note: str,
) -> Classes:
    pairs = zip([header, *rows], [names, *written], strict=True)
    raw = csv_text.dump_plain([*row[:place], *new, *row[place + 1 :]] for row, new in pairs)
    return Classes(raw, tuple(names), note)


def _no_classes(name: str, where: str) -> InputError:
    """A y column that holds neither 0 and 1 nor classes."""
    why = f"the values in {name!r} are no classes: words or whole numbers that several series have"
    return InputError(f"nothing in {where} says what the series are", where=f"{where}:1", why=why, cure=FORM)
