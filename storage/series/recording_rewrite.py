"""A recording as it is stored where Label Studio would misread its bytes: the same table, as the page reads it.

It is lossless: numbers keep their digits, columns that the label config does not need are kept. The same file
always becomes the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from storage.label_studio.label_config import LabelConfig
from storage.label_studio.page import show
from storage.label_studio.page_csv import SPACE, SPECIAL, PageError, PageTable, number
from storage.series.recording_layout import DELIMITER_NAMES, Layout, is_column_number, is_padded, separator
from storage.series.recording_rows import rows
from storage.series.recording_scan import Scan
from storage.series.recording_text import quoted
from storage.series.validation import Problem

SET_COMMA = (
    'set sep="," on <TimeSeries> in the label config: import then stores the columns separated by commas'
)
SET_SEMICOLON = (
    'set sep=";" on <TimeSeries> in the label config: import then stores the columns separated by semicolons'
)
FLUSH = 1 << 16  # lines


@dataclass(frozen=True)
class Plan:
    """How a table is written.

    Attributes:
        order: which column of the file stands where; None is a column of row numbers without a name.
        names: their names.
        changes: what differs from the file, in words.
    """

    order: tuple[int | None, ...]
    names: tuple[str, ...]
    changes: tuple[str, ...]


def delimiter_problem(config: LabelConfig) -> Problem | None:
    """Why the label config's separator cannot be a delimiter."""
    sep = config.sep
    if len(sep) != 1 and sep != "auto":
        cure = "set sep on <TimeSeries> in the label config to one character"
        return Problem(None, f"{sep!r} cannot be a delimiter", cure)
    if len(sep) == 1 and (sep in SPECIAL or sep.isalnum() or sep in "-_'\r\n"):
        return Problem(None, f"Label Studio's page cannot separate columns by {sep!r}", SET_COMMA)
    return None


def plan(found: Scan) -> Plan | Problem:
    """Decide in which order and under which names the columns are written."""
    layout, config = found.layout, found.config
    used = [place for place, name in enumerate(layout.names) if name or found.empty[place] < found.rows]
    kept = range(max([*used, *layout.places.values()]) + 1)
    order = _order(found, kept)
    if isinstance(order, Problem):
        return order
    renamed = [] if not layout.header else _renamed(layout, order)
    names = [name for name, _ in renamed] if layout.header else [str(place) for place in range(len(order))]
    needed = set(layout.places.values())
    sep = separator(config)
    for place, name in zip(order, names, strict=True):
        if place in needed and (sep in name or '"' in name):
            cure = (
                SET_SEMICOLON
                if sep in name and sep != ";"
                else "rename the column, there and in the label config"
            )
            what = f"the column {name!r} holds {sep!r}, and Label Studio's page takes quotes for a part of the name"
            return Problem(layout.header, what, cure)
    if len(order) == 1:
        order, names = (*order, -1), [*names, ""]
    changes = _changes(found, order, [change for _, change in renamed if change])
    return Plan(tuple(order), tuple(names), tuple(changes))


def _order(found: Scan, kept: Sequence[int]) -> Sequence[int | None] | Problem:
    """The columns in an order that the page reads: it loses one of two empty cells at the start of a line."""
    layout, config = found.layout, found.config
    blanks = separator(config) in SPACE
    fixed = {
        int(name): layout.places[name]
        for name in config.channels
        if is_column_number(name) and int(name) < len(kept)
    }
    order: list[int | None] = [*kept]
    if any(order[place] != column for place, column in fixed.items()):
        others = [place for place in kept if place not in fixed.values()]
        order = [fixed[place] if place in fixed else others.pop(0) for place in range(len(kept))]
    starts = (
        found.empty_starts
        if order == list(kept)
        else max((found.empty[p] for p in order[:1] if p is not None), default=0)
    )
    ends = blanks and bool(found.empty[kept[-1]] or found.empty[kept[0]])
    if not starts and not ends:
        return order
    full = [place for place in kept if not found.empty[place]]
    time = layout.places.get(config.time_column or "", -1)
    full.sort(key=lambda place: place != time)
    if blanks and len(full) >= 2 and not fixed:
        rest = [place for place in kept if place not in full[:2]]
        return [full[0], *rest, full[1]]
    if blanks or fixed:
        what = "Label Studio's page misreads rows that begin or end with empty cells"
        cure = SET_COMMA if blanks else "give the columns names with a letter, there and in the label config"
        return Problem(layout.header or 1, what, cure)
    if full:
        return [full[0], *(place for place in kept if place != full[0])]
    return [None, *kept]


def _renamed(layout: Layout, order: Sequence[int | None]) -> list[tuple[str, str]]:
    """Names of the columns, and what was changed: to the page, names that differ in their case are one."""
    needed = set(layout.places.values())
    taken = {layout.names[place].lower() for place in needed}
    result = []
    for place in order:
        name = "" if place is None else layout.names[place]
        if place in needed or name.lower() not in taken:
            taken.add(name.lower())
            result.append((name, ""))
            continue
        number = 2
        while (new := f"{name or 'column'}_{number}").lower() in taken:
            number += 1
        taken.add(new.lower())
        result.append((new, f"column {name!r} is called {new!r}"))
    return result


