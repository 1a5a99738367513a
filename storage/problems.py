"""What is wrong or odd about a recording, in words, with the line of the file to look at.

Lines are counted from 1, as an editor shows them: the header is line 1. Each kind of problem is told once, at the
first line that has it, with how many more there are.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from storage import times as stamps
from storage.label_config import LabelConfig

# What counts as an empty cell, in any case; pandas' own list, so that both ways of reading agree.
MISSING = {"", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>"}
MISSING |= {"n/a", "na", "nan", "none", "null"}

PIECE = 1 << 20  # bytes

# From here on a number is what a logger writes where it has none (1e20, 3.4e38): the deviation of its channel would
# be so large that everything else is 0.
FAR = 1e15

DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
# The browser reads the same file: it would show nothing there.
POINT = "write {} and so on: Label Studio takes a point alone for the start of decimals"

FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Problem:
    """Something about a recording that a person should know.

    Attributes:
        row: line of the file, from 1; None where it is about the file as a whole.
        what: one sentence.
        cure: what to do about it.
        fatal: the recording is refused; otherwise it is accepted, and this is a note.
    """

    row: int | None
    what: str
    cure: str
    fatal: bool = True


def text_problems(raw: bytes, config: LabelConfig) -> list[Problem]:
    """Why the file is no table at all."""
    if len(config.sep) != 1:
        cure = "set sep on <TimeSeries> in the label config to one character"
        return [Problem(None, f"columns cannot be parted by {config.sep!r}", cure)]
    if not raw or raw.isspace():
        return [Problem(None, "the file is empty", "export the recording again")]
    wrong = _not_utf8(raw)
    if wrong is not None:
        row = raw.count(b"\n", 0, wrong) + 1
        return [Problem(row, "the file is not UTF-8 text", "save it as CSV in UTF-8")]
    if b"\0" in raw:
        row = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        return [Problem(row, "the file holds a zero byte: it is not text", "save it as CSV in UTF-8")]
    return []


def _not_utf8(raw: bytes) -> int | None:
    """Where the first byte is that no UTF-8 text has; looked for piece by piece, to save memory."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(raw), PIECE):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(raw[start : start + PIECE], final=start + PIECE >= len(raw))
        except UnicodeDecodeError as error:
            return start - pending + error.start
    return None


def header_problems(raw: bytes, config: LabelConfig, notes: list[Problem]) -> list[Problem]:
    """Problems of line 1; what is only odd is added to `notes`."""
    _, header = next(_rows(raw, config))
    wanted = [*([config.time_column] if config.time_column else []), *config.channels]
    fatal = []
    for name in wanted:
        kind = "time column" if name == config.time_column else "channel"
        if header.count(name) > 1:
            fatal.append(
                Problem(1, f"{kind} {name!r} is there {header.count(name)} times", "keep one of them")
            )
        if name not in header:
            fatal.append(Problem(1, f"{kind} {name!r} is missing", _cure_missing(name, header, config)))
    extra = [name for name in header if name not in wanted]
    if extra and not fatal:
        names = ", ".join(repr(name) for name in extra)
        what = f"{len(extra)} column(s) that the label config does not know: {names}"
        notes.append(Problem(1, what, "nothing, if they are not needed: they are left out", fatal=False))
    if not fatal and sum(1 for _, _ in zip(range(2), _rows(raw, config), strict=False)) < 2:
        fatal.append(Problem(1, "there is a header and no rows", "export the recording again"))
    if raw.startswith(b"\xef\xbb\xbf"):
        notes.append(
            Problem(1, "the file starts with a byte order mark", "nothing: it is read fine", fatal=False)
        )
    if b"\r\n" in raw[: 1 << 16]:
        notes.append(Problem(1, "the lines end as on Windows", "nothing: they are read fine", fatal=False))
    return fatal


def _cure_missing(name: str, header: list[str], config: LabelConfig) -> str:
    for sep, tag in ((";", ";"), ("\t", "tab"), ("|", "|"), (",", "comma")):
        if len(header) == 1 and sep in header[0]:
            return f'set sep="{tag}" on <TimeSeries> in the label config: the columns are parted by it'
    known = {config.time_column, *config.channels}
    others = {h.lower().strip(): h for h in header if h not in known}
    near = get_close_matches(name.lower(), others, 1)
    if near:
        return f"the file has {others[near[0]]!r}: rename the column, or name it so in the label config"
    return f"add the column, or take {name!r} out of the label config; the file has: {', '.join(header)}"


