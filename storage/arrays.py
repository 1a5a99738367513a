"""`data/arrays/`: the recordings as arrays, an index and a data-quality report, written by ingest.

Layout and example: docs/formats.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from storage.files import read_json, write_json

if TYPE_CHECKING:  # it brings pandas, which those who only read arrays need not wait for
    from storage.series import Series

PATH = Path("data/arrays")
VERSION = 1
CURE = "dvc repro ingest"


@dataclass(frozen=True)
class Entry:
    """What the index says about one series: timepoints, MD5 of its CSV, Hz (None: one timepoint)."""

    rows: int
    md5: str
    sampling_rate: float | None


@dataclass(frozen=True)
class Index:
    """`index.json`: what all series have in common, and each of them."""

    channels: tuple[str, ...]
    sampling_rate: float | None
    series: dict[str, Entry]


def save(folder: Path, key: str, series: Series) -> None:
    """Write the arrays of one series."""
    place = folder / key
    place.parent.mkdir(parents=True, exist_ok=True)
    np.save(place.with_name(place.name + ".npy"), series.values, allow_pickle=False)
    np.save(place.with_name(place.name + ".time.npy"), series.times, allow_pickle=False)


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
    array: NDArray[np.float32] = np.load(path / f"{key}.npy", mmap_mode="r", allow_pickle=False)
    return array


def times(key: str, path: Path = PATH) -> NDArray[np.float64] | NDArray[np.int64]:
    """Times of one series, (timepoints,)."""
    array: NDArray[np.float64] = np.load(path / f"{key}.time.npy", allow_pickle=False)
    return array