def _changes(found: Scan, order: Sequence[int | None], renamed: list[str]) -> list[str]:
    """What differs from the file, in words."""
    layout, config = found.layout, found.config
    sep, width = separator(config), len(layout.names)
    new, old = (DELIMITER_NAMES.get(mark, mark) for mark in (sep, layout.sep))
    kept = [place for place in order if place is not None and place >= 0]
    moved = kept != sorted(kept)
    all_changes = {
        f"in UTF-8 in the place of {layout.encoding}": not layout.encoding.startswith("utf-8"),
        f"separated by {new}, not by {old}": layout.sep != sep,
        "without the line above the header": layout.has_sep_line,
        "without quotes": found.quoted or '"' in layout.header_text,
        "with line feeds at the ends of lines": found.carriage_returns,
        "with a point for each decimal comma": found.commas.columns,
        "1 and 0 for true and false": found.booleans,
        "empty cells for words like NaN": found.words,
        f"{found.short} row(s) that are too short, line {found.first_short} the first, with empty cells at their end":
            found.short,
        "without separators at the end": found.trailing or len(kept) < width,
        "without blanks around cells": found.padded or is_padded(layout.header_text, layout.sep),
        "without empty lines": found.blank,
        "times in the form that the page reads": found.times and found.times.changed,
        "columns in another order": moved,
        "with row numbers in the first column": None in order,
        "with an empty second column": -1 in order,
    }  # fmt: skip
    return [change for change, applies in all_changes.items() if applies] + renamed


def write(raw: bytes, found: Scan, written: Plan) -> bytes | Problem:
    """The bytes of the table; a problem where a time holds the separator."""
    layout, config = found.layout, found.config
    sep = separator(config)
    out = io.BytesIO()
    time = layout.places.get(config.time_column or "", -1)
    # With one column alone and blanks for separators, only the header can hold one.
    single = sep in SPACE and written.order[-1] == -1
    order = written.order[:1] if single else written.order
    lines = [line_of_cells(written.names, sep)] if layout.header else []
    for row, (line, cells) in enumerate(rows(raw, layout, config)):
        if time >= 0 and sep in cells[time]:
            what = f"the time {quoted(cells[time])} holds {sep!r}, which is the delimiter"
            return Problem(line, what, SET_COMMA if sep != "," else SET_SEMICOLON)
        lines.append(line_of_cells([_cell(cells, place, row) for place in order], sep))
        if len(lines) >= FLUSH:
            out.write("".join(lines).encode())
            lines = []
    out.write("".join(lines).encode())
    return out.getvalue()


def _cell(cells: Sequence[str], place: int | None, row: int) -> str:
    if place is None:
        return str(row)
    return cells[place] if place >= 0 else ""


def line_of_cells(cells: Sequence[str], sep: str) -> str:
    """A line of the table; quotes only around cells that hold the separator or quotes."""
    return (
        sep.join(
            '"' + cell.replace('"', '""') + '"' if sep in cell or '"' in cell else cell for cell in cells
        )
        + "\n"
    )


def page_reads(raw: bytes, layout: Layout, config: LabelConfig) -> bool | None:
    """Whether the page reads the file's own bytes as we do; None where it does but for words for missing values."""
    if not layout.encoding.startswith("utf-8"):
        return False
    try:
        table = PageTable(raw.decode("utf-8-sig"), config.sep)
        names = {name: table.name_of(name) for name in config.channels}
        if config.time_column:
            names[config.time_column] = config.time_column.lower()
        places = {name: table.names.index(its) for name, its in names.items()}
    except (PageError, ValueError):
        return False
    if len(set(table.names)) < len(table.names):
        return False
    words = False
    for page, ours in zip_longest(table.rows(), rows(raw, layout, config)):
        if page is None or ours is None or len(page) != len(table.names):
            return False
        for name, place in places.items():
            cell = ours[1][layout.places[name]]
            if name == config.time_column and config.time_format:
                same = page[place] == cell
            elif cell:
                same = number(page[place]) == float(cell)
            else:
                words = words or bool(page[place].strip(SPACE))
                same = True
            if not same:
                return False
    return None if words else True


def unreadable_by_page(stored: bytes, config: LabelConfig) -> Problem:
    """Why the page shows no table of these columns, however it is written."""
    if config.sep == "auto":
        return Problem(None, "Label Studio's page cannot guess the delimiter", SET_COMMA)
    try:
        show(stored.decode(), config)
        what = "Label Studio's page reads other numbers"
    except PageError as error:
        what = f"Label Studio's page shows an error: {error}"
    cure = "give all columns names with a letter, in the recordings and in the label config"
    return Problem(None, what, cure)
