"""Labeled recordings as the segmenter's benchmark takes them, and how a folder of them is read.

A folder holds `tasks.json`, as Label Studio exports it, and the CSV files that its tasks name in `data.csv`:
a column `time`, every other column a channel. `data.subject` says whose recording it is; people, never
recordings of one person, are what is held back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.demo.accelerometer import simulate
from storage.artifacts.region import Region


@dataclass(frozen=True)
class Recording:
    """One labeled recording.

    Attributes:
        key: its name, the CSV's without folder and ending.
        group: the person; no person is in training and in test.
        times: float64 (timepoints,), increasing, as written.
        values: float32 (timepoints, channels).
        regions: by start.
    """

    key: str
    group: str
    times: NDArray[np.float64]
    values: NDArray[np.float32]
    regions: tuple[Region, ...]


def load(folder: Path) -> list[Recording]:
    """All recordings of a folder, by key."""
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    return sorted((_recording(folder, task) for task in tasks), key=lambda recording: recording.key)


def simulated() -> list[Recording]:
    """Made-up recordings of ranges and instants in random order, by key."""
    made = (Recording(r.series, r.subject, r.times, r.values, r.regions) for r in simulate())
    return sorted(made, key=lambda recording: recording.key)


def labels_of(recordings: Iterable[Recording]) -> list[str]:
    """The labels that are used, sorted: a folder has no label config."""
    return sorted({region.label for recording in recordings for region in recording.regions})


def by_group(recordings: Iterable[Recording], folds: int) -> list[tuple[list[Recording], list[Recording]]]:
    """Training and test recordings of each fold: the people, numbered by name from 1, go round the folds.

    >>> one, two = (Recording(k, k, np.zeros(0), np.zeros((0, 1), np.float32), ()) for k in ("a", "b"))
    >>> [[r.key for r in test] for _, test in by_group([one, two], 2)]
    [['b'], ['a']]
    """
    everyone = list(recordings)
    number = {group: n for n, group in enumerate(sorted({r.group for r in everyone}), 1)}
    fold = [number[r.group] % folds for r in everyone]
    return [
        (
            [r for r, f in zip(everyone, fold, strict=True) if f != k],
            [r for r, f in zip(everyone, fold, strict=True) if f == k],
        )
        for k in range(folds)
    ]


def _recording(folder: Path, task: dict[str, Any]) -> Recording:
    path = Path(task["data"]["csv"])
    table = pd.read_csv(folder / path)
    times = table.pop("time").to_numpy(np.float64)
    (annotation,) = task["annotations"]
    regions = sorted(_region(times, item["value"]) for item in annotation["result"])
    return Recording(path.stem, task["data"]["subject"], times, table.to_numpy(np.float32), tuple(regions))


def _region(times: NDArray[np.float64], value: dict[str, Any]) -> Region:
    start, end = (nearest(times, float(value[side])) for side in ("start", "end"))
    (label,) = value["timeserieslabels"]
    return Region(start, end, label, bool(value["instant"]))


def nearest(times: NDArray[np.float64], time: float) -> int:
    """The timepoint closest to a time; of two as close the earlier."""
    return int(np.abs(times - time).argmin())
