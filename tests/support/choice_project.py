"""Small projects whose label config asks what whole recordings are, laid in the current folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stages import ingest, predict, promote, train, window
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.label_studio.label_config import Task
from storage.labels import snapshot
from storage.project_files import splits_file
from tests.support.stage_project import ROOT, write_params

ROWS = 40
CLASSIFIER = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["train"]["classifier"]
TINY = {
    "num_layers": 1, "hidden_size": 8, "filters_1": 8, "filters_2": 8, "filters_3": 8, "kernel_size_1": 5,
    "kernel_size_2": 3, "kernel_size_3": 3, "dropout": 0.2, "steps": 120,
}  # fmt: skip


def wave(kind: str, seed: int, rows: int = ROWS) -> np.ndarray:
    """(rows, 2): `slow` or `fast` in channel x, noise in both."""
    rng = np.random.default_rng(seed)
    turns = {"slow": 1.5, "fast": 5.0}.get(kind, 0.0)
    values = rng.normal(0, 0.2, (rows, 2))
    values[:, 0] += np.sin(np.linspace(0, 2 * np.pi * turns, rows) + rng.uniform(0, 6))
    return values.round(4)


def record(series: str, choices: list[str], number: int = 1, **more: Any) -> dict[str, Any]:
    """What one annotator chose for a series."""
    item = {"id": f"c{number}", "type": "choices", "from_name": "label", "to_name": "ts"}
    result = [item | {"value": {"choices": choices}}] if choices else []
    fixed = {"annotator": "ann", "ground_truth": False, "was_cancelled": False}
    moments = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
    return {**fixed, **moments, "id": f"{number}-{series}", "series": series, "result": result, **more}


def lay(
    series: dict[str, np.ndarray],
    records: list[dict[str, Any]],
    of_sets: dict[str, str],
    labels: tuple[str, ...] = ("slow", "fast"),
    task: Task = "binary",
    **params: Any,
) -> None:
    """Recordings, what was chosen for them, sets and params."""
    for key, values in series.items():
        lines = [
            f"{i},{','.join('' if np.isnan(v) else str(v) for v in row)}" for i, row in enumerate(values)
        ]
        write_bytes(Path(f"data/series/{key}.csv"), ("time,x,y\n" + "\n".join(lines) + "\n").encode())
    xml = label_config.render(("x", "y"), labels, "time", task=task)
    write_bytes(Path("data/label_config.xml"), xml.encode())
    snapshot.write(Path("data/labels"), snapshot.dump(records))
    splits_file.write({key: splits_file.Row(key, of_sets.get(key, "unassigned")) for key in series})
    write_params(train={"classifier": {**CLASSIFIER, **TINY, **params}})


def run_all() -> None:
    """From recordings to predictions."""
    for stage in (ingest, window, train, promote, predict):
        stage.main()
