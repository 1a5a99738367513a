"""Checks the rows of a recording that is not plain: what is wrong with them, and what has to be rewritten.

Each kind of problem is reported once, with its first line and how many more there are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field

from storage.label_studio.label_config import LabelConfig
from storage.series import recording_text
from storage.series.recording_cells import (
    FLOAT32_MAX,
    PLACEHOLDERS,
    Commas,
    Kind,
    kind_of,
    without_thousands_separators,
)
from storage.series.recording_layout import (
    COMMENT,
    DELIMITER_NAMES,
    QUOTES,
    QUOTES_CURE,
    Layout,
    is_padded,
    separator,
)
from storage.series.recording_rows import is_empty_row
from storage.series.recording_text import quoted
from storage.series.recording_times import TimeColumn
from storage.series.validation import Problem, Problems

NUMBER_CURE = "write a number, or leave the cell empty where it is unknown"


@dataclass
class Scan:
    """What was found in the rows.

    Attributes:
        problems: why the recording is refused.
        without_numbers: rows without a number, as line, text, and how many rows stand before it.
        rows: how many rows there are.
        last: the line of the last row.
        long, too_long: the first row of too many cells, as line and cells, and how many such rows there are.
        blank: empty lines above the last row.
        quoted, padded, trailing, short, words: how many rows have quotes, blanks around cells, a separator at their
            end, fewer cells than the header, words for missing values.
        empty: for each column, how many of its cells are empty.
        empty_starts: how many rows begin with two empty cells.
        carriage_returns: whether lines end as on old Macintoshes.
        commas: what commas mean, decimals or thousands.
        booleans: columns of words for true and false, and the line of the first; numbers: columns with numbers.
    """

    layout: Layout
    config: LabelConfig
    problems: Problems = field(default_factory=Problems)
    without_numbers: list[tuple[int, str, int]] = field(default_factory=list)
    rows: int = 0
    last: int = 0
    long: list[tuple[int, int]] = field(default_factory=list)
    too_long: int = 0
    blank: int = 0
    quoted: int = 0
    padded: int = 0
    trailing: int = 0
    short: int = 0
    first_short: int = 0
    words: int = 0
    empty_starts: int = 0
    carriage_returns: bool = False
    empty: list[int] = field(default_factory=list)
    commas: Commas = field(default_factory=Commas)
    booleans: dict[str, tuple[int, str]] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    times: TimeColumn | None = None


def scan(raw: bytes, layout: Layout, config: LabelConfig) -> Scan:
    """Go through all rows."""
    found = Scan(layout, config, empty=[0] * len(layout.names))
    found.carriage_returns = layout.encoding.startswith("utf-8") and raw.count(b"\r") != raw.count(b"\r\n")
    if config.time_column and config.time_format:
        found.times = TimeColumn(config.time_column, config.time_format)
    for line, text, cells in _rows(raw, found):
        found.last = line
        if not _is_row_of_numbers(cells, found):
            found.without_numbers.append((line, text, found.rows))
            continue
        found.rows += 1
        _check_row(found, line, cells)
    _report_long_rows(found)
    _report_rows_without_numbers(found)
    if not found.rows and not found.problems.kinds:
        what = "there is a header and no rows"
        found.problems.add("rows", layout.header or 1, what, "export the recording again")
    if found.times:
        found.problems.kinds |= found.times.problems().kinds
    _check_decimal_commas(found)
    for name, (line, cell) in found.booleans.items():
        if name in found.numbers:
            what = f"{quoted(cell)} in channel {name!r} is not a number"
            found.problems.add("number", line, what, NUMBER_CURE)
    return found


def _rows(raw: bytes, found: Scan) -> Iterator[tuple[int, str, list[str]]]:
    """Line, text and cells of each row that can be split, as many cells as there are names."""
    width, sep = len(found.layout.names), found.layout.sep
    blank = 0
    pending: tuple[int, int] | None = None
    for line, text in found.layout.rows(raw):
        if not text.strip():
            blank += 1
            continue
        found.blank, pending = found.blank + blank, None
        blank = 0
        try:
            cells = recording_text.split(text, sep)
        except csv.Error:
            found.problems.add("quote", line, QUOTES, QUOTES_CURE)
            continue
        found.quoted += '"' in text
        found.padded += is_padded(text, sep)
        if len(cells) > width:
            if any(cells[width:]):
                found.long = [*found.long, (line, len(cells))][:1]
                found.too_long += 1
                continue
            found.trailing += 1
            cells = cells[:width]
        elif len(cells) < width:
            pending = line, len(cells)
            found.short += 1
            found.first_short = found.first_short or line
            cells += [""] * (width - len(cells))
        if is_empty_row(cells, found.config):
            found.blank += 1
            found.short -= pending is not None
            found.first_short = found.first_short if found.short else 0
            pending = None
            continue
        yield line, text, cells
    _check_last_row(raw, found, pending)


def _report_long_rows(found: Scan) -> None:
    """Rows of more cells than the header has names."""
    width = len(found.layout.names)
    for line, cells in found.long:
        what = f"the row has {cells} cells and the header {width}"
        if found.layout.sep == "," and not found.rows and cells <= 2 * width:
            cure = 'write decimals with a point, or separate the columns by ";": a comma in a number splits its cell'
        else:
            cure = "take out the cells that are too many, or quote a cell that holds the separator"
        found.problems.kinds["cells"] = (Problem(line, what, cure), found.too_long)


def _check_last_row(raw: bytes, found: Scan, pending: tuple[int, int] | None) -> None:
    """A last row of fewer cells than others, without a line end behind it, was not written to its end."""
    width = len(found.layout.names)
    if pending and not raw.rstrip(b"\0").endswith((b"\n", b"\r")):
        line, count = pending
        found.short -= 1
        what = f"the last line is cut off: it has {count} of {width} cells"
        cure = "delete it, or copy the recording again: its end may be missing"
        found.problems.add("cut", line, what, cure)
    elif found.short and found.layout.sep is None:
        what = f"the row has fewer cells than the header, which has {width}"
        cure = "separate the columns by commas: between blanks it is unknown which of the cells is missing"
        found.problems.add("cells", found.first_short, what, cure)


def _is_row_of_numbers(cells: list[str], found: Scan) -> bool:
    """Whether a row is one of the table: it has a number in a channel, or a time and no text in place of numbers."""
    layout, config = found.layout, found.config
    kinds = [kind_of(cells[layout.places[name]]) for name in config.channels]
    if any(kind not in ("text", "missing") for kind in kinds):
        return True
    if config.time_column is None:
        # A logger's placeholders for missing values stand in a row of numbers too.
        texts = [cells[layout.places[name]].lower() for name in config.channels]
        return all(kind == "missing" or text in PLACEHOLDERS for kind, text in zip(kinds, texts, strict=True))
    time = cells[layout.places[config.time_column]]
    if found.times is not None:
        return found.times.matches(time)
    return kind_of(time) not in ("text", "missing", "boolean")


def _check_row(found: Scan, line: int, cells: list[str]) -> None:
    layout, config = found.layout, found.config
    words = 0
    for name in config.channels:
        cell = cells[layout.places[name]]
        kind = kind_of(cell, FLOAT32_MAX)
        _check_number(found, line, f"channel {name!r}", name, cell, kind)
        if kind == "missing" and cell:
            words += 1
            cells[layout.places[name]] = ""
    found.words += bool(words)
    found.empty_starts += cells[:2] == ["", ""]
    for place, cell in enumerate(cells):
        if not cell:
            found.empty[place] += 1
    if config.time_column:
        cell = cells[layout.places[config.time_column]]
        if found.times is not None:
            found.times.add(line, cell)
        else:
            _check_time(found, line, config.time_column, cell)


def _check_number(found: Scan, line: int, where: str, name: str, cell: str, kind: Kind) -> None:
    """A cell that must be a number."""
    found.commas.add(name, line, cell, kind)
    if kind == "number":
        found.numbers.add(name)
    elif kind == "grouped":
        what = f"{quoted(cell)} in {where} has thousands separators"
        cure = f"write {without_thousands_separators(cell)}: without them, and with a point for decimals"
        found.problems.add("grouped", line, what, cure)
    elif kind == "infinite":
        found.problems.add("infinite", line, f"{where} is infinite ({quoted(cell)[1:-1]})", NUMBER_CURE)
    elif kind == "boolean":
        found.booleans.setdefault(name, (line, cell))
    elif kind == "text":
        note = ", but a placeholder for a missing value" if cell.lower() in PLACEHOLDERS else ""
        what = f"{quoted(cell)} in {where} is not a number{note}"
        found.problems.add("placeholder" if note else "number", line, what, NUMBER_CURE)


def _check_time(found: Scan, line: int, name: str, cell: str) -> None:
    """A cell that must be a time, as a number."""
    kind, cure = kind_of(cell), "write the time, or delete the row"
    if kind == "missing":
        what = f"there is no time in {name!r}"
    elif kind == "infinite":
        what = f"the time {quoted(cell)} is infinite"
    elif kind in ("text", "boolean"):
        what = f"the time {quoted(cell)} is not a number"
        cure = 'set timeFormat on <TimeSeries> in the label config, as "%Y-%m-%d %H:%M:%S"'
        if name in found.numbers:  # other times are numbers
            cure = "write a number, or delete the row if it is none of the table"
    else:
        _check_number(found, line, f"time column {name!r}", name, cell, kind)
        return
    found.problems.add("time", line, what, cure)


def _check_decimal_commas(found: Scan) -> None:
    """Commas are decimal separators where some cell shows it; else they may as well separate thousands."""
    commas = found.commas
    for name, (line, cell) in commas.columns.items():
        where = "time column" if name == found.config.time_column else "channel"
        if name in commas.points:
            other_line, other = commas.points[name]
            both = f"{quoted(cell)} here and {quoted(other)} in line {other_line}"
            what = f"{where} {name!r} has {both}: commas and points"
            cure = "write all decimals with a point, and nothing between thousands"
            found.problems.add("comma", line, what, cure)
        elif name in commas.unclear and commas.decimal is None:
            line, cell = commas.unclear[name]
            what = f"{quoted(cell)} in {where} {name!r} may be a thousand or have three decimals"
            whole, point = (
                quoted(text)[1:-1] for text in (without_thousands_separators(cell), cell.replace(",", "."))
            )
            cure = f"write {whole} if the comma separates thousands, {point} if it is a decimal comma"
            found.problems.add("comma", line, what, cure)


def _report_rows_without_numbers(found: Scan) -> None:
    """Report each row without numbers by what it most likely is: a header, a comment, units, a footer."""
    names = tuple(name.lower() for name in found.layout.names)
    for line, text, before in found.without_numbers:
        shown = quoted(text)
        try:
            cells = tuple(cell.lower() for cell in recording_text.split(text, found.layout.sep))
        except csv.Error:
            cells = ()
        if cells == names:
            what = f"the header is there again in line {line}: two recordings in one file"
            found.problems.add("header", line, what, f"split the file above line {line}")
        elif COMMENT.match(text):
            found.problems.add("comment", line, f"line {line} is a comment: {shown}", "delete it")
        elif not before and found.rows:
            what = f"line {line} holds no numbers, as units below a header: {shown}"
            cure = 'delete it; a unit may be written in the label config: <Channel units="..."/>'
            found.problems.add("units", line, what, cure)
        elif before == found.rows and found.rows:
            what = f"line {line} is no row of numbers, as text below a table: {shown}"
            found.problems.add("footer", line, what, "delete it, and all below it")
        else:
            sep, what = separator(found.config), f"line {line} is no row of numbers: {shown}"
            cure = "delete it, or write its numbers"
            if not found.rows:
                cure = f"write numbers below the header, separated by {DELIMITER_NAMES.get(sep, sep)}"
            found.problems.add("row", line, what, cure)
