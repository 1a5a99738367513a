"""Models on disk, `data/candidate/` and `data/best/`: safetensors and JSON; nothing is unpickled.

Layout and example: docs/formats.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from storage.artifacts import provenance as provenances
from storage.artifacts.provenance import Provenance
from storage.errors import InputError
from storage.files import fresh_folder, md5, read_json, write_bytes
from storage.paths import BEST, CANDIDATE, START
from storage.printable import shortened
from storage.text import typed
from storage.text.typed import Count, Positive

VERSION = provenances.MODEL_VERSION
FILES = ("model.json", "provenance.json", "weights.safetensors")


class UnusableError(InputError):
    """A model that matches the hash in its provenance but is invalid."""


class OutdatedError(UnusableError):
    """A model of an older format that is no longer supported."""


@dataclass(frozen=True)
class Header:
    """`model.json`: a model without its weights. The model packages of `stages/` give the dictionaries their types.

    Attributes:
        kind: which network: `lstm`.
        channels: columns of a recording, in the order of the network's inputs.
        labels: class names; class 0 of the network is background, class k is `labels[k - 1]`.
        sampling_rate: Hz of the recordings it was trained on; None where they had one timepoint.
        scaler: scaling of the values.
        network: shape of the network.
        postprocess: decoding of probabilities into regions.
        confidence: calibration of its probabilities.
        training: results of the training.
    """

    kind: str
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    sampling_rate: Positive | None
    scaler: dict[str, Any]
    network: dict[str, Any]
    postprocess: dict[str, Any]
    confidence: dict[str, Any]
    training: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint(Header):
    """All that is needed to predict: the header, and the weights by name."""

    weights: Mapping[str, NDArray[Any]]

    def hash(self) -> str:
        """MD5 of weights and model.json; identifies the model in predictions and provenance."""
        return _hash(self._weight_bytes(), self._json_bytes())

    def _weight_bytes(self) -> bytes:
        return save({name: np.asarray(array, order="C") for name, array in sorted(self.weights.items())})

    def _json_bytes(self) -> bytes:
        fields = {k: v for k, v in self.__dict__.items() if k != "weights"}
        value = {"version": VERSION, **fields}
        text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        return f"{text}\n".encode()


# Scores of a model, by the names that `promote.metric` may have.
Scorer = Callable[[Checkpoint], Mapping[str, float | None]]


def _hash(weights: bytes, model: bytes) -> str:
    return hashlib.md5(weights + model, usedforsecurity=False).hexdigest()


def write(checkpoint: Checkpoint, provenance: Provenance, path: Path = CANDIDATE) -> None:
    """Write the three files of a model."""
    with fresh_folder(path) as folder:
        write_bytes(folder / "weights.safetensors", checkpoint._weight_bytes())
        write_bytes(folder / "model.json", checkpoint._json_bytes())
        provenances.write(provenance, folder)


def read(path: Path) -> Checkpoint:
    """Read a model.

    Raises:
        InputError: there is none, it is newer than known, or it does not match the hash in its provenance.
        OutdatedError: its format is no longer supported.
        UnusableError: it is invalid.
    """
    cure = provenances.cure(path)
    version = read_json(path / "model.json", VERSION, cure)["version"]
    if version < VERSION:
        raise OutdatedError(f"an older Labeltrail made {path}", where=str(path), cure=cure)
    weights = path / "weights.safetensors"
    if not weights.exists():
        raise InputError(f"{path} is not whole", where=str(weights), why="it is not there", cure=cure)
    if model_hash(path) != provenances.read(path).model:
        why = "weights.safetensors and model.json are not those that provenance.json names"
        raise InputError(f"{path} is damaged", where=str(path), why=why, cure=f"dvc checkout --force {path}")
    try:
        header = typed.read(path / "model.json", VERSION, Header, cure, _remake(path))
        typed.check(_Training, header.training, "training", "")
        return Checkpoint(**vars(header), weights=load(weights.read_bytes()))
    except (InputError, SafetensorError, ValueError, KeyError) as error:
        why = error.why if isinstance(error, InputError) else shortened(str(error))
        raise UnusableError(f"{path} cannot be used", where=str(path), why=why, cure=_remake(path)) from error


@dataclass(frozen=True)
class _Validation:
    """Keys of `validation` in `training` that are read."""

    accuracy: float | None = None
    loss: float | None = None


@dataclass(frozen=True)
class _Training:
    """Keys of `training` that are read."""

    epochs: Count = 0
    best_epoch: Count = 0
    loss: float | None = None
    validation: _Validation | None = None
    learnt_from: tuple[str, ...] = ("train",)
    accuracy: float = 0.0
    kept: str = ""
    stopped: str = ""


def _remake(path: Path) -> str:
    """The command that makes an intact but invalid model again."""
    if path.name == START.name:
        return provenances.cure(path)
    if path.parent.name != CANDIDATE.parent.name:
        return "another model, or make it again: labeltrail classify train TRAIN.csv"
    stage = "promote" if path.name == BEST.name else "train"
    return f"dvc repro --single-item --force {stage}, then: dvc repro"


def model_hash(path: Path) -> str:
    """The model's hash from its files."""
    return _hash((path / "weights.safetensors").read_bytes(), (path / "model.json").read_bytes())


def copy(source: Path, target: Path) -> None:
    """Copy the files of a model, replacing the target."""
    with fresh_folder(target) as folder:
        for name in FILES:
            write_bytes(folder / name, (source / name).read_bytes())


def same(a: Path, b: Path) -> bool:
    """Whether two folders hold the same bytes."""
    return md5(a) == md5(b)