def _rows(raw: bytes, config: LabelConfig) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each line that is not blank, the header first."""
    text = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=config.sep)
    for row in reader:
        # A line of blanks is no row; a row of empty cells is one. pandas counts the same way.
        if len(row) > 1 or (row and row[0].strip()):
            yield reader.line_num, row


def _line(raw: bytes, config: LabelConfig, index: int) -> int:
    """The line of the file on which a timepoint is written."""
    for number, (line, _) in enumerate(_rows(raw, config)):
        if number == index + 1:
            return line
    raise IndexError(index)


def cell_problems(raw: bytes, config: LabelConfig) -> list[Problem]:
    """Go through the cells one by one: the first of each kind of problem, with how often it is there."""
    rows = _rows(raw, config)
    _, header = next(rows)
    places = {name: header.index(name) for name in config.channels}
    time = header.index(config.time_column) if config.time_column else None
    found: dict[str, tuple[Problem, int]] = {}
    texts: list[tuple[int, str]] = []
    for line, row in rows:
        if len(row) > len(header) and any(row[len(header) :]):
            what = f"the row has {len(row)} cells and the header {len(header)}"
            _note(found, "cells", Problem(line, what, "quote cells that hold the separator"))
            continue
        for name, place in places.items():
            _note_cell(found, line, name, row[place] if place < len(row) else "")
        if time is not None:
            texts.append((line, row[time].strip() if time < len(row) else ""))
    if texts:
        _note_times(found, config, texts)
    if not found:
        return [Problem(None, "the file cannot be read as a table of numbers", "export the recording again")]
    return [_counted(problem, count) for problem, count in found.values()]


def _note_cell(found: dict[str, tuple[Problem, int]], line: int, name: str, cell: str) -> None:
    cell = cell.strip()
    if cell.lower() in MISSING:
        return
    try:
        number = float(cell)
    except ValueError:
        if DECIMAL_COMMA.fullmatch(cell):
            what = f"{cell!r} in channel {name!r} has a decimal comma"
            _note(found, "comma", Problem(line, what, POINT.format(cell.replace(",", "."))))
            return
        what = f"{cell!r} in channel {name!r} is not a number"
        _note(
            found,
            "number",
            Problem(line, what, "write a number, or leave the cell empty where it is unknown"),
        )
        return
    # float32 is what models are fed: beyond it, a number is infinite as well.
    if math.isinf(number) or abs(number) > FLOAT32_MAX:
        what = f"channel {name!r} is infinite ({cell})"
        _note(
            found,
            "infinite",
            Problem(line, what, "write a number, or leave the cell empty where it is unknown"),
        )


def _note_times(
    found: dict[str, tuple[Problem, int]], config: LabelConfig, texts: list[tuple[int, str]]
) -> None:
    names = stamps.zones([text for _, text in texts if text])
    if len(names) > 1:
        line = next(n for n, text in texts if text and stamps.zones([text]) != stamps.zones([texts[0][1]]))
        shown = ", ".join(name or "none" for name in names)
        what = f"the times are in different time zones: {shown}"
        _note(found, "zone", Problem(line, what, "write all times in one time zone"))
        return
    for line, text in texts:
        problem = _time_problem(config, line, text)
        if problem:
            _note(found, "time", problem)


def _time_problem(config: LabelConfig, line: int, text: str) -> Problem | None:
    if text.lower() in MISSING:
        return Problem(
            line, f"there is no time in {config.time_column!r}", "write the time, or delete the row"
        )
    try:
        if config.time_format is None:
            number = float(text)
            if not math.isinf(number):
                return None
            return Problem(line, f"the time {text!r} is infinite", "write the time, or delete the row")
        stamps.parse([text], config.time_format)
    except (ValueError, OverflowError):
        if config.time_format is None and DECIMAL_COMMA.fullmatch(text):
            cure = POINT.format(text.replace(",", "."))
            return Problem(line, f"the time {text!r} has a decimal comma", cure)
        if config.time_format is None:
            what = f"the time {text!r} is not a number"
            return Problem(
                line, what, 'set timeFormat on <TimeSeries> in the label config, as "%Y-%m-%d %H:%M:%S"'
            )
        what = f"the time {text!r} is not in the timeFormat {config.time_format!r}"
        return Problem(line, what, "write it so, or mend timeFormat in the label config")
    return None


def time_problems(
    raw: bytes, config: LabelConfig, times: NDArray[np.float64] | NDArray[np.int64]
) -> list[Problem]:
    """Times must increase: a row written twice or a clock set back would tear regions apart."""
    if bool((times[1:] > times[:-1]).all()):
        return []
    steps = np.diff(times)
    problems = []
    for wrong, kind in ((steps == 0, "same"), (steps < 0, "back")):
        count = int(wrong.sum())
        if not count:
            continue
        index = int(np.flatnonzero(wrong)[0]) + 1
        before, now = (_time_text(config, times[i]) for i in (index - 1, index))
        same = kind == "same"
        what = f"the time {now} is there twice" if same else f"time goes back, from {before} to {now}"
        cure = "keep one row for each time" if same else "sort the rows by time, or split the recording there"
        problems.append(_counted(Problem(_line(raw, config, index), what, cure), count))
    return sorted(problems, key=lambda p: p.row or 0)


def _time_text(config: LabelConfig, time: np.float64 | np.int64) -> str:
    return stamps.render(int(time), config.time_format) if config.time_format else f"{time:.15g}"


def value_notes(raw: bytes, config: LabelConfig, values: NDArray[np.float32]) -> list[Problem]:
    """What is odd about the numbers of a recording that is accepted."""
    notes = []
    missing = np.isnan(values)
    if missing.any():
        row, _ = np.argwhere(missing)[0]
        parts = [f"{n} in {name!r}" for name, n in zip(config.channels, missing.sum(0), strict=True) if n]
        what = f"{int(missing.sum())} cell(s) without a number: {', '.join(parts)}"
        cure = "nothing: they are filled in for the model, and where there are many not learnt from"
        notes.append(Problem(_line(raw, config, int(row)), what, cure, fatal=False))
    if max(np.fmax.reduce(values, None), -np.fmin.reduce(values, None)) >= FAR:
        row, channel = np.argwhere(np.abs(values) >= FAR)[0]
        what = f"{values[row, channel]:g} in {config.channels[channel]!r} is no measurement, and hides all others"
        cure = "leave cells empty where there is no number"
        notes.append(Problem(_line(raw, config, int(row)), what, cure, fatal=False))
    if len(values) == 1:
        notes.append(Problem(2, "the recording has one row", "check that it was exported whole", fatal=False))
    return notes


def _note(found: dict[str, tuple[Problem, int]], kind: str, problem: Problem) -> None:
    first, count = found.get(kind, (problem, 0))
    found[kind] = (first, count + 1)


def _counted(problem: Problem, count: int) -> Problem:
    if count == 1:
        return problem
    what = f"{problem.what} (and {count - 1} more row(s) like it)"
    return Problem(problem.row, what, problem.cure, problem.fatal)
