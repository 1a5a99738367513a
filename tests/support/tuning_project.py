"""A folder to tune a small classifier in: series of three shapes, and ranges of a few params."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipelines.tune.result import TuningResult
from pipelines.tune.search import tune
from tests.pipelines.classify.test_classify import one_hot, series, table

ROOT = Path(__file__).parents[2]
FIXED = dict.fromkeys(("filters_1", "filters_2", "filters_3"), 4)
FIXED |= dict.fromkeys(("kernel_size_1", "kernel_size_2", "kernel_size_3"), 3)
RANGES = FIXED | {
    "num_layers": 1, "hidden_size": [2, 5], "dropout": 0.2, "lr": [0.001, 0.05], "weight_decay": 0.01,
    "batch_size": [10, 30], "epochs": None, "steps": None, "label_smoothing": 0.0, "class_weights": True,
    "scaling": ["series", "train"],
}  # fmt: skip
TUNING = {"trials": 5, "folds": 3, "steps": 12, "ranges": RANGES}


def project(folder: Path, **tuning: Any) -> Path:
    """A params.yaml with small ranges, and series."""
    folder.mkdir(exist_ok=True)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").partition("\ntuning:")[0]
    text = text.replace("    steps: null\n", "    steps: 12\n")
    (folder / "params.yaml").write_text(
        f"{text}\n{yaml.safe_dump({'tuning': TUNING | tuning}, sort_keys=False)}", encoding="utf-8"
    )
    for name, count, seed in (("train", 30, 0), ("valid", 15, 1), ("test", 15, 2)):
        values, kinds = series(count, seed)
        table(folder / f"{name}.csv", values, one_hot(kinds))
    return folder


def run(**options: Any) -> TuningResult:
    return tune(Path("train.csv"), **{"valid": Path("valid.csv"), **options})


def ranged(**ranges: Any) -> dict[str, Any]:
    return {"ranges": RANGES | ranges}
