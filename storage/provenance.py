"""Where a model comes from: `provenance.json` beside its weights, readable without torch.

Layout and example: docs/formats.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from storage.files import read_json, write_json

CANDIDATE = Path("data/candidate")
BEST = Path("data/best")
LOCK = Path("dvc.lock")
VERSION = 1
# Of model.json, which storage/checkpoint.py writes: here, for who reads it without torch.
MODEL_VERSION = 3


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from.

    Attributes:
        model: its hash.
        labels: MD5 of data/labels, as in data/labels.dvc; "" where the label snapshot is not in DVC.
        series: MD5 of data/series, as in data/series.dvc.
        label_config: MD5 of data/label_config.xml.
        dataset: MD5 of data/dataset, as in dvc.lock.
        params: the params that made it, by section.
        annotations: ids of the label records it learnt from, by series.
    """

    model: str
    labels: str
    series: str
    label_config: str
    dataset: str
    params: dict[str, Any]
    annotations: dict[str, list[str]]


def write(provenance: Provenance, folder: Path) -> None:
    """Write it beside the weights in `folder`."""
    write_json(folder / "provenance.json", {"version": VERSION, **asdict(provenance)})


def read(folder: Path) -> Provenance:
    """Read where the model in `folder` comes from.

    Raises:
        InputError: there is no model, or it is newer than known.
    """
    value = read_json(folder / "provenance.json", VERSION, cure(folder))
    value.pop("version")
    return Provenance(**value)


def cure(folder: Path) -> str:
    """The command that makes the model in `folder`."""
    return f"dvc repro {'promote' if folder.name == BEST.name else 'train'}"


def locked_best(lock: str | None) -> str:
    """Hash of `data/best` in the text of a `dvc.lock`; "" where it is not there."""
    stages = (yaml.safe_load(lock) or {}).get("stages", {}) if lock else {}
    outs = stages.get("promote", {}).get("outs", ())
    return next((str(out["md5"]) for out in outs if out["path"] == BEST.as_posix()), "")
