"""`data/dataset/`: a target per timepoint, the splits, and where each window starts, written by window.

A window is a view: a series key and a start in `data/arrays/<series key>.npy`. Nothing is stored twice.
Layout and example: docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.artifacts import arrays
from storage.artifacts.region import Region
from storage.errors import InputError
from storage.files import write_json
from storage.labels.snapshot import Record
from storage.paths import LABELS, SERIES
from storage.project_files import splits_file
from storage.project_files.splits_file import SPLITS
from storage.repo.pointer import pointer_md5
from storage.text import typed
from storage.text.typed import Count, Positive

PATH = Path("data/dataset")
# The splits that a model is trained and evaluated on.
LABELED_SPLITS = ("train", "validation", "test")
VERSION = 2
CURE = "dvc repro window"
REMAKE = "dvc repro --force window"


@dataclass(frozen=True)
class Entry:
    """One series of the dataset.

    Attributes:
        rows: timepoints.
        split: train, validation, test or unassigned.
        group: such as the person that it is of; in one split as a whole.
        annotations: ids of the label records of its targets; empty for a series that is not labeled.
        regions: the labeled regions, by start; split at gaps, as predictions are.
        choices: the labels of the whole series, for classification.
    """

    rows: Count
    split: str
    group: str
    annotations: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def labels(self) -> frozenset[str]:
        """The labels that occur in it."""
        return frozenset([*self.choices, *(region.label for region in self.regions)])


@dataclass(frozen=True)
class Window:
    """The windows that a series is cut into.

    Attributes:
        size: timepoints in a window. A series may be shorter: the rest is padding. Where whole series are classified,
            a window is a series, and all have this length.
        stride: timepoints from one window of a series to the next.
    """

    size: Count
    stride: Count


@dataclass(frozen=True)
class Index:
    """`index.json`.

    Attributes:
        labels: class names; target k of a timepoint is `labels[k - 1]`, target 0 is background.
        instants: labels of instants; the others are of ranges.
        instant_tolerance: timepoints before and after an instant with the target of that instant.
        windows: by split, (series key, start), in order.
        left_out: data that was not used, with the reason, in words.
        warnings: in words.
        provenance: hashes of data/labels and data/series.
    """

    channels: tuple[str, ...]
    labels: tuple[str, ...]
    instants: tuple[str, ...]
    sampling_rate: Positive | None
    instant_tolerance: Count
    window: Window
    series: dict[str, Entry]
    windows: dict[str, tuple[tuple[str, Count], ...]]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]
    provenance: dict[str, str]

    def of(self, name: str) -> list[str]:
        """Keys of the labeled series in a split, sorted."""
        return [k for k, entry in self.series.items() if entry.split == name and entry.annotations]


@dataclass(frozen=True)
class Inputs:
    """What a dataset is built from.

    Attributes:
        recordings: index of the arrays.
        rows: split and group of each series.
        records: label records of each series.
    """

    recordings: arrays.Index
    rows: Mapping[str, splits_file.Row]
    records: Mapping[str, list[Record]]

    @property
    def labeled(self) -> list[str]:
        """Keys of the recordings that have label records, sorted."""
        return sorted(self.records.keys() & self.recordings.series.keys())

    @property
    def without_recording(self) -> set[str]:
        """Labeled series that have no recording."""
        return self.records.keys() - self.recordings.series.keys()

    def entries(self) -> dict[str, Entry]:
        """The recordings with split and group, still without labels, by key."""
        series = sorted(self.recordings.series.items())
        rows = {key: self.rows.get(key, splits_file.Row(key, "unassigned")) for key, _ in series}
        return {key: Entry(found.rows, rows[key].split, rows[key].group, ()) for key, found in series}


def sources() -> dict[str, str]:
    """Hashes of data/labels and data/series, as DVC has them: `provenance` of the index."""
    return {name: pointer_md5(Path(f"{path}.dvc")) for name, path in (("labels", LABELS), ("series", SERIES))}


def save_target(folder: Path, key: str, target: NDArray[np.int16]) -> None:
    """Write the targets of one series."""
    file = folder / f"{key}.target.npy"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, target, allow_pickle=False)


def save_index(folder: Path, index: Index) -> None:
    """Write `index.json`."""
    series = {key: asdict(entry) for key, entry in index.series.items()}
    value = {**vars(index), "window": vars(index.window), "series": series}
    write_json(folder / "index.json", {"version": VERSION, **value})


def read_index(path: Path = PATH) -> Index:
    """Read `index.json`.

    Raises:
        InputError: window has not run, its format is newer than known, or it is invalid.
    """
    file = path / "index.json"
    index = typed.read(file, VERSION, Index, CURE, REMAKE)
    arrays.check_names(index.series, file)
    why = _problem(index)
    if why:
        raise InputError(f"{file} is invalid", where=str(file), why=why, cure=REMAKE)
    return index


def _problem(index: Index) -> str:
    """Why an index is inconsistent; "" where it is consistent."""
    labels = set(index.labels)
    if not labels or len(labels) < len(index.labels) or not labels.issuperset(index.instants):
        return "its labels are none, or one is there twice, or an instant is none of them"
    if not index.window.size or not index.window.stride:
        return "a window has no timepoint"
    if set(sources()) - set(index.provenance):
        return "it does not say which labels and recordings it is of"
    for key, entry in index.series.items():
        if entry.split not in SPLITS:
            return f"the split of {key} is {entry.split!r}"
        if not labels.issuperset(region.label for region in entry.regions):
            return f"{key} has a label that is none of its labels"
        if not all(0 <= r.start <= r.end < entry.rows for r in entry.regions):
            return f"{key} has a region that lies outside of it"
    rows = {key: entry.rows for key, entry in index.series.items()}
    for name, starts in index.windows.items():
        if name not in LABELED_SPLITS or not all(start < rows.get(key, 0) for key, start in starts):
            return f"a window of {name!r} lies outside of its series"
    return ""


def target(key: str, path: Path = PATH) -> NDArray[np.int16]:
    """Targets of one series, (timepoints,): 0 background, 1..K labels, -1 ignored.

    Raises:
        InputError: the file does not exist or is invalid.
    """
    return np.array(arrays.mapped(path / f"{key}.target.npy", 1, ("int16",), REMAKE))


def labeled(key: str, index: Index) -> tuple[NDArray[np.float32], arrays.Times, NDArray[np.int16]]:
    """Values, times and targets of one labeled series, of equal length.

    Raises:
        InputError: they differ: a file is of another run, or somebody else's.
    """
    entry = arrays.Entry(index.series[key].rows, None)
    values, times = arrays.of(key, arrays.Index(index.channels, None, {key: entry}))
    targets = target(key)
    if len(targets) != len(values) or targets.min() < -1 or targets.max() > len(index.labels):
        why = f"it does not hold {len(values)} classes from -1 to {len(index.labels)}"
        where = str(PATH / f"{key}.target.npy")
        raise InputError("a series and its targets do not fit", where=where, why=why, cure=REMAKE)
    return values, times, targets
