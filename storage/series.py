"""One recording: a CSV under `data/series/`, read and checked against the label config.

`inspect` reads and checks at once, `check` says only what is wrong with a file (before it is uploaded), `read`
insists that nothing is. A good file goes through pandas' C parser; only where that, or a look at the numbers,
finds something off, is the file gone through again to name the row. Rows are lines of the file, from 1, as an
editor shows them: the header is line 1.
"""

from __future__ import annotations

import codecs
import glob
import io
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from storage import times as stamps
from storage.errors import InputError
from storage.label_config import LabelConfig
from storage.problems import (
    MISSING,
    Problem,
    cell_problems,
    header_problems,
    text_problems,
    time_problems,
    value_notes,
)

Times = NDArray[np.float64] | NDArray[np.int64]

PATH = Path("data/series")
# Beyond this ratio two sampling rates are different, and not the jitter of one clock.
RATE_TOLERANCE = 0.02
NA_VALUES = [spell(word) for word in sorted(MISSING) for spell in (str, str.upper, str.title)]
# Rows that are read at once.
CHUNK = 1 << 18


@dataclass(frozen=True)
class Series:
    """The numbers of one recording.

    Attributes:
        values: float32 (timepoints, channels), in the order of the label config; NaN where a cell is empty.
        times: (timepoints,), increasing: float64 as written, or int64 nanoseconds since 1970 UTC where the
            label config has a `timeFormat`; 0..n-1 where it has no time column.
    """

    values: NDArray[np.float32]
    times: Times

    @property
    def sampling_rate(self) -> float | None:
        """Timepoints per second (per unit of time where times are numbers)."""
        return sampling_rate(self.times)


def sampling_rate(times: Times) -> float | None:
    """Timepoints per second, to six digits, by the mean of all steps that are no pause; None for one timepoint.

    The median alone would not do: of 60 Hz written in whole milliseconds it is 17 ms, 2 % too long.
    """
    if len(times) < 2:
        return None
    unit = 1e9 if times.dtype.kind == "i" else 1.0
    steps = np.diff(times)
    median = np.median(steps)
    usual = steps[(steps > 0.5 * median) & (steps < 1.5 * median)]
    return float(f"{unit / float(usual.mean() if len(usual) else median):.6g}")


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


def find(path: str) -> dict[str, Path]:
    """Recordings by series key: in a folder by their path in it, otherwise by their name.

    Raises:
        InputError: there is none, or two have the same key.
    """
    folder = Path(path)
    if folder.is_dir():
        files = (file for file in folder.rglob("*") if file.suffix.lower() == ".csv" and not file.is_dir())
        found = {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}
    else:
        names = [Path(name) for name in sorted(glob.glob(path, recursive=True)) if Path(name).is_file()]  # noqa: PTH207 -- Path.glob refuses absolute patterns
        found = {file.stem: file for file in names}
        if len(found) < len(names):
            twice = [name for name, count in Counter(file.stem for file in names).items() if count > 1]
            why = f"there are several named {twice[0]}.csv"
            raise InputError(
                "two recordings would get the same series key", where=path, why=why, cure="import the folder"
            )
    if not found:
        raise InputError(
            "no recording was found", where=path, why="no *.csv there", cure="labeltrail import FOLDER"
        )
    return dict(sorted(found.items()))


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
    fatal = text_problems(raw, config) or header_problems(raw, config, notes)
    if fatal:
        return None, fatal
    series = _parse(raw, config)
    if series is None or not np.isfinite(series.times).all() or np.isinf(series.values).any():
        return None, cell_problems(raw, config)
    fatal = time_problems(raw, config, series.times)
    if fatal:
        return None, fatal
    return series, notes + value_notes(raw, config, series.values)


def _parse(raw: bytes, config: LabelConfig) -> Series | None:
    """The numbers, or None where a cell is not what it should be.

    Row by row into arrays of their final size, so that a long recording is not in memory twice.
    """
    most = raw.count(b"\n") + 1
    values = np.empty((most, len(config.channels)), np.float32)
    stamped = config.time_column and config.time_format
    times: Times = np.empty(most, np.int64) if stamped else np.empty(most, np.float64)
    rows, zones = 0, set()
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        # A row with more cells than the header is a warning in pandas, and a refusal here.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            for frame in _frames(raw, config):
                part = slice(rows, rows + len(frame))
                for i, name in enumerate(config.channels):
                    values[part, i] = frame[name].to_numpy(np.float32)
                if config.time_column is None:
                    times[part] = np.arange(part.start, part.stop)
                elif config.time_format is None:
                    times[part] = frame[config.time_column].to_numpy(np.float64)
                else:
                    texts = frame[config.time_column].fillna("").tolist()
                    times[part] = stamps.parse(texts, config.time_format)
                    zones |= set(stamps.zones(texts)) if "%z" in config.time_format.lower() else set()
                rows = part.stop
        except (ValueError, OverflowError, pd.errors.ParserWarning):
            return None
    return Series(values[:rows], times[:rows]) if len(zones) < 2 else None


def _frames(raw: bytes, config: LabelConfig) -> Iterator[pd.DataFrame]:
    """The table, some rows at a time."""
    types = dict.fromkeys(config.channels, "float32")
    if config.time_column:
        types[config.time_column] = "str" if config.time_format else "float64"
    table = io.BytesIO(raw)
    table.seek(len(codecs.BOM_UTF8) if raw.startswith(codecs.BOM_UTF8) else 0)
    yield from pd.read_csv(
        table,
        sep=config.sep,
        dtype=types,
        index_col=False,
        chunksize=CHUNK,
        na_values=NA_VALUES,
    )
