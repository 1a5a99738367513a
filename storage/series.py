"""One recording: a CSV under `data/series/`, read and checked against the label config.

`inspect` reads and checks at once, `check` says only what is wrong with a file (before it is uploaded), `read`
insists that nothing is. A good file goes through pandas' C parser; only where that, or a look at the numbers,
finds something off, is the file gone through again to name the row. Rows are lines of the file, from 1, as an
editor shows them: the header is line 1.
"""

from __future__ import annotations

import csv
import io
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from storage import times as stamps
from storage.errors import InputError
from storage.label_config import LabelConfig

PATH = Path("data/series")
# What counts as an empty cell, in any case; pandas' own list, so that both ways of reading agree.
MISSING = {"", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>"}
MISSING |= {"n/a", "na", "nan", "none", "null"}
# Beyond this ratio two sampling rates are different, and not the jitter of one clock.
RATE_TOLERANCE = 0.02


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


@dataclass(frozen=True)
class Series:
    """The numbers of one recording.

    Attributes:
        values: float32 (timepoints, channels), in the order of the label config; NaN where a cell is empty.
        times: (timepoints,), increasing: float64 as written, or int64 nanoseconds since 1970 UTC where the
            label config has a `timeFormat`; 0..n-1 where it has no time column.
    """

    values: NDArray[np.float32]
    times: NDArray[np.float64] | NDArray[np.int64]

    @property
    def sampling_rate(self) -> float | None:
        """Timepoints per second (per unit of time where times are numbers), by the median step."""
        return sampling_rate(self.times)


def sampling_rate(times: NDArray[np.float64] | NDArray[np.int64]) -> float | None:
    """Median timepoints per second, to six digits; None for a single timepoint."""
    if len(times) < 2:
        return None
    unit = 1e9 if times.dtype.kind == "i" else 1.0
    return float(f"{unit / float(np.median(np.diff(times))):.6g}")


def different_rates(rates: Mapping[str, float | None]) -> tuple[float | None, dict[str, float]]:
    """Compare recordings of one project: the rate of most of them, and those that have another one."""
    known = {key: rate for key, rate in sorted(rates.items()) if rate is not None}
    if not known:
        return None, {}
    counts = Counter(known.values())
    common = max(counts, key=lambda rate: (sum(n for r, n in counts.items() if _near(r, rate)), counts[rate]))
    return common, {key: rate for key, rate in known.items() if not _near(rate, common)}


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= RATE_TOLERANCE * max(a, b)


def key_of(path: Path, root: Path = PATH) -> str:
    """The series key of a recording: its path under `data/series/` without `.csv`."""
    return path.relative_to(root).with_suffix("").as_posix()


def read(path: Path, config: LabelConfig) -> Series:
    """Read one recording.

    Raises:
        InputError: the recording is refused; names the first row that is wrong.
    """
    series, problems = inspect(path, config)
    if series is None:
        first = next(p for p in problems if p.fatal)
        where = f"{path}:{first.row}" if first.row else str(path)
        raise InputError(first.what, where=where, cure=first.cure)
    return series


def check(source: Path | bytes, config: LabelConfig) -> list[Problem]:
    """What is wrong or odd about a recording, the fatal first; empty for a good one."""
    return inspect(source, config)[1]


def inspect(source: Path | bytes, config: LabelConfig) -> tuple[Series | None, list[Problem]]:
    """Read and check one recording; the series is None where a problem is fatal."""
    raw = source if isinstance(source, bytes) else source.read_bytes()
    notes: list[Problem] = []
    fatal = _text_problems(raw) or _header_problems(raw, config, notes)
    if fatal:
        return None, fatal
    series = _parse(raw, config)
    if series is None or not np.isfinite(series.times).all() or np.isinf(series.values).any():
        return None, _cell_problems(raw, config)
    fatal = _time_problems(raw, config, series.times)
    if not fatal:
        notes += _value_notes(raw, config, series.values)
    return (None, fatal) if fatal else (series, notes)


def _text_problems(raw: bytes) -> list[Problem]:
    if not raw.strip():
        return [Problem(None, "the file is empty", "export the recording again")]
    try:
        text = raw[:3].removeprefix(b"\xef\xbb\xbf") + raw[3:]
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        return [Problem(row, "the file is not UTF-8 text", "save it as CSV in UTF-8")]
    if b"\0" in raw:
        row = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        return [Problem(row, "the file holds a zero byte: it is not text", "save it as CSV in UTF-8")]
    return []


def _header_problems(raw: bytes, config: LabelConfig, notes: list[Problem]) -> list[Problem]:
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
    near = get_close_matches(name, [h for h in header if h not in known], 1)
    if near:
        return f"the file has {near[0]!r}: rename the column, or name it so in the label config"
    return f"add the column, or take {name!r} out of the label config; the file has: {', '.join(header)}"


def _parse(raw: bytes, config: LabelConfig) -> Series | None:
    """The numbers, or None where a cell is not what it should be."""
    time = config.time_column
    types = dict.fromkeys(config.channels, "float32")
    if time:
        types[time] = "str" if config.time_format else "float64"
    with warnings.catch_warnings():
        # A row with more cells than the header is a warning in pandas, and a refusal here.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame = pd.read_csv(
                io.BytesIO(raw),
                sep=config.sep,
                dtype=types,
                index_col=False,
                encoding="utf-8-sig",
                na_values=[*sorted(MISSING), *("NA", "NAN", "NONE", "Na", "Nan", "Null", "N/a")],
            )
            values = frame[list(config.channels)].to_numpy(np.float32)
            if time is None:
                return Series(values, np.arange(len(values), dtype=np.float64))
            if config.time_format is None:
                return Series(values, frame[time].to_numpy(np.float64))
            texts = frame[time].fillna("").tolist()
            return Series(values, stamps.parse(texts, config.time_format)) if _one_zone(texts) else None
        except (ValueError, OverflowError, pd.errors.ParserWarning):
            return None


