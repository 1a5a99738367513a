"""Whole series in one CSV: a row a series, `y*` columns for what it is, `x*` columns for its values.

Columns go by the number at the end of their name, wherever they stand: `x_10` after `x_9`. A good file goes through
pandas' C parser; only where that, or a look at the numbers, finds something off are the rows gone through again
(storage/series/table_rows.py), to name them. Other forms of this field are brought into this one first
(table_forms.py, table_classes.py). Rows are lines of the file, the header is line 1. Layout: docs/series-table.md.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from storage.errors import InputError
from storage.files import write_bytes
from storage.series import table_classes, table_forms
from storage.series.table_forms import FORM
from storage.series.table_rows import NUMBER, bad_cells, named, rows_error
from storage.text import csv_text

Task = Literal["binary", "multiclass", "multilabel"]

# Characters of a table of numbers; to pandas a column of nothing but True and False is one of numbers too.
NUMBER_CHARACTERS = b'0123456789eE+-.," \t\r\n'
BLANK_LINE = re.compile(rb"\n[ \t]*[\r\n]|\r[ \t]*\r")
# Where so few rows are not one-hot, and no task was given, they are more likely wrong than multilabel.
FEW = 0.1


@dataclass(frozen=True)
class SeriesTable:
    """Series of one length, and what they are.

    Attributes:
        labels: names of the y columns, by number; as they stand where not all have a number of their own.
        columns: names of the x columns, by number.
        values: float32 (series, timepoints), finite.
        targets: (series, labels), True where the series is that; None where there is no y column.
        task: binary (one y column), multiclass (one label a series) or multilabel; None without y columns.
        lines: the line of the file of each row; empty where rows begin in line 2.
        notes: how the file was read where it is not of the one form.
    """

    labels: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float32]
    targets: NDArray[np.bool_] | None
    task: Task | None
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def line(self, row: int) -> int:
        """The line of the file on which a row is written, from 1."""
        return self.lines[row] if self.lines else row + 2

    def counts(self) -> dict[str, int]:
        """How many series have each label."""
        if self.targets is None:
            return {}
        return dict(zip(self.labels, self.targets.sum(0).tolist(), strict=True))


def read(
    path: Path,
    *,
    task: Task | None = None,
    labels: tuple[str, ...] | None = None,
    columns: tuple[str, ...] | None = None,
    labeled: bool = True,
) -> SeriesTable:
    """Read a file; arguments as of `parse`.

    Raises:
        InputError: it is not there, or `parse` refuses it.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        known = {FileNotFoundError: "there is no such file", IsADirectoryError: "it is a folder"}
        why = known.get(type(error), str(error.strerror))
        cure = "name a CSV file with y* and x* columns"
        raise InputError(f"{path} cannot be read", where=str(path), why=why, cure=cure) from error
    return parse(raw, str(path), task=task, labels=labels, columns=columns, labeled=labeled)


def parse(
    raw: bytes,
    where: str,
    *,
    task: Task | None = None,
    labels: tuple[str, ...] | None = None,
    columns: tuple[str, ...] | None = None,
    labeled: bool = True,
) -> SeriesTable:
    """The table in the bytes of a CSV file.

    Args:
        raw: UTF-8.
        where: what errors call it.
        task: of the model; None: as the y columns have it.
        labels, columns: names that the y and x columns must have, in the order in which they are wanted; None: any.
        labeled: y columns must be there; otherwise they may.

    Raises:
        InputError: it is no such table; names columns and rows, the first few and how many in all.
    """
    raw, header, lines, notes = _in_form(raw, where, columns if not labeled or labels else None)
    if sum(name.startswith("y") for name in header) == 1 and not _is_plain(raw, header, labels, task):
        found_classes = table_classes.expand(raw, header, where, lines, labels, task == "multiclass")
        if found_classes is not None:
            raw, notes = found_classes.raw, (*notes, found_classes.note)
            header = _header(raw, where)
    xs = _match(_x_columns(header, where), columns, "x", where)
    found = [name for name in header if name.startswith("y")]
    if not found and labeled:
        what, why = f"{where} has no y columns", "no model can be trained on it"
        raise InputError(what, where=f"{where}:1", why=why, cure=FORM)
    ys = _match(_by_number(found) or tuple(found), labels, "y", where) if found else ()
    numbers = _numbers(raw, header, where, lines)
    place = {name: number for number, name in enumerate(header)}
    values = np.ascontiguousarray(numbers[:, [place[name] for name in xs]])
    if not ys:
        return SeriesTable((), xs, values, None, None, lines, notes)
    targets = numbers[:, [place[name] for name in ys]] == 1
    return SeriesTable(ys, xs, values, targets, _task(targets, ys, task, where, lines), lines, notes)


