"""`data/arrays/`: the recordings as arrays, an index and a data-quality report, written by ingest.

Layout and example: docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from storage.files import read_json, write_json

if TYPE_CHECKING:  # it brings pandas, which those who only read arrays need not wait for
    from storage.series import Series

Times = NDArray[np.float64] | NDArray[np.int64]

PATH = Path("data/arrays")
VERSION = 2
CURE = "dvc repro ingest"


@dataclass(frozen=True)
class Entry:
    """What the index says about one series: timepoints, Hz (None: one timepoint).

    Of a series that was brought to another sampling rate, timepoints and Hz are the new ones.
    """

    rows: int
    sampling_rate: float | None


@dataclass(frozen=True)
class Index:
    """`index.json`: what all series have in common, and each of them."""

    channels: tuple[str, ...]
    sampling_rate: float | None
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
    series = {key: asdict(entry) for key, entry in index.series.items()}
    value = {"channels": index.channels, "sampling_rate": index.sampling_rate, "series": series}
    write_json(folder / "index.json", {"version": VERSION, **value})
    write_json(folder / "quality.json", {"version": VERSION, **quality})


def read_index(path: Path = PATH) -> Index:
    """Read `index.json`.

    Raises:
        InputError: ingest has not run, or its format is newer than known.
    """
    value = read_json(path / "index.json", VERSION, CURE)
    entries = {key: Entry(**entry) for key, entry in value["series"].items()}
    return Index(tuple(value["channels"]), value["sampling_rate"], entries)


def values(key: str, path: Path = PATH) -> NDArray[np.float32]:
    """Channels of one series, (timepoints, channels), mapped from the file, not read into memory."""
    array: NDArray[np.float32] = np.load(path / "values" / f"{key}.npy", mmap_mode="r", allow_pickle=False)
    return array


def times(key: str, path: Path = PATH) -> Times:
    """Times of one series, (timepoints,)."""
    array: Times = np.load(path / "times" / f"{key}.npy", allow_pickle=False)
    return array


def shown_times(key: str, path: Path = PATH) -> Times:
    """For each timepoint the nearest time of the recording, as people see it in Label Studio, (timepoints,).

    The same as `times` but for a series that was brought to another sampling rate.
    """
    shown = path / "shown" / f"{key}.npy"
    if not shown.exists():
        return times(key, path)
    array: Times = np.load(shown, allow_pickle=False)
    return array
