"""The benchmark of the classifier runs, at its smallest; how long anything takes is never asserted."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.models import classifier, tsai_peer
from stages.classification.targets import Labeled
from storage.errors import InputError

SMALL = ["num-layers=1", "hidden-size=2", "filters-1=2", "filters-2=2", "filters-3=2", "steps=4"]
PARAMS = [word for param in SMALL for word in ("--param", param)]

# Has the classes and methods of tsai that are used, checks what it is given, and says how often it was called.
STAND_IN = """
import contextlib, json
import numpy as np

CALLS = []

def TSClassification(): return "classes"

def TSStandardize(by_sample): return by_sample

def accuracy(): ...

class TSClassifier:
    def __init__(self, x, y, splits, tfms, batch_tfms, bs, drop_last, arch, arch_config, metrics, path):
        assert (arch, batch_tfms, drop_last, tfms) == ("LSTM_FCN", True, False, [None, "classes"])
        assert splits == (list(range(len(x))), [])
        self.path, self.known = path, {
            "bs": bs, "train": x.shape, "classes": sorted(set(y.tolist())), "shape": arch_config
        }

    no_bar = no_logging = contextlib.nullcontext

    def fit_one_cycle(self, epochs, lr):
        CALLS.append(["fit", epochs, lr])
        self.work()

    def get_X_preds(self, x, bs):
        CALLS.append(["ask", len(x), bs])
        self.work()

    def work(self):
        sum(range(100_000))
        with open(self.path + "/../said.json", "w") as file:
            json.dump({"calls": CALLS} | self.known, file)
"""
NETWORK = """
import torch

class LSTM_FCN(torch.nn.Module):
    def __init__(self, channels, classes, length, hidden_size, rnn_layers, rnn_dropout, conv_layers, kss):
        super().__init__()
        assert (hidden_size, rnn_layers, conv_layers, len(kss)) == (2, 1, [2, 2, 2], 3)
        self.out = torch.nn.Linear(channels * length, classes)

    def forward(self, x):
        assert abs(x.mean()) < 1e-6 and 0.9 < x.std() < 1.1
        return self.out(x.flatten(1))
"""


def table(path: Path, rows: int, *parts: str) -> None:
    """Series of two classes, a rise or a fall; `parts` says which columns go into the file."""
    x = np.linspace(-1, 1, 12) * np.where(np.arange(rows) % 2, 1, -1)[:, None]
    columns = {f"y_{k}": (np.arange(rows) % 2 == k).astype(int) for k in range(2)}
    columns |= {f"x_{t}": x[:, t] for t in range(12)}
    chosen = {name: values for name, values in columns.items() if name[0] in parts}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(chosen), *zip(*chosen.values(), strict=True)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Both kinds of sets, tiny."""
    table(tmp_path / "ucr/Slopes/train.csv", 6, "x", "y")
    table(tmp_path / "ucr/Slopes/test.csv", 4, "x", "y")
    sagemaker = tmp_path / classifier.SAGEMAKER
    for name, rows, parts in (
        ("train", 6, "xy"),
        ("valid", 4, "xy"),
        ("test_data", 8, "x"),
        ("test_labels", 8, "y"),
    ):
        table(sagemaker / f"{name}.csv", rows, *parts)
    return tmp_path


