"""One recording: a CSV under `data/series/`, read and checked against the label config.

`examine` reads and checks a file, `read` refuses one with a problem. A plain file is parsed by pandas
(storage/series/recording_plain.py). Any other is read row by row, to name the row that is wrong, or to write the same
table as Label Studio's page reads it. Rows are lines of the file, from 1, as an editor shows them: the header is
line 1.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.errors import InputError
from storage.label_studio.label_config import LabelConfig
from storage.paths import SERIES
from storage.printable import shortened
from storage.series import (
    recording_layout,
    recording_plain,
    recording_rewrite,
    recording_rows,
    recording_scan,
    recording_simple,
)
from storage.series.recording import Series
from storage.series.recording_rewrite import delimiter_problem
from storage.series.validation import Line, Problem, page_time_notes, time_problems, value_notes

PATH = Path(SERIES)
MISSING_AS_WORDS = (
    "missing values are words, like NaN: Label Studio's page draws nothing where one is in view"
)


def key_of(path: Path, root: Path = PATH) -> str:
    """The series key of a recording: its path under `data/series/` without `.csv`."""
    return path.relative_to(root).with_suffix("").as_posix()


@dataclass(frozen=True)
class Examined:
    """A recording that was read and checked.

    Attributes:
        series: its numbers; None where a problem is fatal.
        problems: what is wrong or odd, the fatal first.
        stored: the bytes to store in the place of the file's own, which Label Studio's page would misread; None where
            the file's own will do.
        changes: what is other in them, in words.
        shown: whether the page shows the numbers of the file's own bytes at their times.
    """

    series: Series | None
    problems: list[Problem]
    stored: bytes | None = None
    changes: tuple[str, ...] = ()
    shown: bool = True


def read(path: Path, config: LabelConfig) -> Series:
    """Read one recording that Label Studio's page shows.

    Raises:
        InputError: the recording is refused, or the page would misread it; names the first row that is wrong.
    """
    found = examine(path, config, rewrite=False)
    problems = [p for p in found.problems if p.fatal]
    if found.series is None or not found.shown:
        first = problems[0] if problems else misread_problem(found)
        where = f"{path}:{first.row}" if first.row else str(path)
        raise InputError(first.what, where=where, cure=first.cure)
    return found.series


def misread_problem(found: Examined) -> Problem:
    """Why a recording cannot stay as it is: the page would misread it."""
    what = "Label Studio's page misreads this file, which it would read " + "; ".join(found.changes)
    return Problem(None, what, f"labeltrail import {PATH} writes it so; then labeltrail sync")


def examine(source: Path | bytes, config: LabelConfig, *, rewrite: bool = True) -> Examined:
    """Read and check one recording as people read a table, and as Label Studio's page does.

    Args:
        source: the file, or its bytes.
        config: which columns it must have.
        rewrite: also write missing values anew that are words, though the page reads all numbers beside them.
    """
    raw = source if isinstance(source, bytes) else source.read_bytes()
    wrong = delimiter_problem(config)
    if wrong:
        return Examined(None, [wrong])
    plain = recording_plain.read(raw, config)
    if plain is None:
        return _examine_simple(raw, config) or _examine_rows(raw, config)
    if plain.words and rewrite:
        return _examine_rows(raw, config)
    line = recording_plain.line_of(raw, plain.has_header)
    found = _with_notes(raw, plain.series, plain.names, plain.has_header, config, line)
    if plain.words and found.series is not None:
        cure = f"labeltrail import {PATH} writes empty cells for them"
        found.problems.append(Problem(None, MISSING_AS_WORDS, cure, fatal=False))
    return found


def _examine_simple(raw: bytes, config: LabelConfig) -> Examined | None:
    """The same for a file that becomes plain as a whole; None for any other."""
    simple = recording_simple.simplify(raw, config)
    plain = recording_plain.read(simple[0], config) if simple else None
    if simple is None or plain is None or plain.words or not plain.has_header:
        return None
    line = recording_plain.line_of(simple[0], has_header=True)
    return _rewritten(_with_notes(raw, plain.series, plain.names, True, config, line), *simple, shown=False)


def _examine_rows(raw: bytes, config: LabelConfig) -> Examined:
    """The same, row by row, for a file that is not plain."""
    layout = recording_layout.find(raw, config)
    if isinstance(layout, list):
        return Examined(None, layout)
    scanned = recording_scan.scan(raw, layout, config)
    if scanned.problems.kinds:
        return Examined(None, scanned.problems.counted())
    plan = recording_rewrite.plan(scanned)
    if isinstance(plan, Problem):
        return Examined(None, [plan])
    stored = recording_rewrite.write(raw, scanned, plan)
    if isinstance(stored, Problem):
        return Examined(None, [stored])
    plain = recording_plain.read(stored, config)
    if plain is None or (len(plain.series.values), plain.has_header) != (scanned.rows, layout.header > 0):
        return Examined(None, [recording_rewrite.unreadable_by_page(stored, config)])

    def line(timepoint: int) -> int:
        rows = recording_rows.rows(raw, layout, config)
        return next(number for place, (number, _) in enumerate(rows) if place == timepoint)

    found = _with_notes(raw, plain.series, layout.names, layout.header > 0, config, line)
    reads = recording_rewrite.page_reads(raw, layout, config)
    if reads:
        return found
    return _rewritten(found, stored, plan.changes or ("in its own form",), shown=reads is None)


def _rewritten(found: Examined, stored: bytes, changes: tuple[str, ...], *, shown: bool) -> Examined:
    """The recording with the bytes to store in the place of its own; as it is where its times are refused."""
    if found.series is None:
        return found
    what = f"stored as Label Studio's page reads it: {'; '.join(changes)}"
    note = Problem(None, what, "nothing: the numbers are the same", fatal=False)
    return Examined(found.series, [note, *found.problems], stored, changes, shown)


def _with_notes(
    raw: bytes, series: Series, names: Sequence[str], has_header: bool, config: LabelConfig, line: Line
) -> Examined:
    """The recording with notes on its file, times and values; without numbers where its times are refused."""
    problems = time_problems(config, series.times, line)
    if problems:
        return Examined(None, problems)
    notes = _file_notes(raw, names, has_header, config) + page_time_notes(config, series.times, line)
    return Examined(series, notes + value_notes(config, series.values, line))


def _file_notes(raw: bytes, names: Sequence[str], has_header: bool, config: LabelConfig) -> list[Problem]:
    """Notes on the header, unused columns, the byte order mark and line ends."""
    notes = []
    if not has_header:
        what = f"the file has no header: its columns are called {names[0]} to {names[-1]}"
        cure = "nothing, if they are in the order that the label config means"
        notes.append(Problem(1, what, cure, fatal=False))
    places = recording_layout.resolve(names, config)
    needed = set(places.values()) if isinstance(places, dict) else set()
    extra = [name for place, name in enumerate(names) if place not in needed]
    # A column without a name is what pandas writes for the numbers of rows, or what stands behind a last separator.
    if any(extra):
        shown = shortened(", ".join(repr(name) for name in extra))
        what = f"{len(extra)} column(s) that the label config does not know: {shown}"
        notes.append(Problem(1, what, "nothing, if they are not needed: they are left out", fatal=False))
    if raw.startswith(codecs.BOM_UTF8):
        what = "the file starts with a byte order mark"
        notes.append(Problem(1, what, "nothing: it is read fine", fatal=False))
    if b"\r\n" in raw[: 1 << 16]:
        notes.append(Problem(1, "the lines end as on Windows", "nothing: they are read fine", fatal=False))
    return notes
