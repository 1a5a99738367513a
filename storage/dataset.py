"""`data/dataset/`: a target per timepoint, the sets, and where each window starts, written by window.

A window is a view: a series key and a start in `data/arrays/<series key>.npy`. Nothing is stored twice.
Layout and example: docs/formats.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.files import read_json, write_json
from storage.pointer import pointer_md5
from storage.regions import Region

PATH = Path("data/dataset")
LABELS, RECORDINGS = Path("data/labels"), Path("data/series")
# The sets that a model is made and judged with.
LEARNT = ("train", "validation", "test")
VERSION = 2
CURE = "dvc repro window"


@dataclass(frozen=True)
class Entry:
    """One series of the dataset.

    Attributes:
        rows: timepoints.
        set: train, validation, test or unassigned.
        group: whom it is of.
        annotations: ids of the label records that its targets were made from; empty: nobody labeled it.
        regions: the true regions, by start; one over a gap is there in parts, as what is predicted.
        choices: what the whole series is, where the label config asks that.
    """

    rows: int
    set: str
    group: str
    annotations: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def labels(self) -> frozenset[str]:
        """Classes that occur."""
        return frozenset([*self.choices, *(region.label for region in self.regions)])


@dataclass(frozen=True)
class Index:
    """`index.json`.

    Attributes:
        labels: class names; of timepoints target k is `labels[k - 1]`, target 0 is background.
        instants: the labels that stand for instants; all others stand for ranges.
        instant_tolerance: timepoints before and after an instant that are taught as that instant.
        size: timepoints in a window. A series may be shorter: the rest is padding. Where whole series are classified,
            a window is a series, and all have this length.
        stride: timepoints from one window of a series to the next.
        windows: by set, (series key, start), in order.
        left_out: what was not used, and why, in words.
        warnings: what a person should know, in words.
        provenance: hashes of data/labels and data/series.
    """

    channels: tuple[str, ...]
    labels: tuple[str, ...]
    instants: tuple[str, ...]
    sampling_rate: float | None
    instant_tolerance: int
    size: int
    stride: int
    series: dict[str, Entry]
    windows: dict[str, tuple[tuple[str, int], ...]]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]
    provenance: dict[str, str]

    def of(self, name: str) -> list[str]:
        """Keys of the labeled series in a set, sorted."""
        return [k for k, entry in self.series.items() if entry.set == name and entry.annotations]


def sources() -> dict[str, str]:
    """Hashes of data/labels and data/series, as DVC has them: `provenance` of the index."""
    return {
        name: pointer_md5(path.with_suffix(".dvc"))
        for name, path in (("labels", LABELS), ("series", RECORDINGS))
    }


def save_target(folder: Path, key: str, target: NDArray[np.int16]) -> None:
    """Write the targets of one series."""
    place = folder / f"{key}.target.npy"
    place.parent.mkdir(parents=True, exist_ok=True)
    np.save(place, target, allow_pickle=False)


def save_index(folder: Path, index: Index) -> None:
    """Write `index.json`."""
    write_json(folder / "index.json", _to_json(index))


def _to_json(index: Index) -> dict[str, Any]:
    series = {
        key: {
            "rows": entry.rows,
            "set": entry.set,
            "group": entry.group,
            "annotations": entry.annotations,
            "regions": [region.to_json() for region in entry.regions],
            "choices": entry.choices,
        }
        for key, entry in index.series.items()
    }
    return {
        "version": VERSION,
        "channels": index.channels,
        "labels": index.labels,
        "instants": index.instants,
        "sampling_rate": index.sampling_rate,
        "instant_tolerance": index.instant_tolerance,
        "window": {"size": index.size, "stride": index.stride},
        "series": series,
        "windows": index.windows,
        "left_out": index.left_out,
        "warnings": index.warnings,
        "provenance": index.provenance,
    }


def read_index(path: Path = PATH) -> Index:
    """Read `index.json`.

    Raises:
        InputError: window has not run, or its format is newer than known.
    """
    value = read_json(path / "index.json", VERSION, CURE)
    series = {
        key: Entry(
            entry["rows"],
            entry["set"],
            entry["group"],
            tuple(entry["annotations"]),
            tuple(Region.from_json(region) for region in entry["regions"]),
            tuple(entry["choices"]),
        )
        for key, entry in value["series"].items()
    }
    return Index(
        channels=tuple(value["channels"]),
        labels=tuple(value["labels"]),
        instants=tuple(value["instants"]),
        sampling_rate=value["sampling_rate"],
        instant_tolerance=value["instant_tolerance"],
        size=value["window"]["size"],
        stride=value["window"]["stride"],
        series=series,
        windows={name: tuple((k, s) for k, s in starts) for name, starts in value["windows"].items()},
        left_out=tuple(value["left_out"]),
        warnings=tuple(value["warnings"]),
        provenance=value["provenance"],
    )


def target(key: str, path: Path = PATH) -> NDArray[np.int16]:
    """Targets of one series, (timepoints,): 0 background, 1..K labels, -1 says nothing."""
    array: NDArray[np.int16] = np.load(path / f"{key}.target.npy", allow_pickle=False)
    return array