def test_every_set_by_every_seed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--sets",
        f"Slopes,{classifier.SAGEMAKER}",
        "--seeds",
        "2",
        "--curve",
        "2,4",
        "--curve-seeds",
        "1",
    ]
    classifier.main([str(folder), *words, *PARAMS, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == 1
    assert [(run["seed"], run["steps"]) for run in found["sets"]["Slopes"]] == [(0, 4), (1, 4)]
    assert [run["steps"] for run in found["sets"][classifier.SAGEMAKER]] == [
        5,
        5,
    ]  # five epochs: its own params
    assert all(0 <= run["accuracy"] <= 1 for runs in found["sets"].values() for run in runs)
    assert {name: list(curve) for name, curve in found["curves"].items()} == {"Slopes": ["2", "4"]}
    assert [run["steps"] for run in found["curves"]["Slopes"]["2"]] == [2]


def test_tables_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classifier.main([str(folder), "--sets", "Slopes", "--seeds", "1", *PARAMS])
    head, rule, line = capsys.readouterr().out.splitlines()
    assert head == "| dataset | accuracy, mean | spread | each seed | CPU s a run | steps |"
    assert rule.count("---") == 6
    assert line.startswith("| Slopes | ") and line.endswith(" | 4 |")


def test_labels_that_lie_in_a_file_of_their_own(folder: Path) -> None:
    series = classifier.load(folder, classifier.SAGEMAKER)
    assert series.test.targets.argmax(1).tolist() == [0, 1] * 4
    assert series.test.values.shape == (8, 1, 12)
    assert series.validation and len(series.validation.values) == 4


def test_a_set_that_is_not_there(folder: Path) -> None:
    with pytest.raises(InputError, match=r"ucr/Nothing/train.csv cannot be read"):
        classifier.main([str(folder), "--sets", "Nothing"])


def test_a_mean_and_a_spread() -> None:
    runs = [{"accuracy": a, "seconds": s, "steps": 7} for a, s in ((0.5, 1.0), (1.0, 2.0))]
    assert classifier._accuracy_line("a set", runs) == "| a set | .7500 | .3536 | .5000 1.0000 | 1.5 | 7 |"


@pytest.mark.slow  # it guards no data: figures of docs/benchmarks-classifier.md
def test_both_are_measured_in_turn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--sets", "Slopes", "--seeds", "0", "--rounds", "2", "--peer", str(stand_in(folder))]
    classifier.main([str(folder), *words, *PARAMS, "--json"])
    speeds = json.loads(capsys.readouterr().out)["speeds"]["Slopes"]
    assert {way: len(each) for way, each in speeds.items()} == {"ours": 2, "tsai": 2, "network": 2}
    assert all(speeds[way][0]["answers"] > 0 for way in ("ours", "tsai", "network"))


def test_the_peer_gets_the_shape_and_the_batches_that_ours_has(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tsai_peer.tempfile, "tempdir", str(folder))
    series = classifier.load(folder, "Slopes")
    plan = classifier._plan(SMALL, 0)
    tsai_peer.peer(stand_in(folder), series.train, series.test, plan, epochs=3, repeats=2)
    said = json.loads((folder / "said.json").read_text())
    assert (said["bs"], said["train"], said["classes"]) == (plan.batch_size, [6, 1, 12], [0, 1])
    assert said["shape"] == {
        "hidden_size": 2, "rnn_layers": 1, "rnn_dropout": plan.dropout, "conv_layers": [2, 2, 2], "kss": [8, 5, 3]
    }  # fmt: skip
    fits = [["fit", 1, plan.lr], ["fit", 3, plan.lr]]
    assert said["calls"] == [*fits, *[["ask", 4, 64]] * 3]


def test_classes_by_number() -> None:
    values = np.zeros((2, 1, 3), np.float32)
    several, single = np.array([[0, 1], [1, 0]], bool), np.array([[1], [0]], bool)
    assert tsai_peer.class_numbers(Labeled(values, several)).tolist() == [1, 0]
    assert tsai_peer.class_numbers(Labeled(values, single)).tolist() == [1, 0]


def test_the_environment_of_the_peer_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def make(_cache: Path, folder: Path, lock: Path) -> None:
        folder.mkdir()
        made.append(lock)

    monkeypatch.setattr(tsai_peer.uv_environment, "make_environment", make)
    half = tmp_path / f"tsai-{tsai_peer.VERSION}/half"
    half.mkdir(parents=True)
    python = half.parent / "bin/python"
    assert tsai_peer.prepare(tmp_path) == tsai_peer.prepare(tmp_path) == python
    assert made == [tsai_peer.LOCK]
    assert not half.exists()


def stand_in(folder: Path) -> Path:
    """A Python that has a tsai."""
    package = folder / "packages/tsai/models"
    package.mkdir(parents=True)
    for place in (package, package.parent):
        (place / "__init__.py").touch()
    (package.parent / "all.py").write_text(STAND_IN)
    (package / "RNN_FCN.py").write_text(NETWORK)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder / "packages"}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python
