"""One recording: a CSV under `data/series/`, read and checked against the label config.

`examine` reads and checks at once, `check` says only what is wrong with a file (before it is uploaded), `read`
insists that nothing is. A plain file goes through pandas' C parser (storage/series/recording_plain.py); any other
is gone through row by row, to name the row that is wrong, or to write the same table as Label Studio's page reads
it. Rows are lines of the file, from 1, as an editor shows them: the header is line 1.
"""

from __future__ import annotations

import codecs
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
from storage.series.recording import Series, Times, different_rates, sampling_rate
from storage.series.recording_rewrite import separator_problem
from storage.series.validation import Line, Problem, page_time_notes, time_problems, value_notes

__all__ = [
    "PATH", "Examined", "Series", "Times", "check", "different_rates", "examine", "inspect", "key_of",
    "misread", "read", "sampling_rate",
]  # fmt: skip

PATH = Path(SERIES)
WORDS = "missing values are words, like NaN: Label Studio's page draws nothing where one is in view"


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
        first = problems[0] if problems else misread(found)
        where = f"{path}:{first.row}" if first.row else str(path)
        raise InputError(first.what, where=where, cure=first.cure)
    return found.series


def misread(found: Examined) -> Problem:
    """Why a recording cannot stay as it is: the page would misread it."""
    what = "Label Studio's page misreads this file, which it would read " + "; ".join(found.changes)
    return Problem(None, what, f"labeltrail import {PATH} writes it so; then labeltrail sync")


def check(source: Path | bytes, config: LabelConfig) -> list[Problem]:
    """What is wrong or odd about a recording, the fatal first; empty for a good one."""
    return inspect(source, config)[1]


def inspect(source: Path | bytes, config: LabelConfig) -> tuple[Series | None, list[Problem]]:
    """Read and check one recording; the series is None where a problem is fatal."""
    found = examine(source, config)
    return found.series, found.problems


def examine(source: Path | bytes, config: LabelConfig, *, rewrite: bool = True) -> Examined:
    """Read and check one recording as people read a table, and as Label Studio's page does.

    Args:
        source: the file, or its bytes.
        config: which columns it must have.
        rewrite: also write missing values anew that are words, though the page reads all numbers beside them.
    """
    raw = source if isinstance(source, bytes) else source.read_bytes()
    wrong = separator_problem(config)
    if wrong:
        return Examined(None, [wrong])
    plain = recording_plain.read(raw, config)
    if plain is None:
        return _examine_simple(raw, config) or _examine_rows(raw, config)
    if plain.words and rewrite:
        return _examine_rows(raw, config)
    line = recording_plain.line_of(raw, plain.has_header)
    problems = time_problems(config, plain.series.times, line)
    if problems:
        return Examined(None, problems)
    header = [] if plain.has_header else [_no_header(plain.names)]
    notes = [*header, *_file_notes(raw, plain.names, config), *_number_notes(config, plain.series, line)]
    if plain.words:
        cure = f"labeltrail import {PATH} writes empty cells for them"
        notes.append(Problem(None, WORDS, cure, fatal=False))
    return Examined(plain.series, notes)


def _examine_simple(raw: bytes, config: LabelConfig) -> Examined | None:
    """The same for a file that becomes plain as a whole; None for any other."""
    simple = recording_simple.simplify(raw, config)
    plain = recording_plain.read(simple[0], config) if simple else None
    if simple is None or plain is None or plain.words or not plain.has_header:
        return None
    line = recording_plain.line_of(simple[0], has_header=True)
    problems = time_problems(config, plain.series.times, line)
    if problems:
        return Examined(None, problems)
    notes = [*_file_notes(raw, plain.names, config), *_number_notes(config, plain.series, line)]
    return _stored(plain.series, notes, *simple, shown=False)


def _stored(
    series: Series, notes: list[Problem], stored: bytes, changes: tuple[str, ...], *, shown: bool
) -> Examined:
    what = f"stored as Label Studio's page reads it: {'; '.join(changes)}"
    told = Problem(None, what, "nothing: the numbers are the same", fatal=False)
    return Examined(series, [told, *notes], stored, changes, shown)


def _examine_rows(raw: bytes, config: LabelConfig) -> Examined:
    """The same, row by row, for a file that is not plain."""
    layout = recording_layout.find(raw, config)
    if isinstance(layout, list):
        return Examined(None, layout)
    found = recording_scan.scan(raw, layout, config)
    if found.problems:
        return Examined(None, found.fatal())
    written = recording_rewrite.plan(found)
    stored = written if isinstance(written, Problem) else recording_rewrite.write(raw, found, written)
    if isinstance(written, Problem) or isinstance(stored, Problem):
        return Examined(None, [written if isinstance(written, Problem) else stored])  # type: ignore[list-item]
    plain = recording_plain.read(stored, config)
    if plain is None or (len(plain.series.values), plain.has_header) != (found.rows, layout.header > 0):
        return Examined(None, [recording_rewrite.unshown(stored, config)])

    def line(timepoint: int) -> int:
        rows = recording_rows.rows(raw, layout, config)
        return next(number for place, (number, _) in enumerate(rows) if place == timepoint)

    problems = time_problems(config, plain.series.times, line)
    if problems:
        return Examined(None, problems)
    reads = recording_rewrite.page_reads(raw, layout, config)
    header = [] if layout.header else [_no_header(list(layout.names))]
    notes = [*header, *_file_notes(raw, list(layout.names), config)]
    notes += _number_notes(config, plain.series, line)
    if reads:
        return Examined(plain.series, notes)
    return _stored(plain.series, notes, stored, written.changes or ("in its own form",), shown=reads is None)


def _number_notes(config: LabelConfig, series: Series, line: Line) -> list[Problem]:
    return page_time_notes(config, series.times, line) + value_notes(config, series.values, line)


def _no_header(names: list[str]) -> Problem:
    what = f"the file has no header: its columns are called {names[0]} to {names[-1]}"
    return Problem(1, what, "nothing, if they are in the order that the label config means", fatal=False)


def _file_notes(raw: bytes, names: list[str], config: LabelConfig) -> list[Problem]:
    """What is only odd about a file."""
    notes = []
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
