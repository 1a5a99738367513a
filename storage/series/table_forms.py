"""Converts tables of whole series in other common formats to that of storage/series/series_table.py.

UCR's text files (no header, the class first, tabs or blanks), ARFF of Weka, `.ts` of sktime and aeon, semicolons with
decimal commas, a column of classes among columns of numbers. Each is read where it is certain what is what; else one
sentence says the form that is wanted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from storage.errors import InputError
from storage.series import recording_text
from storage.series.recording_cells import MISSING, kind_of
from storage.series.validation import Problem
from storage.text import csv_text

# The wanted form, in one line.
FORM = (
    'write it as "label,x_1,x_2,x_3" in line 1 and "walk,0.5,0.7,0.6" below: a row a series, its class first'
)
LABELS = frozenset({
    "y", "label", "labels", "class", "classes", "target", "targets", "category", "class_label", "classlabel",
    "classvalue", "class_value", "classname", "class_name",
})  # fmt: skip
NUMBERED = re.compile(r"(.*?)_?(\d{1,9})")
INDEX = frozenset({"", "unnamed: 0", "index", "id"})
TOP = 1000  # lines in which ARFF and .ts say what they are
Rows = list[tuple[int, list[str]]]


@dataclass(frozen=True)
class Form:
    """A converted table: bytes, the line of each row in the file, and what a person should know.

    Attributes:
        raw: CSV in UTF-8 with `y*` and `x*` columns.
        lines: the line of the file, from 1, of each row.
        notes: how the file was read.
    """

    raw: bytes
    lines: tuple[int, ...]
    notes: tuple[str, ...]


def read(raw: bytes, where: str, timepoints: int = 0) -> Form:
    """Convert a file to the format of storage/series/series_table.py.

    Args:
        raw: the file.
        where: what errors call it.
        timepoints: of the series that a model was trained on; 0 where none is known.

    Raises:
        InputError: it is not certain what its columns are.
    """
    encoding = recording_text.encoding_of(raw)
    if isinstance(encoding, Problem):
        row = f":{encoding.row}" if encoding.row else ""
        what = encoding.what.replace("the file", where, 1)
        raise InputError(what, where=f"{where}{row}", cure=encoding.cure)
    lines = list(recording_text.lines(raw, encoding))
    while lines and not lines[-1][1].strip():
        lines.pop()
    words = {text.split(maxsplit=1)[0].lower() for _, text in lines[:TOP] if text.startswith("@")}
    if "@data" in words:
        return _arff(lines, where) if "@attribute" in words else _ts(lines, where)
    return _delimited(lines, where, timepoints)


def form_error(what: str, where: str, line: int, why: str = "") -> InputError:
    """The error for an ambiguous table; its cure describes the expected format."""
    return InputError(what, where=f"{where}:{line}", why=why, cure=FORM)


# -- with separators ------------------------------------------------------------------------------


def _delimited(lines: list[tuple[int, str]], where: str, timepoints: int) -> Form:
    """A file of columns, with or without a header."""
    while len(lines) > 1 and (
        recording_text.SEP_LINE.fullmatch(lines[0][1]) or re.match(r"[#%]|\s*$", lines[0][1])
    ):
        lines = lines[1:]
    sep = _separator([text for _, text in lines if text.strip()])
    rows: Rows = []
    for line, text in lines:
        try:
            rows.append((line, recording_text.split(text, sep)))
        except csv.Error as error:
            raise form_error(f"the quotes in line {line} of {where} do not pair up", where, line) from error
    first, header = rows[0]
    others = [cell for cell in header if kind_of(cell) in ("text", "boolean")]
    if len(header) < 2:
        raise form_error(f"{where} has one column", where, first)
    if _is_header(header, others):
        return _named([name.strip("'") for name in header], rows[1:], where, first, sep)
    return _unnamed(rows, where, sep, timepoints)


def _is_header(cells: Sequence[str], words: Sequence[str]) -> bool:
    """Whether a first line is a header: a row of values has one word at most, which is its class."""
    if len(words) > 1 or (words and cells.index(words[0]) not in (0, len(cells) - 1)):
        return True
    numbers = [cell for cell in cells if cell not in words]
    counts = numbers in (_consecutive(numbers, 0), _consecutive(numbers, 1))
    return bool(words) and (words[0].lower() in LABELS or counts)


def _separator(texts: Sequence[str]) -> str | None:
    """The delimiter: semicolons and tabs before commas, which may be decimal separators."""
    for sep in (";", "\t", ",", None):
        counts = {len(text.split(sep)) for text in texts[:2]}
        if counts != {1} and (sep == "," or len(counts) == 1):
            return sep
    return ","


def _named(names: list[str], rows: Rows, where: str, line: int, sep: str | None) -> Form:
    """Columns with names: those with numbers in them are values, one beside them is the class."""
    notes: list[str] = []
    width = len(names)
    columns = {place: [cells[place] for _, cells in rows if len(cells) == width] for place in range(width)}
    left_out = set()
    if names[0].lower() in INDEX and columns[0] in (_consecutive(columns[0], 0), _consecutive(columns[0], 1)):
        left_out = {0}
        notes.append(f"the first column, {names[0]!r}, counts the rows and is left out")
    # A y* column stays what it is; any other name is one of values by its number, or that of the class.
    values, renamed = _values(names, left_out)
    rest = [place for place in range(width) if place not in left_out | set(values)]
    labels = [place for place in rest if names[place].startswith("y")]
    if rest != labels and len(rest) == 1 and _may_be_classes(names[rest[0]], columns[rest[0]]):
        notes.append(f"the column {names[rest[0]]!r} is taken for the class")
        renamed[rest[0]], labels = "y", rest
    if rest != labels or not values:
        unknown = [
            names[place] or f"(column {place + 1} has no name)" for place in rest if place not in labels
        ]
        what = (
            f"{where} has columns of another kind: {', '.join(unknown[:5])}"
            if unknown
            else f"{where} has no x columns"
        )
        raise form_error(what, where, line, "a column is y* or x*, in small letters" if unknown else "")
    if changed := [place for place in values if place in renamed]:
        notes.append(f"the columns {names[changed[0]]!r} to {names[changed[-1]]!r} are taken for the values")
    order = [*labels, *values]
    written = [renamed.get(place, names[place]) for place in order]
    return _form(written, order, rows, width, sep, notes, {order[n] for n in range(len(labels), len(order))})


def _values(names: Sequence[str], left_out: set[int]) -> tuple[list[int], dict[int, str]]:
    """The columns of values, and new names for them: x*, else those with one prefix and rising numbers."""
    values = [place for place, name in enumerate(names) if name.startswith("x")]
    if values:
        return values, {}
    groups: dict[str, list[tuple[int, int]]] = {}
    for place, name in enumerate(names):
        if place not in left_out and (match := NUMBERED.fullmatch(name)) and not name.startswith("y"):
            groups.setdefault(match[1], []).append((int(match[2]), place))
    group = max(groups.values(), key=len, default=[])
    numbers = [number for number, _ in group]
    if len(group) < 2 or sorted(numbers) != list(range(min(numbers), min(numbers) + len(group))):
        return [], {}
    return [place for _, place in group], {place: f"x_{number}" for number, place in group}


def _may_be_classes(name: str, cells: Sequence[str]) -> bool:
    """Whether a column has classes: by its name, or as it has few distinct values, each more than once."""
    different = len(set(cells))
    return name.lower() in LABELS or (2 <= different <= max(2, len(cells) // 4) and different < len(cells))


def _consecutive(cells: Sequence[str], start: int) -> list[str]:
    return [str(number) for number in range(start, start + len(cells))]


def _unnamed(rows: Rows, where: str, sep: str | None, timepoints: int) -> Form:
    """Columns without names: the class first, as in UCR's files, or last, or none where all are timepoints."""
    width = len(rows[0][1])
    if width == timepoints:
        names = [f"x_{number}" for number in range(1, width + 1)]
        note = f"there are no column names: they are taken for x_1 to x_{width}"
        return _form(names, range(width), rows, width, sep, [note], set(range(width)))
    first, last = ([cells[place] for _, cells in rows if len(cells) == width] for place in (0, width - 1))
    certain = [_is_class_column(cells) for cells in (first, last)]
    if certain[0] == certain[1] and width != timepoints + 1:
        what = f"{where} has no header, and it is not clear which column is the class"
        raise form_error(what, where, rows[0][0], "line 1 has no column names")
    label = width - 1 if certain == [False, True] else 0
    values = [place for place in range(width) if place != label]
    names = ["y", *(f"x_{number}" for number in range(1, width))]
    place = "first" if label == 0 else "last"
    note = (
        f"there are no column names: the {place} is taken for the class, the others for x_1 to x_{width - 1}"
    )
    return _form(names, [label, *values], rows, width, sep, [note], set(values))


