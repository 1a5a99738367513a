"""A project whose model was trained, in seconds, to know that label A is channel x up and label B is channel y up."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.artifacts import predictions
from storage.labels import label_changes, label_store, snapshot
from tests.support.stage_project import noise, run_all, small

SCALES = [1e-3, 1e4]  # of channels x and y
LEARNING = {"epochs": 15, "min_batches": 12, "hidden_size": 16, "learning_rate": 0.02}
SPLITS = {"v": "validation", "t": "test"} | dict.fromkeys(("blip", "dip", "short", "three"), "unassigned")


def recording(spans: list[tuple[int, int, int]], rows: int = 600, seed: int = 0) -> np.ndarray:
    """Noise; from one row to another a channel is up."""
    values = noise(rows, seed) * 0.2
    for start, end, channel in spans:
        values[start : end + 1, channel] += 3
    return values * SCALES


def lay(root: Path) -> Path:
    """Train, with three regions in each of five labeled recordings; predict those and four odd ones."""
    spans = {
        key: [(40 + 7 * i, 75 + 9 * i, 0), (200 + 5 * i, 240 + 4 * i, 1), (380 - 3 * i, 415 - 2 * i, i % 2)]
        for i, key in enumerate(("a", "b", "c", "v", "t"))
    }
    series = {key: recording(found, seed=i) for i, (key, found) in enumerate(spans.items())}
    series |= {"blip": recording([(300, 300, 0)], seed=8), "dip": recording([(280, 319, 0)], seed=9)}
    series["dip"][300, 0] = 0
    series |= {"short": recording([(8, 43, 0)], 49), "three": recording([(0, 2, 1)], 3)}
    said = {key: [(float(s), float(e), "AB"[c]) for s, e, c in found] for key, found in spans.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        small(series, said, splits=SPLITS, params={"train": LEARNING, "window": {"size": 256}})
        run_all()
    return root


def relabel(*records: dict[str, Any]) -> None:
    """Other labels in the place of those of the project in the current folder."""
    shutil.rmtree("data/labels", ignore_errors=True)
    snapshot.write(Path("data/labels"), snapshot.dump(records))


def found_in(key: str) -> list[tuple[str, int, int]]:
    """Label, first and last timepoint of each predicted region of a series."""
    return [(r.label, r.start_row, r.end_row) for r in predictions.read(key).regions]


def shards() -> dict[str, bytes]:
    """The label snapshot of the project in the current folder."""
    return {path.name: path.read_bytes() for path in Path("data/labels").iterdir()}


def annotations_changed(before: dict[str, bytes], after: dict[str, bytes]) -> dict[str, int]:
    """How many annotations were added, changed and removed, as a label commit counts them."""
    pairs = [(before.get(name, b""), after.get(name, b"")) for name in {*before, *after}]
    return dict(
        label_changes.count(change for pair in pairs for change in label_store.between(*pair)).annotations
    )
