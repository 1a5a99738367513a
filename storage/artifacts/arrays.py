"""`data/arrays/`: the recordings as arrays, an index and a data-quality report, written by ingest.

Layout and example: docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import InputError
from storage.files import write_json
from storage.printable import shortened
from storage.s3 import keys
from storage.series.recording import Series
from storage.text import typed
from storage.text.typed import Count, Positive

Times = NDArray[np.float64] | NDArray[np.int64]

PATH = Path("data/arrays")
VERSION = 2
TIMES = ("float64", "int64")
CURE = "dvc repro ingest"
REMAKE = "dvc repro --force ingest window"


@dataclass(frozen=True)
class Entry:
    """One series in the index: timepoints and Hz (None: one timepoint), after resampling."""

    rows: Count
    sampling_rate: Positive | None


@dataclass(frozen=True)
class Index:
    """`index.json`: the series, and their common properties."""

    channels: tuple[str, ...]
    sampling_rate: Positive | None
    series: dict[str, Entry]


def save(folder: Path, key: str, series: Series) -> None:
    """Write the arrays of one series."""
    np.save(_place(folder, "values", key), series.values, allow_pickle=False)
    np.save(_place(folder, "times", key), series.times, allow_pickle=False)


def replace(
    folder: Path, key: str, times: Times, shown: Times, blocks: Iterable[NDArray[np.float32]]
) -> None:
    """Replace the arrays of a series, at another sampling rate.

    Args:
        folder: data/arrays, or its temporary folder.
        key: the series.
        times: its new times.
        shown: for each of them the nearest time of the recording.
        blocks: consecutive blocks of values, (timepoints, channels) each.
    """
    path = _place(folder, "values", key)
    shape = (len(times), values(key, folder).shape[1])
    part = path.with_name(path.name + ".part")
    target = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=shape)  # type: ignore[no-untyped-call]
    start = 0
    for block in blocks:
        target[start : start + len(block)] = block
        start += len(block)
    target.flush()
    part.replace(path)
    np.save(_place(folder, "times", key), times, allow_pickle=False)
    np.save(_place(folder, "shown", key), shown, allow_pickle=False)


def remove(folder: Path, key: str) -> None:
    """Delete the arrays of one series."""
    for kind in ("values", "times"):
        _place(folder, kind, key).unlink()


def _place(folder: Path, kind: str, key: str) -> Path:
    """A folder for each kind: in one folder, the times of `x` could be the values of `x.time`."""
    path = folder / kind / f"{key}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def save_index(folder: Path, index: Index, quality: dict[str, Any]) -> None:
    """Write `index.json` and `quality.json`."""
    write_json(folder / "index.json", {"version": VERSION, **asdict(index)})
    write_json(folder / "quality.json", {"version": VERSION, **quality})


def read_index(path: Path = PATH) -> Index:
    """Read `index.json`.

    Raises:
        InputError: ingest has not run, its format is newer than known, or it is invalid.
    """
    found = typed.read(path / "index.json", VERSION, Index, CURE, REMAKE)
    check_names(found.series, path / "index.json")
    return found


@dataclass(frozen=True)
class Gaps:
    """Gaps of one series."""

    count: Count
    longest_steps: float
    longest_after_row: Count | None


@dataclass(frozen=True)
class Note:
    """A note on a series, or the reason why it was refused."""

    row: int | None
    what: str
    cure: str


@dataclass(frozen=True)
class SeriesQuality:
    """One series in `quality.json`; `nan` has the number of missing values by channel."""

    gaps: Gaps
    nan: dict[str, Count]
    constant: tuple[str, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Quality:
    """`quality.json`."""

    series: dict[str, SeriesQuality]
    refused: dict[str, tuple[Note, ...]]
    not_recordings: tuple[str, ...]
    other_sampling_rates: dict[str, Positive]


def read_quality(path: Path = PATH) -> dict[str, Any] | None:
    """Read `quality.json`; None where ingest has not run.

    Raises:
        InputError: it is newer than known, or invalid.
    """
    file = path / "quality.json"
    return asdict(typed.read(file, VERSION, Quality, CURE, REMAKE)) if file.exists() else None


def check_names(series: Iterable[str], where: Path) -> None:
    """Check series keys, which become paths.

    Raises:
        InputError: one is invalid.
    """
    for key in series:
        why = keys.key_problem(key)
        if why:
            raise InputError(f"{key!r} is no series", where=str(where), why=why, cure=REMAKE)


def values(key: str, path: Path = PATH) -> NDArray[np.float32]:
    """Values of one series, (timepoints, channels), memory-mapped.

    Raises:
        InputError: the file does not exist or is invalid.
    """
    return mapped(path / "values" / f"{key}.npy", 2, ("float32",), REMAKE)


def mapped(path: Path, axes: int, kinds: Sequence[str], cure: str) -> NDArray[Any]:
    """A memory-mapped array: no memory is allocated for the size in its header, and nothing is unpickled.

    Raises:
        InputError: the file does not exist, is truncated or invalid.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError, SyntaxError, MemoryError) as error:
        why = shortened(f"{type(error).__name__}: {error}")
        raise InputError(f"{path} cannot be read", where=str(path), why=why, cure=cure) from error
    if not isinstance(array, np.ndarray) or array.ndim != axes or array.dtype.name not in kinds:
        why = f"it holds no array of {' or '.join(kinds)} with {axes} axes"
        raise InputError(f"{path} cannot be read", where=str(path), why=why, cure=cure)
    return array


def of(key: str, index: Index) -> tuple[NDArray[np.float32], Times]:
    """Values and times of one series, checked against its entry in the index.

    Raises:
        InputError: their shapes differ: a file is of another run, or somebody else's.
    """
    data, moments = values(key), times(key)
    rows, channels = index.series[key].rows, len(index.channels)
    if data.shape != (rows, channels) or len(moments) != rows or not rows:
        actual = f"{data.shape[0]} timepoints of {data.shape[1]} channels and {len(moments)} times"
        why = f"{actual}, not {rows} of {channels}"
        where = str(PATH / "values" / f"{key}.npy")
        raise InputError("data/dataset is older than data/arrays", where=where, why=why, cure=REMAKE)
    return data, moments


def times(key: str, path: Path = PATH) -> Times:
    """Times of one series, (timepoints,).

    Raises:
        InputError: as `values`.
    """
    return np.array(mapped(path / "times" / f"{key}.npy", 1, TIMES, REMAKE))


def shown_times(key: str, path: Path = PATH) -> Times:
    """For each timepoint the nearest time of the recording, (timepoints,): of a resampled series not `times`."""
    shown = path / "shown" / f"{key}.npy"
    if not shown.exists():
        return times(key, path)
    return np.array(mapped(shown, 1, TIMES, REMAKE))