def _is_class_column(cells: Sequence[str]) -> bool:
    """Whether a column has only whole numbers or only words and, in many rows, repeats some of them."""
    whole = all(re.fullmatch(r"[+-]?\d+(\.0*)?(e\+?0+)?", cell, re.IGNORECASE) for cell in cells)
    words = all(kind_of(cell) in ("text", "boolean") for cell in cells)
    return bool(cells) and (whole or words) and (len(set(cells)) <= max(3, len(cells) // 2))


def _form(
    names: Sequence[str],
    order: Sequence[int],
    rows: Rows,
    width: int,
    sep: str | None,
    notes: list[str],
    numbers: set[int],
) -> Form:
    """The table with its columns in this order; rows of another length stay as they are, to be reported."""
    if sep != "," and _has_decimal_commas(rows, numbers):
        rows = [
            (line, [c.replace(",", ".") if n in numbers else c for n, c in enumerate(row)])
            for line, row in rows
        ]
        notes.append("commas are read as decimal separators")
    cells = [[row[place] for place in order] if len(row) == width else row for _, row in rows]
    return Form(csv_text.dump_plain([names, *cells]), tuple(line for line, _ in rows), tuple(notes))


def _has_decimal_commas(rows: Rows, numbers: set[int]) -> bool:
    cells = [cell for _, row in rows for n, cell in enumerate(row) if n in numbers]
    kinds = {kind_of(cell) for cell in cells}
    return "comma" in kinds and "grouped" not in kinds and not any("." in cell for cell in cells)


# -- ARFF and .ts ---------------------------------------------------------------------------------


def _arff(lines: list[tuple[int, str]], where: str) -> Form:
    """Weka's format: attributes with names and types, rows below `@data`."""
    names: list[str] = []
    nominal = []
    start = 0
    for place, (line, text) in enumerate(lines):
        match = re.match(r"\s*@attribute\s+('(?:[^'\\]|\\.)*'|\"[^\"]*\"|\S+)\s+(.+)", text, re.IGNORECASE)
        if match:
            if match[2].strip().lower().startswith("relational"):
                what = f"{where} has series of several channels"
                raise form_error(what, where, line, "it has a relational attribute")
            if match[2].strip().startswith("{") or match[2].strip().lower().startswith("string"):
                nominal.append(len(names))
            names.append(match[1].strip("'\""))
        elif text.strip().lower() == "@data":
            start = place + 1
            break
    rows: Rows = []
    for line, text in lines[start:]:
        if not text.strip() or text.lstrip().startswith("%"):
            continue
        if text.lstrip().startswith("{"):
            raise form_error(f"line {line} of {where} leaves values out", where, line, "it is sparse ARFF")
        cells = text.split("\t" if "," not in text and "\t" in text else ",")
        cells = [cell.strip().strip("'\"") for cell in cells]
        rows.append((line, ["" if cell == "?" else cell for cell in cells]))
    label = nominal[0] if len(nominal) == 1 else len(names) - 1 if not nominal else -1
    if label < 0 or len(names) < 2:
        raise form_error(f"{where} has {len(nominal)} attributes that are no numbers", where, start)
    return _with_class(names, label, rows)


def _with_class(names: Sequence[str], label: int, rows: Rows) -> Form:
    """The class in one column, values in the others in their order."""
    values = [place for place in range(len(names)) if place != label]
    kept = all(names[place].startswith("x") and names[place][-1:].isdigit() for place in values)
    written = [names[place] if kept else f"x_{number}" for number, place in enumerate(values, 1)]
    notes = [f"the attribute {names[label]!r} is taken for the class"]
    return _form(["y", *written], [label, *values], rows, len(names), ",", notes, set(values))


def _ts(lines: list[tuple[int, str]], where: str) -> Form:
    """The format of sktime and aeon: values with commas between them, a colon, the class."""
    start = next(place for place, (_, text) in enumerate(lines) if text.strip().lower() == "@data") + 1
    rows: Rows = []
    for line, text in lines[start:]:
        if not text.strip() or text.startswith("#"):
            continue
        parts = text.split(":")
        if len(parts) != 2 or "(" in text:
            what = f"line {line} of {where} is not a series of one channel with its class"
            raise form_error(what, where, line)
        rows.append((line, [parts[1].strip(), *(cell.strip() for cell in parts[0].split(","))]))
    rows = [
        (line, ["" if cell.lower() in MISSING or cell == "?" else cell for cell in row]) for line, row in rows
    ]
    width = max((len(row) for _, row in rows), default=1)
    names = ["y", *(f"x_{number}" for number in range(1, width))]
    return _form(names, list(range(width)), rows, width, ",", [], set(range(1, width)))
