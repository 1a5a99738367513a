"""Provenance of a model: `provenance.json` beside its weights; importing this needs no torch.

Layout and example: docs/formats.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from storage.files import write_json
from storage.paths import BEST, START
from storage.text import typed

# Trains from scratch again.
SCRATCH = "labeltrail start-from --none"
VERSION = 2
# Version of model.json (storage/artifacts/checkpoint.py); here, for importing this needs no torch.
MODEL_VERSION = 3


@dataclass(frozen=True)
class Provenance:
    """The provenance of a model.

    Attributes:
        model: its hash.
        labels: MD5 of data/labels, as in data/labels.dvc; "" where the label snapshot is not in DVC.
        series: MD5 of data/series, as in data/series.dvc.
        label_config: MD5 of data/label_config.xml.
        dataset: MD5 of data/dataset, as in dvc.lock.
        params: of the run that made it, by section.
        annotations: ids of the label records it was trained on, by series.
        start: hash of the model whose weights it was initialized with; "" of one that was trained from scratch.
        earlier: ids of further records that that model, or one before it, was trained on, by series.
    """

    model: str
    labels: str
    series: str
    label_config: str
    dataset: str
    params: dict[str, dict[str, Any]]
    annotations: dict[str, list[str]]
    start: str = ""
    earlier: dict[str, list[str]] = field(default_factory=dict)

    def trained_on(self) -> dict[str, set[str]]:
        """Ids of all records that the weights were trained on, by series."""
        both = self.annotations.keys() | self.earlier.keys()
        return {key: {*self.annotations.get(key, ()), *self.earlier.get(key, ())} for key in both}


def write(provenance: Provenance, folder: Path) -> None:
    """Write `provenance.json` in `folder`."""
    write_json(folder / "provenance.json", {"version": VERSION, **asdict(provenance)})


def read(folder: Path) -> Provenance:
    """Read the provenance of the model in `folder`.

    Raises:
        InputError: there is no model, it is newer than known, or the file is invalid.
    """
    return typed.read(folder / "provenance.json", VERSION, Provenance, cure(folder))


def cure(folder: Path) -> str:
    """The command that makes the model in `folder`."""
    if folder.name == START.name:
        return (
            f"dvc checkout --force {START}.dvc; or another: labeltrail start-from MODEL; or none: {SCRATCH}"
        )
    return f"dvc repro {'promote' if folder.name == BEST.name else 'train'}"
