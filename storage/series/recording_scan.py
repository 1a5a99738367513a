"""Going through the rows of a recording that is not plain: what is wrong with them, and what has to be rewritten.

Each kind of problem is reported once, with its first line and how many more there are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field

from storage.label_studio.label_config import LabelConfig
from storage.series import recording_text
from storage.series.recording_cells import FLOAT32_MAX, MARKS, Commas, Kind, kind_of, ungrouped
from storage.series.recording_layout import COMMENT, SPOKEN, Layout, is_padded, quote_problem, separator
from storage.series.recording_rows import is_void
from storage.series.recording_text import quoted
from storage.series.recording_times import TimeColumn
from storage.series.validation import Problem, counted

NUMBER_CURE = "write a number, or leave the cell empty where it is unknown"


@dataclass
class Scan:
    """What was found in the rows.

    Attributes:
        problems: by kind of problem, the first and how often it is there.
        odd: rows without a number, as line, text, and how many rows stand before it.
        rows: how many rows there are.
        last: the line of the last row.
        long, too_long: the first row of too many cells, as line and cells, and how many such rows there are.
        blank: lines without anything, above the last row.
        quoted, padded, trailing, short, words: how many rows have quotes, blanks around cells, a separator at their
            end, fewer cells than the header, words for missing values.
        empty: for each column, how many of its cells are empty.
        starts: how many rows begin with two empty cells.
        returns: whether lines end as on old Macintoshes.
        commas: what commas mean.
        truths: columns of words for true and false, and the line of the first; numbers: columns with numbers.
    """

    layout: Layout
    config: LabelConfig
    problems: dict[str, tuple[Problem, int]] = field(default_factory=dict)
    odd: list[tuple[int, str, int]] = field(default_factory=list)
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
    starts: int = 0
    returns: bool = False
    empty: list[int] = field(default_factory=list)
    commas: Commas = field(default_factory=Commas)
    truths: dict[str, tuple[int, str]] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    times: TimeColumn | None = None

    def note(self, kind: str, problem: Problem) -> None:
        """Keep the first problem of a kind, and count the others."""
        first, count = self.problems.get(kind, (problem, 0))
        self.problems[kind] = (first, count + 1)

    def fatal(self) -> list[Problem]:
        """Why the recording is refused, each kind once."""
        return [counted(problem, count) for problem, count in self.problems.values()]


def scan(raw: bytes, layout: Layout, config: LabelConfig) -> Scan:
    """Go through all rows."""
    found = Scan(layout, config, empty=[0] * len(layout.names))
    found.returns = layout.encoding.startswith("utf-8") and raw.count(b"\r") != raw.count(b"\r\n")
    if config.time_column and config.time_format:
        found.times = TimeColumn(config.time_column, config.time_format)
    for line, text, cells in _rows(raw, found):
        found.last = line
        if not _is_row_of_numbers(cells, found):
            found.odd.append((line, text, found.rows))
            continue
        found.rows += 1
        _see_row(found, line, cells)
    _too_long(found)
    _name_odd_rows(found)
    if not found.rows and not found.problems:
        problem = Problem(layout.header or 1, "there is a header and no rows", "export the recording again")
        found.note("rows", problem)
    if found.times:
        for kind, problem, count in found.times.problems():
            found.problems[kind] = (problem, count)
    _settle_commas(found)
    for name, (line, cell) in found.truths.items():
        if name in found.numbers:
            what = f"{quoted(cell)} in channel {name!r} is not a number"
            found.note("number", Problem(line, what, NUMBER_CURE))
    return found


def _rows(raw: bytes, found: Scan) -> Iterator[tuple[int, str, list[str]]]:
    """Line, text and cells of each row that can be parted, as many cells as there are names."""
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
            found.note("quote", quote_problem(line))
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
        if is_void(cells, found.config):
            found.blank += 1
            found.short -= pending is not None
            found.first_short = found.first_short if found.short else 0
            pending = None
            continue
        yield line, text, cells
    _cut_off(raw, found, pending)


def _too_long(found: Scan) -> None:
    """Rows of more cells than the header has names."""
    width = len(found.layout.names)
    for line, cells in found.long:
        what = f"the row has {cells} cells and the header {width}"
        if found.layout.sep == "," and not found.rows and cells <= 2 * width:
            cure = (
                'write decimals with a point, or part the columns by ";": a comma in a number parts its cell'
            )
        else:
            cure = "take out the cells that are too many, or quote a cell that holds the separator"
        found.problems["cells"] = (Problem(line, what, cure), found.too_long)


def _cut_off(raw: bytes, found: Scan, pending: tuple[int, int] | None) -> None:
    """A last row of fewer cells than others, without a line end behind it, was not written to its end."""
    width = len(found.layout.names)
    if pending and not raw.rstrip(b"\0").endswith((b"\n", b"\r")):
        line, count = pending
        found.short -= 1
        what = f"the last line is cut off: it has {count} of {width} cells"
        cure = "delete it, or copy the recording again: its end may be missing"
        found.note("cut", Problem(line, what, cure))
    elif found.short and found.layout.sep is None:
        what = f"the row has fewer cells than the header, which has {width}"
        cure = "part the columns by commas: nobody can tell which of the cells is missing between blanks"
        found.note("cells", Problem(found.first_short, what, cure))


def _is_row_of_numbers(cells: list[str], found: Scan) -> bool:
    """Whether a row is one of the table: it has a number in a channel, or a time and no text in place of numbers."""
    layout, config = found.layout, found.config
    kinds = [kind_of(cells[layout.places[name]]) for name in config.channels]
    if any(kind not in ("text", "missing") for kind in kinds):
        return True
    if config.time_column is None:
        # Marks of a logger that has no value stand in a row of numbers too.
        texts = [cells[layout.places[name]].lower() for name in config.channels]
        return all(kind == "missing" or text in MARKS for kind, text in zip(kinds, texts, strict=True))
    time = cells[layout.places[config.time_column]]
    if found.times is not None:
        return found.times.fits(time)
    return kind_of(time) not in ("text", "missing", "truth")


def _see_row(found: Scan, line: int, cells: list[str]) -> None:
    layout, config = found.layout, found.config
    words = 0
    for name in config.channels:
        cell = cells[layout.places[name]]
        kind = kind_of(cell, FLOAT32_MAX)
        _see_cell(found, line, f"channel {name!r}", name, cell, kind)
        if kind == "missing" and cell:
            words += 1
            cells[layout.places[name]] = ""
    found.words += bool(words)
    found.starts += cells[:2] == ["", ""]
    for place, cell in enumerate(cells):
        if not cell:
            found.empty[place] += 1
    if config.time_column:
        cell = cells[layout.places[config.time_column]]
        if found.times is not None:
            found.times.see(line, cell)
        else:
            _see_time(found, line, config.time_column, cell)


def _see_cell(found: Scan, line: int, where: str, name: str, cell: str, kind: Kind) -> None:
    """A cell that must be a number."""
    found.commas.see(name, line, cell, kind)
    if kind == "number":
        found.numbers.add(name)
    elif kind == "grouped":
        what = f"{quoted(cell)} in {where} has signs between its thousands"
        cure = f"write {ungrouped(cell)}: without them, and with a point for decimals"
        found.note("grouped", Problem(line, what, cure))
    elif kind == "infinite":
        found.note("infinite", Problem(line, f"{where} is infinite ({quoted(cell)[1:-1]})", NUMBER_CURE))
    elif kind == "truth":
        found.truths.setdefault(name, (line, cell))
    elif kind == "text":
        mark = ", but a mark for no value" if cell.lower() in MARKS else ""
        what = f"{quoted(cell)} in {where} is not a number{mark}"
        found.note("mark" if mark else "number", Problem(line, what, NUMBER_CURE))


def _see_time(found: Scan, line: int, name: str, cell: str) -> None:
    """A cell that must be a time, as a number."""
    kind = kind_of(cell)
    if kind == "missing":
        problem = Problem(line, f"there is no time in {name!r}", "write the time, or delete the row")
    elif kind == "infinite":
        problem = Problem(line, f"the time {quoted(cell)} is infinite", "write the time, or delete the row")
    elif kind in ("text", "truth"):
        cure = 'set timeFormat on <TimeSeries> in the label config, as "%Y-%m-%d %H:%M:%S"'
        if name in found.numbers:  # other times are numbers
            cure = "write a number, or delete the row if it is none of the table"
        problem = Problem(line, f"the time {quoted(cell)} is not a number", cure)
    else:
        _see_cell(found, line, f"time column {name!r}", name, cell, kind)
        return
    found.note("time", problem)


def _settle_commas(found: Scan) -> None:
    """Commas start decimals where some cell of the file shows it; where none does they may as well part thousands."""
    commas = found.commas
    for name, (line, cell) in commas.columns.items():
        where = "time column" if name == found.config.time_column else "channel"
        if name in commas.points:
            other_line, other = commas.points[name]
            both = f"{quoted(cell)} here and {quoted(other)} in line {other_line}"
            what = f"{where} {name!r} has {both}: commas and points"
            cure = "write all decimals with a point, and nothing between thousands"
            found.note("comma", Problem(line, what, cure))
        elif name in commas.unclear and commas.decimal is None:
            line, cell = commas.unclear[name]
            what = f"{quoted(cell)} in {where} {name!r} may be a thousand or have three decimals"
            whole, point = (quoted(text)[1:-1] for text in (ungrouped(cell), cell.replace(",", ".")))
            cure = f"write {whole} if the comma parts thousands, {point} if it starts decimals"
            found.note("comma", Problem(line, what, cure))


def _name_odd_rows(found: Scan) -> None:
    """Say of each row without numbers what it most likely is: the others go on."""
    names = tuple(name.lower() for name in found.layout.names)
    for line, text, before in found.odd:
        shown = quoted(text)
        try:
            cells = tuple(cell.lower() for cell in recording_text.split(text, found.layout.sep))
        except csv.Error:
            cells = ()
        if cells == names:
            what = f"the header is there again in line {line}: two recordings in one file"
            found.note("header", Problem(line, what, f"split the file above line {line}"))
        elif COMMENT.match(text):
            found.note("comment", Problem(line, f"line {line} is a comment: {shown}", "delete it"))
        elif not before and found.rows:
            what = f"line {line} holds no numbers, as units below a header: {shown}"
            cure = 'delete it; a unit may be written in the label config: <Channel units="..."/>'
            found.note("units", Problem(line, what, cure))
        elif before == found.rows and found.rows:
            what = f"line {line} is no row of numbers, as text below a table: {shown}"
            found.note("footer", Problem(line, what, "delete it, and all below it"))
        else:
            what = f"line {line} is no row of numbers: {shown}"
            found.note("row", Problem(line, what, _row_cure(found)))


def _row_cure(found: Scan) -> str:
    sep = separator(found.config)
    if not found.rows:
        return f"write numbers below the header, parted by {SPOKEN.get(sep, sep)}"
    return "delete it, or write its numbers"
