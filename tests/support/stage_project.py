"""Small projects for the tests of the stages, laid in the current folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipelines.demo import accelerometer
from stages import evaluate, ingest, predict, promote, train, window
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.labels import snapshot
from storage.project_files import splits_file

ROOT = Path(__file__).parents[2]
QUICK = {"train": {"epochs": 2, "hidden_size": 8, "min_batches": 2}, "window": {"size": 512}}
Region = tuple[float, float, str]


def write_params(**changes: dict[str, Any]) -> None:
    value = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, fields in {**QUICK, **changes}.items():
        value[section].update(fields)
    Path("params.yaml").write_text(yaml.safe_dump(value))


def record(series: str, regions: list[Region], number: int = 1, **more: Any) -> dict[str, Any]:
    result = [
        {
            "id": f"{series}{i}",
            "type": "timeserieslabels",
            "from_name": "label",
            "to_name": "ts",
            "value": {"start": s, "end": e, "instant": s == e, "timeserieslabels": [label]},
        }
        for i, (s, e, label) in enumerate(regions)
    ]
    fixed = {"annotator": "ann", "ground_truth": False, "was_cancelled": False}
    moments = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
    return {**fixed, **moments, "id": f"{number}-000000", "series": series, "result": result, **more}


def lay_simulated(root: Path) -> None:
    made = accelerometer.simulate(6, 4)
    records = []
    for recording in made:
        write_bytes(root / f"data/series/{recording.series}.csv", recording.to_csv())
        spans = [
            (float(recording.times[r.start]), float(recording.times[r.end]), r.label)
            for r in recording.regions
        ]
        records.append(record(recording.series, spans))
    snapshot.write(root / "data/labels", snapshot.dump(records[:5]))
    rows = dict(
        zip([r.series for r in made], ["train", "validation", "test", "train", "train"], strict=False)
    )
    splits_file.write(
        {r.series: splits_file.Row(r.subject, rows.get(r.series, "unassigned")) for r in made},
        root / "data/splits.csv",
    )
    xml = label_config.render(accelerometer.CHANNELS, accelerometer.LABELS, "time")
    write_bytes(root / "data/label_config.xml", xml.encode())
    write_bytes(
        root / "data/labels.dvc", b"outs:\n- md5: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.dir\n  path: labels\n"
    )


def small(series: dict[str, np.ndarray], regions: dict[str, list[Region]], **given: Any) -> None:
    """A project of recordings with channels x and y, one row a second, in the current folder."""
    names = given.get("splits", {})
    for key, values in series.items():
        lines = [
            f"{i},{','.join('' if np.isnan(v) else str(v) for v in row)}" for i, row in enumerate(values)
        ]
        write_bytes(Path(f"data/series/{key}.csv"), ("time,x,y\n" + "\n".join(lines) + "\n").encode())
    xml = label_config.render(("x", "y"), given.get("labels", ("A", "B")), "time")
    write_bytes(Path("data/label_config.xml"), xml.encode())
    snapshot.write(Path("data/labels"), snapshot.dump(record(key, found) for key, found in regions.items()))
    splits_file.write({key: splits_file.Row(key, names.get(key, "train")) for key in series})
    write_params(**given.get("params", {}))


def run_all() -> None:
    for stage in (ingest, window, train, evaluate, promote, predict):
        stage.main()


def noise(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 2)).round(3)
