"""A project as the stages before the report leave it, made up, for the tests of the report."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.evaluate import SPLITS
from stages.metrics.segmentation import LabeledPrediction, Tally, tally
from stages.segmentation import evaluation
from storage.artifacts import arrays, checkpoint, dataset, predictions, reports
from storage.artifacts.checkpoint import Checkpoint
from storage.artifacts.predictions import PredictedRegion, Prediction
from storage.artifacts.provenance import Provenance
from storage.artifacts.region import Region
from storage.files import write_bytes, write_json
from storage.label_studio import label_config
from storage.labels import snapshot
from storage.paths import BEST, CANDIDATE
from storage.series.recording import Series

ROOT = Path(__file__).parents[2]


def lay(
    labels: tuple[str, ...] = ("walk", "sit"),
    channels: tuple[str, ...] = ("x",),
    rows: int = 100,
    split_of: tuple[str, ...] = ("train", "validation", "test"),
    true: tuple[Region, ...] = (Region(10, 19, "walk"),),
    found: tuple[Region, ...] = (Region(12, 21, "walk"),),
    time_format: str | None = None,
    key: str = "s{}",
    **quality: Any,
) -> None:
    """A small project in the current folder, as the stages before the report would leave it."""
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    xml = label_config.render(channels, labels, "time")
    if time_format:
        xml = xml.replace('timeColumn="time"', f'timeColumn="time" timeFormat="{time_format}"')
    write_bytes(label_config.PATH, xml.encode())
    keys = [key.format(i) for i in range(len(split_of))]
    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, len(channels))).astype(np.float32)
    times = np.arange(rows) * (10**7 if time_format else 0.02) + (1_700_000_000 * 10**9 if time_format else 0)
    series = {k: Series(values, times.astype(np.int64) if time_format else times) for k in keys}
    facts = {
        "gaps": {"count": 0, "longest_after_row": None, "longest_steps": 0.0},
        "nan": {},
        "constant": [],
        "notes": [],
    }
    for name, recording in series.items():
        arrays.save(arrays.PATH, name, recording)
    told = {"series": dict.fromkeys(keys, facts), "refused": {}, "not_recordings": []}
    index = arrays.Index(channels, 50.0, {k: arrays.Entry(rows, 50.0) for k in keys})
    arrays.save_index(arrays.PATH, index, {**told, "other_sampling_rates": {}, **quality})
    lay_dataset(labels, channels, rows, dict(zip(keys, split_of, strict=True)), true)
    model = lay_model(labels, channels)
    lay_reports(labels, model, found)
    regions = [(r.start * 0.02, r.end * 0.02, r.start, r.end, r.label, r.instant, 0.9) for r in found]
    predicted = tuple(PredictedRegion(*region) for region in regions)
    predictions.write(Prediction(k, model, 0.9, 0.1, predicted) for k in keys)


def lay_dataset(
    labels: tuple[str, ...],
    channels: tuple[str, ...],
    rows: int,
    split_of: dict[str, str],
    true: tuple[Region, ...],
) -> None:
    """Targets, and the label snapshot that they come from."""
    target = np.zeros(rows, np.int16)
    for region in true:
        target[region.start : region.end + 1] = labels.index(region.label) + 1
    entries = {
        key: dataset.Entry(rows, name, f"person {key}", (f"{i}-aaa",), true)
        for i, (key, name) in enumerate(split_of.items())
    }
    hashes = {"labels": "1" * 32 + ".dir", "series": "2" * 32 + ".dir"}
    index = dataset.Index(channels, labels, (), 50.0, 10, dataset.Window(64, 64), entries, {}, (), (), hashes)
    for key in split_of:
        dataset.save_target(dataset.PATH, key, target)
    dataset.save_index(dataset.PATH, index)
    moments = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
    fixed = {
        "annotator": "ann@example.com",
        "result": [],
        "was_cancelled": False,
        "ground_truth": False,
        **moments,
    }
    records = [{"id": f"{i}-aaa", "series": key, **fixed} for i, key in enumerate(split_of)]
    snapshot.write(snapshot.PATH, snapshot.dump(records))


def lay_model(labels: tuple[str, ...], channels: tuple[str, ...]) -> str:
    """A candidate that is the best; returns its hash."""
    training = {"epochs": 3, "best_epoch": 2, "stopped": "patience", "loss": 0.5, "validation": {}}
    model = Checkpoint("lstm", channels, labels, 50.0, {}, {}, {}, {}, training, {"w": torch.zeros(1)})
    made_with = {"train": {"epochs": 3, "class_weights": True}}
    told = Provenance(
        model.hash(), "1" * 32 + ".dir", "2" * 32 + ".dir", "3", "4.dir", made_with, {"s0": ["0-aaa"]}
    )
    checkpoint.write(model, told)
    checkpoint.copy(CANDIDATE, BEST)
    lay_curve("train/loss", [1.0, 0.5, 0.4])
    lay_curve("validation/worst_f1", [0.0, 0.5, 0.4])
    return told.model


def lay_curve(name: str, values: list[float]) -> None:
    column = name.rpartition("/")[2]
    lines = [f"step\t{column}", *(f"{i}\t{v}" for i, v in enumerate(values))]
    write_bytes(reports.CURVES / f"{name}.tsv", "\n".join(lines).encode())


def lay_reports(labels: tuple[str, ...], model: str, found: tuple[Region, ...]) -> None:
    """Scores as evaluate writes them, and a verdict."""
    index = dataset.read_index()
    results = {
        name: evaluation.score_split({key: tally_of(index, key, found) for key in index.of(name)}, index)
        for name in SPLITS
        if index.of(name)
    }
    reports.write_evaluation(evaluation.to_evaluation(results, labels))
    lay_verdict("promoted", "there was no best model yet", 0.8, None, model, model)


def tally_of(index: dataset.Index, key: str, found: tuple[Region, ...]) -> Tally:
    """What a model that is 90 % sure of everything it finds adds to the scores."""
    target = dataset.target(key)
    classes = np.zeros(len(target), np.int16)
    for region in found:
        classes[region.start : region.end + 1] = index.labels.index(region.label) + 1
    sure = np.full(len(target), 0.9, np.float32)
    prediction = LabeledPrediction(
        target, classes, index.series[key].regions, found, [0.9] * len(found), sure, 50.0
    )
    return tally(prediction, index.labels, 0.5, 10)


def lay_verdict(
    verdict: str, reason: str, candidate: float | None, best: float | None, a: str, b: str
) -> None:
    value = {"verdict": verdict, "reason": reason, "candidate": candidate, "best": best}
    write_json(reports.VERDICT, {**value, "metric": "event_f1", "candidate_model": a, "best_model": b})