def check_several_classes(table: SeriesTable, where: str) -> None:
    """A model trained on one class would predict that class for everything.

    Raises:
        InputError: all rows have the same labels.
    """
    if table.targets is None or len(np.unique(table.targets, axis=0)) > 1:
        return
    true = [name for name, has in zip(table.labels, table.targets[0], strict=True) if has]
    only = f"{named(true)} is 1" if true else f"{named(table.labels)} is 0"
    what = f"{where} has one class only: {only} in all of its {len(table.values)} rows"
    why = "there is nothing to tell apart"
    raise InputError(what, where=where, why=why, cure="add series of another class")


def predictions(
    labels: Sequence[str], decided: NDArray[np.bool_], probabilities: NDArray[np.float32]
) -> bytes:
    """Predictions as CSV: `y*` as 0 or 1, then `p*`, a row a series in the order in which they came.

    A probability is written with the fewest digits that read back as the same float32: equal bits, equal text.
    """
    columns = (*labels, *("p" + label.removeprefix("y") for label in labels))
    decisions = decided.astype(np.uint8).astype(str)
    scores = probabilities.astype(np.float32).astype(str)
    rows = np.concatenate([decisions, scores], axis=1).tolist()
    return csv_text.dump_plain([columns, *rows])


def write_predictions(
    path: Path, labels: Sequence[str], decided: NDArray[np.bool_], probabilities: NDArray[np.float32]
) -> None:
    """Put `predictions` at `path`."""
    write_bytes(path, predictions(labels, decided, probabilities))


def _in_form(
    raw: bytes, where: str, columns: Sequence[str] | None
) -> tuple[bytes, list[str], tuple[int, ...], tuple[str, ...]]:
    """The table in the one form: its bytes, its columns, the lines of its rows, and how it was read."""
    if not raw.removeprefix(codecs.BOM_UTF8).strip():
        cure = "save it as CSV in UTF-8, with the names of the columns in line 1"
        raise InputError(f"{where} is empty", where=where, cure=cure)
    try:
        return raw, _header(raw, where), (), ()
    except InputError as error:
        if error.what.startswith("line 1 of"):
            raise
    form = table_forms.read(raw, where, len(columns) if columns else 0)
    return form.raw, _header(form.raw, where), form.lines, form.notes


def _is_plain(raw: bytes, header: Sequence[str], labels: tuple[str, ...] | None, task: Task | None) -> bool:
    """Whether the one y column is the one that is wanted, of 0 and 1."""
    place = next(n for n, name in enumerate(header) if name.startswith("y"))
    numbers = None if _needs_row_checks(raw.rstrip()) else _parsed(raw)
    wanted = task != "multiclass" and labels in (None, (header[place],))
    return wanted and numbers is not None and bool(np.isin(numbers[:, place], (0, 1)).all())


def _header(raw: bytes, where: str) -> list[str]:
    """Names of the columns: all of them x* or y*, without duplicates."""
    cure = "save it as CSV in UTF-8, with the names of the columns in line 1"
    try:
        text = io.StringIO(raw.decode("utf-8-sig"), newline="")
        header = [name.strip() for name in next(csv.reader(text))]
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{where} is not UTF-8 text", where=f"{where}:{line}", cure=cure) from error
    except csv.Error as error:
        raise InputError(f"{where} is no CSV", where=f"{where}:1", why=str(error), cure=cure) from error
    if not header:
        raise InputError(f"line 1 of {where} is blank", where=f"{where}:1", cure=cure)
    if len(header) < 2 and (sep := next((s for s in ";\t|" if s in "".join(header)), None)):
        what, why = f"{where} has one column", f"its cells are separated by {sep!r}"
        raise InputError(what, where=f"{where}:1", why=why, cure="separate them by commas")
    others = [
        name or f"(column {i} has no name)"
        for i, name in enumerate(header, 1)
        if name[:1] not in "xy" or not name
    ]
    if others:
        numbers = all(NUMBER.fullmatch(name) for name in header)
        why = "line 1 holds no names" if numbers else "a column is y* or x*, in small letters"
        cure = "take them out, or name them so; line 1 names the columns"
        what = f"{where} has columns of another kind: {named(others)}"
        raise InputError(what, where=f"{where}:1", why=why, cure=cure)
    duplicates = [name for name, count in Counter(header).items() if count > 1]
    if duplicates:
        what = f"{where} has duplicate columns: {named(duplicates)}"
        raise InputError(what, where=f"{where}:1", cure="keep one of each")
    return header


def _x_columns(header: Sequence[str], where: str) -> tuple[str, ...]:
    found = [name for name in header if name.startswith("x")]
    if not found:
        cure = "an x column for each timepoint: x_1, x_2, ..."
        what = f"{where} has no x columns"
        raise InputError(what, where=f"{where}:1", why="there are no values", cure=cure)
    ordered = _by_number(found)
    if ordered or len(found) == 1:
        return ordered or tuple(found)
    bare = [name for name in found if _number(name) is None]
    taken = Counter(_number(name) for name in found)
    same = [name for name in found if taken[_number(name)] > 1]
    why = f"no number in {named(bare)}" if bare else f"the same number in {named(same)}"
    cure = "number them by timepoint, one channel to a file: x_1, x_2, ..."
    raise InputError(f"the x columns of {where} have no order", where=f"{where}:1", why=why, cure=cure)