def _one_zone(texts: list[str]) -> bool:
    return len(stamps.zones(texts)) < 2


def _rows(raw: bytes, config: LabelConfig) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each line that is not blank, the header first."""
    text = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=config.sep)
    for row in reader:
        if row and any(row):
            yield reader.line_num, row


def _line(raw: bytes, config: LabelConfig, index: int) -> int:
    """The line of the file on which a timepoint is written."""
    for number, (line, _) in enumerate(_rows(raw, config)):
        if number == index + 1:
            return line
    raise IndexError(index)


def _cell_problems(raw: bytes, config: LabelConfig) -> list[Problem]:
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
    return [_counted(problem, count) for problem, count in found.values()]


def _note_cell(found: dict[str, tuple[Problem, int]], line: int, name: str, cell: str) -> None:
    cell = cell.strip()
    if cell.lower() in MISSING:
        return
    try:
        number = float(cell)
    except ValueError:
        what = f"{cell!r} in channel {name!r} is not a number"
        _note(
            found,
            "number",
            Problem(line, what, "write a number, or leave the cell empty where it is unknown"),
        )
        return
    # float32 is what models are fed: beyond it, a number is infinite as well.
    if math.isinf(number) or abs(number) > np.finfo(np.float32).max:
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
        if config.time_format is None:
            what = f"the time {text!r} is not a number"
            return Problem(
                line, what, 'set timeFormat on <TimeSeries> in the label config, as "%Y-%m-%d %H:%M:%S"'
            )
        what = f"the time {text!r} is not in the timeFormat {config.time_format!r}"
        return Problem(line, what, "write it so, or mend timeFormat in the label config")
    return None


def _time_problems(
    raw: bytes, config: LabelConfig, times: NDArray[np.float64] | NDArray[np.int64]
) -> list[Problem]:
    """Times must increase: a twice-written row or a clock set back would tear regions apart."""
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


def _value_notes(raw: bytes, config: LabelConfig, values: NDArray[np.float32]) -> list[Problem]:
    notes = []
    missing = np.isnan(values)
    if missing.any():
        row, _ = np.argwhere(missing)[0]
        parts = [f"{n} in {name!r}" for name, n in zip(config.channels, missing.sum(0), strict=True) if n]
        what = f"{int(missing.sum())} cell(s) without a number: {', '.join(parts)}"
        cure = "nothing: these timepoints are filled in for the model and not learnt from"
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
