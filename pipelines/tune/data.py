"""Training and validation data of a tuning, from a table; from a project: pipelines/tune/project_data.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.classify import train
from pipelines.tune.folds import Fold, TooFewGroupsError, make_folds
from stages import params
from stages.classification.model import TaskSpec
from stages.classification.targets import Labeled
from stages.classification.training import FitResult
from storage.errors import InputError
from storage.files import md5
from storage.series import series_table
from storage.series.series_table import Task


@dataclass(frozen=True)
class TuningData:
    """Training and validation data of a tuning.

    Attributes:
        spec: task, labels and channels.
        known: the train split.
        held: the validation split; None: cross-validation on the train split.
        parts: series to train on and series to validate on, once or for each fold.
        judged: the validation data, in words.
        data: hashes of the data, which identify its study.
        tell: `training` of model.json, for a model of the whole train split.
        notes: caveats, such as classes that are missing.
        path: the table; None: a project's dataset.
        valid: the table of the validation split; None: a project's, or there is none.
        task: as given by the user; None: inferred from the y columns.
    """

    spec: TaskSpec
    known: Labeled
    held: Labeled | None
    parts: tuple[Fold, ...]
    judged: str
    data: Mapping[str, Any]
    tell: Callable[[FitResult], dict[str, Any]]
    notes: tuple[str, ...] = ()
    path: Path | None = None
    valid: Path | None = None
    task: Task | None = None

    def model_hash(self, taught: FitResult) -> str:
        """Hash of the model that training with the same params makes; "" for a model of a fold."""
        return taught.model.to_checkpoint(self.tell(taught)).hash() if self.held else ""


def of_table(path: Path, valid: Path | None, settings: params.Params, task: Task | None = None) -> TuningData:
    """Series of a CSV file, validated on another file or by cross-validation.

    Raises:
        InputError: a file is invalid, or a class has too few series for folds.
    """
    table = series_table.read(path, task=task)
    series_table.check_several_classes(table, str(path))
    if table.task is None:
        raise ValueError("a table without y columns cannot be trained on")
    spec = TaskSpec(table.task, table.labels, (train.CHANNEL,), table.columns)
    known, held = train.labeled(table), None
    notes = tuple(f"note: {note}" for note in table.notes)
    if valid:
        unseen = series_table.read(valid, task=table.task, labels=table.labels, columns=table.columns)
        held = train.labeled(unseen)
        notes += tuple(f"warning: {found}" for found in train.repeated(table, unseen, path, valid))
        parts: tuple[Fold, ...] = ((known, held),)
        judged = f"the {len(held.values)} series of {valid}"
    else:
        parts, judged = _parts(known, spec, path, settings)
    data = {
        "train": md5(path),
        "valid": md5(valid) if valid else "",
        "task": table.task,
        "folds": 0 if valid else len(parts),
    }

    def tell(taught: FitResult) -> dict[str, Any]:
        return train.tell(taught, valid, None)

    return TuningData(spec, known, held, parts, judged, data, tell, notes, path=path, valid=valid, task=task)


def _parts(
    known: Labeled, spec: TaskSpec, path: Path, settings: params.Params
) -> tuple[tuple[Fold, ...], str]:
    rows = [str(row) for row in range(len(known.values))]
    try:
        several = spec.task == "multilabel"
        return make_folds(known, rows, spec.labels, settings.tuning.folds, settings.train.seed, several)
    except TooFewGroupsError as few:
        raise InputError(
            f"{path} has too few series for cross-validation",
            where=str(path),
            why=f"a class ({few.label}) has one series, which cannot be both trained and validated on",
            cure="--valid with a validation file, or more series of that class",
        ) from few