def _by_number(names: Sequence[str]) -> tuple[str, ...]:
    """Names by the number at their end; () where one has none, or two have the same."""
    numbers = {number: name for name in names if (number := _number(name)) is not None}
    return tuple(numbers[number] for number in sorted(numbers)) if len(numbers) == len(names) else ()


def _number(name: str) -> int | None:
    found = re.search(r"[0-9]{1,4000}$", name)
    return int(found[0]) if found else None


def _match(found: tuple[str, ...], wanted: tuple[str, ...] | None, kind: str, where: str) -> tuple[str, ...]:
    """The names in the order in which they are wanted."""
    if wanted is None or set(found) == set(wanted):
        return found if wanted is None else wanted
    if kind == "x" and _are_consecutive(found) and _are_consecutive(wanted) and len(found) == len(wanted):
        return found  # x0 to x39 for x_1 to x_40
    missing, extra = ([n for n in a if n not in set(b)] for a, b in ((wanted, found), (found, wanted)))
    parts = [f"{word} {named(names)}" for word, names in (("without", missing), ("with", extra)) if names]
    what = f"the {kind} columns of {where} are not those of the training: {', '.join(parts)}"
    why = f"there are {len(found)}; the training had {len(wanted)}, {wanted[0]} to {wanted[-1]}"
    cure = f"give the file the columns of the training, or train on files like {where}"
    raise InputError(what, where=f"{where}:1", why=why, cure=cure)


def _are_consecutive(names: Sequence[str]) -> bool:
    """Whether column names are the numbers of the timepoints, all from the first on."""
    numbers = [
        int(match[1]) if (match := re.fullmatch(r"x[_.]?([0-9]{1,9})", name)) else -1 for name in names
    ]
    return numbers in (list(range(len(names))), list(range(1, len(names) + 1)))


def _numbers(raw: bytes, header: Sequence[str], where: str, lines: Sequence[int] = ()) -> NDArray[np.float32]:
    """All cells, (rows, columns): finite, and 0 or 1 in the y columns."""
    numbers = None if _needs_row_checks(raw.rstrip()) else _parsed(raw)
    if numbers is not None and not len(numbers):
        raise InputError(f"{where} has a header and no rows", where=where, cure="a row for each series")
    labels = [place for place, name in enumerate(header) if name.startswith("y")]
    if (
        numbers is None
        or raw.count(b",") != (len(header) - 1) * (len(numbers) + 1) + "".join(header).count(",")
        or not np.isfinite(numbers).all()
        or not np.isin(numbers[:, labels], (0, 1)).all()
    ):
        raise bad_cells(raw, header, where, lines)
    return numbers


def _needs_row_checks(body: bytes) -> bool:
    """Whether it may hold something that pandas ignores: blank lines, words."""
    line = re.search(rb"[\r\n]", body)
    rows = body[line.end() :] if line else b""
    return bool(BLANK_LINE.search(body) or rows.translate(None, NUMBER_CHARACTERS))


def _parsed(raw: bytes) -> NDArray[np.float32] | None:
    """The numbers as pandas reads them; None where it does not. It passes over cells without a column if it can."""
    table = io.BytesIO(raw.removeprefix(codecs.BOM_UTF8))
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        # A row with more cells than the header is a warning in pandas, and a refusal here.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(table, dtype=np.float32, index_col=False).to_numpy(np.float32)
        except (ValueError, OverflowError, pd.errors.ParserWarning):
            return None


def _task(
    targets: NDArray[np.bool_], labels: tuple[str, ...], task: Task | None, where: str, lines: Sequence[int]
) -> Task:
    """The task, checked against the rows."""
    many = targets.shape[1] > 1
    if (task == "binary" and many) or (task == "multiclass" and not many):
        what = f"{where} has {targets.shape[1]} y column{'s' if many else ''}, so its task is not {task}"
        why = "binary is one column of 0 and 1, multiclass one column for each class"
        cure = f"--task {'multiclass' if many else 'binary'}"
        raise InputError(what, where=f"{where}:1", why=why, cure=cure)
    if not many:
        return task or "binary"
    wrong = np.flatnonzero(targets.sum(1) != 1)
    if not len(wrong):
        return task or "multiclass"
    if task == "multiclass" or (task is None and len(wrong) <= FEW * len(targets)):
        rows = [
            (lines[row] if lines else row + 2, [labels[k] for k in np.flatnonzero(targets[row])] or ["no 1"])
            for row in wrong.tolist()
        ]
        raise rows_error(where, len(targets), {"multiclass" if task else "one-hot": rows})
    return "multilabel"


def counts_text(counts: Mapping[str, int]) -> str:
    """How many series have each label, in one line."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())
