"""`data/arrays/`: the recordings as arrays, an index and a data-quality report, written by ingest.

Layout and example: docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import InputError
from storage.files import write_json
from storage.printable import shortened
from storage.s3 import keys
from storage.text import typed
from storage.text.typed import Count, Positive

if TYPE_CHECKING:  # it brings pandas, which those who only read arrays need not wait for
    from storage.series.recording_reader import Series

Times = NDArray[np.float64] | NDArray[np.int64]

PATH = Path("data/arrays")
VERSION = 2
TIMES = ("float64", "int64")
CURE = "dvc repro ingest"
REMAKE = "dvc repro --force ingest window"


@dataclass(frozen=True)
class Entry:
    """One series in the index: timepoints, Hz (None: one timepoint).

    Of a resampled series, timepoints and Hz are the new ones.
    """

    rows: Count
    sampling_rate: Positive | None


@dataclass(frozen=True)
class Index:
    """`index.json`: what all series have in common, and each of them."""

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
    """Write a series anew, at another sampling rate; values come in blocks, not all at once.

    Args:
        folder: data/arrays, or what will become it.
        key: the series.
        times: its new times.
        shown: for each of them the nearest time of the recording.
        blocks: values, (timepoints, channels) each.
    """
    path = _place(folder, "values", key)
    shape = (len(times), values(key, folder).shape[1])
    beside = path.with_name(path.name + ".part")
    written = np.lib.format.open_memmap(beside, mode="w+", dtype=np.float32, shape=shape)  # type: ignore[no-untyped-call]
    start = 0
    for block in blocks:
        written[start : start + len(block)] = block
        start += len(block)
    written.flush()
    beside.replace(path)
    np.save(_place(folder, "times", key), times, allow_pickle=False)
    np.save(_place(folder, "shown", key), shown, allow_pickle=False)


def remove(folder: Path, key: str) -> None:
    """Take the arrays of one series away again."""
    for kind in ("values", "times"):
        _place(folder, kind, key).unlink()


def _place(folder: Path, kind: str, key: str) -> Path:
    """A folder for each kind: beside each other, the times of `x` could be the values of `x.time`."""
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
        InputError: ingest has not run, its format is newer than known, or it is not as it must be.
    """
    found = typed.read(path / "index.json", VERSION, Index, CURE, REMAKE)
    check_names(found.series, path / "index.json")
    return found


@dataclass(frozen=True)
class Gaps:
    """Of one series."""

    count: Count
    longest_steps: float
    longest_after_row: Count | None


@dataclass(frozen=True)
class Note:
    """A note on a series, or why it was refused."""

    row: int | None
    what: str
    cure: str


@dataclass(frozen=True)
class Facts:
    """One series in `quality.json`: `nan` counts missing values by channel."""

    gaps: Gaps
    nan: dict[str, Count]
    constant: tuple[str, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Quality:
    """`quality.json`."""

    series: dict[str, Facts]
    refused: dict[str, tuple[Note, ...]]
    not_recordings: tuple[str, ...]
    other_sampling_rates: dict[str, Positive]


def read_quality(path: Path = PATH) -> dict[str, Any] | None:
    """Read `quality.json`; None where ingest has not run.

    Raises:
        InputError: it is newer than known, or not as it must be.
    """
    place = path / "quality.json"
    return asdict(typed.read(place, VERSION, Quality, CURE, REMAKE)) if place.exists() else None


def check_names(series: Iterable[str], where: Path) -> None:
    """Check series keys, for they become paths.

    Raises:
        InputError: one leads out of its folder.
    """
    for key in series:
        why = keys.key_problem(key)
        if why:
            raise InputError(f"{key!r} is no series", where=str(where), why=why, cure=REMAKE)


def values(key: str, path: Path = PATH) -> NDArray[np.float32]:
    """Channels of one series, (timepoints, channels), mapped from the file, not read into memory.

    Raises:
        InputError: the file is not there, or holds something else.
    """
    return mapped(path / "values" / f"{key}.npy", 2, ("float32",), REMAKE)


def mapped(path: Path, axes: int, kinds: Sequence[str], cure: str) -> NDArray[Any]:
    """An array as it lies in its file: no memory is allocated for what a header claims, nothing is unpickled.

    Raises:
        InputError: the file is not there, is cut off, or holds something else.
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
    """Values and times of one series, which are as its entry in the index says.

    Raises:
        InputError: they are not: a file is of another run, or somebody else's.
    """
    found, when = values(key), times(key)
    rows, channels = index.series[key].rows, len(index.channels)
    if found.shape != (rows, channels) or len(when) != rows or not rows:
        its = f"{found.shape[0]} timepoints of {found.shape[1]} channels and {len(when)} times"
        why = f"{its}, not {rows} of {channels}"
        where = str(PATH / "values" / f"{key}.npy")
        raise InputError("data/dataset is older than data/arrays", where=where, why=why, cure=REMAKE)
    return found, when


def times(key: str, path: Path = PATH) -> Times:
    """Times of one series, (timepoints,).

    Raises:
        InputError: as `values`.
    """
    return np.array(mapped(path / "times" / f"{key}.npy", 1, TIMES, REMAKE))


def shown_times(key: str, path: Path = PATH) -> Times:
    """For each timepoint the nearest time of the recording, as people see it in Label Studio, (timepoints,).

    The same as `times` but for a resampled series.
    """
    shown = path / "shown" / f"{key}.npy"
    if not shown.exists():
        return times(key, path)
    return np.array(mapped(shown, 1, TIMES, REMAKE))
