"""A model at rest: `data/candidate/` and `data/best/`. Safetensors and JSON; nothing is ever unpickled.

Layout and example: docs/formats.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from storage import provenance as provenances
from storage.errors import InputError
from storage.files import fresh_folder, md5, read_json, write_bytes
from storage.provenance import CANDIDATE, Provenance

VERSION = provenances.MODEL_VERSION
FILES = ("model.json", "provenance.json", "weights.safetensors")


class OutdatedError(InputError):
    """A model of an older form, which this checkout cannot wake."""


@dataclass(frozen=True)
class Checkpoint:
    """All that is needed to predict. `stages/model/` gives the dictionaries their types.

    Attributes:
        kind: which network: `lstm`.
        channels: columns of a recording, in the order in which the network takes them.
        labels: class names; class 0 of the network is background, class k is `labels[k - 1]`.
        sampling_rate: Hz of the recordings it learnt from; None where they had one timepoint.
        scaler: how values are brought to the range the network knows.
        network: shape of the network.
        postprocess: how probabilities become regions.
        confidence: how sure it may be of what it says.
        training: how the training went.
        weights: the tensors, by name.
    """

    kind: str
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    sampling_rate: float | None
    scaler: dict[str, Any]
    network: dict[str, Any]
    postprocess: dict[str, Any]
    confidence: dict[str, Any]
    training: dict[str, Any]
    weights: Mapping[str, torch.Tensor]

    def hash(self) -> str:
        """MD5 of weights and model.json: the model's name in predictions and provenance."""
        return _hash(self._weight_bytes(), self._json_bytes())

    def _weight_bytes(self) -> bytes:
        return save({name: tensor.contiguous() for name, tensor in sorted(self.weights.items())})

    def _json_bytes(self) -> bytes:
        fields = {k: v for k, v in self.__dict__.items() if k != "weights"}
        value = {"version": VERSION, **fields}
        return (
            json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        )


def _hash(weights: bytes, model: bytes) -> str:
    return hashlib.md5(weights + model, usedforsecurity=False).hexdigest()


def write(checkpoint: Checkpoint, provenance: Provenance, path: Path = CANDIDATE) -> None:
    """Write the three files of a model anew."""
    with fresh_folder(path) as folder:
        write_bytes(folder / "weights.safetensors", checkpoint._weight_bytes())
        write_bytes(folder / "model.json", checkpoint._json_bytes())
        provenances.write(provenance, folder)


def read(path: Path) -> Checkpoint:
    """Read a model.

    Raises:
        InputError: there is none, it is newer than known, or its bytes are not those its provenance names.
        OutdatedError: an older Labeltrail made it.
    """
    cure = provenances.cure(path)
    value = read_json(path / "model.json", VERSION, cure)
    if value.pop("version") < VERSION:
        raise OutdatedError(f"an older Labeltrail made {path}", where=str(path), cure=cure)
    value["channels"], value["labels"] = tuple(value["channels"]), tuple(value["labels"])
    weights = path / "weights.safetensors"
    if not weights.exists():
        raise InputError(f"{path} is not whole", where=str(weights), why="it is not there", cure=cure)
    if model_hash(path) != provenances.read(path).model:
        why = "weights.safetensors and model.json are not those that provenance.json names"
        raise InputError(f"{path} is damaged", where=str(path), why=why, cure=f"dvc checkout --force {path}")
    return Checkpoint(**value, weights=load(weights.read_bytes()))


def model_hash(path: Path) -> str:
    """The model's hash from its files."""
    return _hash((path / "weights.safetensors").read_bytes(), (path / "model.json").read_bytes())


def copy(source: Path, target: Path) -> None:
    """Put a model in another's place, byte for byte."""
    with fresh_folder(target) as folder:
        for name in FILES:
            write_bytes(folder / name, (source / name).read_bytes())


def same(a: Path, b: Path) -> bool:
    """Whether two folders hold the same bytes."""
    return md5(a) == md5(b)
