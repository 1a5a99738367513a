"""A project whose label config asks what whole recordings are, as the stages before evaluate leave it, made up."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stages.classification.model import Classifier, Scaling, TaskSpec
from stages.classification.network import LstmFcn, Shape
from storage.artifacts import arrays, checkpoint, dataset, reports
from storage.artifacts.checkpoint import Checkpoint
from storage.artifacts.provenance import Provenance
from storage.files import write_bytes, write_json
from storage.label_studio import label_config
from storage.label_studio.label_config import Task
from storage.labels import snapshot
from storage.paths import BEST, CANDIDATE
from storage.series.recording import Series

ROOT = Path(__file__).parents[2]
SPLITS = {"train": 12, "validation": 6, "test": 12}
ROWS = 40


def lay(
    task: Task = "multiclass",
    labels: tuple[str, ...] = ("flat", "slow", "fast"),
    channels: tuple[str, ...] = ("x",),
    sets: dict[str, int] | None = None,
    steps: int = 30,
    noise: float = 0.8,
    rows: int = ROWS,
    time_format: str | None = None,
    learnt_from: tuple[str, ...] = ("train",),
) -> None:
    """A project in the current folder, with a classifier that was trained for some steps: not too well."""
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    xml = label_config.render(channels, labels, "time", task=task)
    if time_format:
        xml = xml.replace('timeColumn="time"', f'timeColumn="time" timeFormat="{time_format}"')
    write_bytes(label_config.PATH, xml.encode())
    sets = SPLITS if sets is None else sets
    keys = [f"{name}{i:03}" for name, n in sets.items() for i in range(n)]
    truth = classes(task, len(labels), len(keys))
    values = waves(truth, len(channels), rows, noise)
    times = np.arange(rows) * (10**7 if time_format else 0.02) + (1_700_000_000 * 10**9 if time_format else 0)
    for key, recording in zip(keys, values, strict=True):
        series = Series(recording.T.copy(), times.astype(np.int64) if time_format else times)
        arrays.save(arrays.PATH, key, series)
    lay_index(keys, channels, rows)
    split_of = [name for name, n in sets.items() for _ in range(n)]
    entries = {
        key: dataset.Entry(
            rows,
            split_of[i],
            f"person {i % 7}",
            (f"{i}-aaa",),
            (),
            tuple(np.array(labels)[truth[i]].tolist()),
        )
        for i, key in enumerate(keys)
    }
    hashes = {"labels": "1" * 32 + ".dir", "series": "2" * 32 + ".dir"}
    windows = {name: tuple((k, 0) for k in keys if entries[k].split == name) for name in SPLITS}
    index = dataset.Index(
        channels, labels, (), 50.0, 0, dataset.Window(rows, rows), entries, windows, (), (), hashes
    )
    dataset.save_index(dataset.PATH, index)
    moments = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
    fixed = {
        "annotator": "ann@example.com",
        "result": [],
        "was_cancelled": False,
        "ground_truth": False,
        **moments,
    }
    records = [{"id": f"{i}-aaa", "series": key, **fixed} for i, key in enumerate(keys)]
    snapshot.write(snapshot.PATH, snapshot.dump(records))
    train = np.array([name == "train" for name in split_of])
    model = fit(TaskSpec(task, labels, channels, (), 50.0), values[train], truth[train], steps)
    lay_model(model.to_checkpoint(trained(learnt_from)))


def classes(task: Task, k: int, n: int) -> NDArray[np.bool_]:
    """What is true of each series, (n, k)."""
    if task == "multilabel":
        return np.asarray(np.random.default_rng(1).random((n, k)) < 0.4)
    return np.asarray(np.arange(k) == (np.arange(n) % k)[:, None])


def waves(truth: NDArray[np.bool_], channels: int, rows: int, noise: float) -> NDArray[np.float32]:
    """A wave for each class but the first, in noise: (series, channels, rows)."""
    rng, phase = np.random.default_rng(0), np.linspace(0, 2 * np.pi, rows)
    waves = np.stack([np.sin(2 * k * phase) for k in range(truth.shape[1])])
    shapes = (truth[:, :, None] * waves).sum(1)
    return np.asarray(shapes[:, None] + noise * rng.normal(size=(len(truth), channels, rows)), np.float32)


def fit(spec: TaskSpec, values: Any, truth: NDArray[np.bool_], steps: int) -> Classifier:
    """A small network after some steps on the whole train split."""
    torch.manual_seed(0)
    shape = Shape(values.shape[1], values.shape[2], len(spec.labels), 1, 4, 0.0, (8, 8, 8), (5, 5, 3))
    network, scaling = LstmFcn(shape), Scaling.fit(values, "series")
    inputs, target = torch.from_numpy(scaling(values)), torch.from_numpy(truth).float()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(steps):
        scores = network(inputs)
        if spec.independent:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, target)
        else:
            loss = torch.nn.functional.cross_entropy(scores, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Classifier(network.eval(), scaling, spec)


def trained(learnt_from: tuple[str, ...]) -> dict[str, Any]:
    validation = {"loss": 0.6, "accuracy": 0.75}
    fixed = {"epochs": 3, "best_epoch": 3, "kept": "average", "loss": 0.4, "accuracy": 0.9}
    return {**fixed, "learnt_from": list(learnt_from), "validation": validation}


def lay_model(model: Checkpoint) -> None:
    """A candidate that is the best, its curves, and a verdict."""
    identity = ("1" * 32 + ".dir", "2" * 32 + ".dir", "3", "4.dir")
    made = Provenance(
        model.hash(), *identity, {"train": {"device": "cpu", "seed": 0}}, {"train000": ["0-aaa"]}
    )
    checkpoint.write(model, made)
    checkpoint.copy(CANDIDATE, BEST)
    curves = {"train/loss": [1.0, 0.7, 0.5], "train/accuracy": [0.4, 0.6, 0.9]}
    curves |= {"validation/loss": [1.1, 0.8, 0.6], "validation/accuracy": [0.3, 0.5, 0.75]}
    for name, values in curves.items():
        lines = [f"step\t{name.rpartition('/')[2]}", *(f"{i}\t{v}" for i, v in enumerate(values))]
        write_bytes(reports.CURVES / f"{name}.tsv", "\n".join(lines).encode())
    verdict = {"verdict": "promoted", "reason": "there was no best model yet", "metric": "macro_f1"}
    hashes = {"candidate_model": made.model, "best_model": made.model}
    write_json(reports.VERDICT, {**verdict, "candidate": 0.8, "best": None, **hashes})


def lay_index(keys: list[str], channels: tuple[str, ...], rows: int) -> None:
    """The quality report of ingest: nothing odd."""
    gaps = {"count": 0, "longest_after_row": None, "longest_steps": 0.0}
    facts = {"gaps": gaps, "nan": {}, "constant": [], "notes": []}
    quality = {"series": dict.fromkeys(keys, facts), "refused": {}, "not_recordings": []}
    index = arrays.Index(channels, 50.0, {key: arrays.Entry(rows, 50.0) for key in keys})
    arrays.save_index(arrays.PATH, index, {**quality, "other_sampling_rates": {}})
