"""Training and validation data of a tuning, from a table; from a project: pipelines/tune/project_data.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.classify.train import labeled, repeated, task_spec, training_record
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
        train: the train split.
        validation: the validation split; None: cross-validation on the train split.
        folds: series to train on and series to validate on: one pair, or one for each fold of the cross-validation.
        validated_on: the validation data, in words.
        data: hashes of the data, which identify its study.
        training_record: `training` of model.json, for a model of the whole train split.
        notes: caveats, such as classes that are missing.
        path: the table; None: a project's dataset.
        valid: the table of the validation split; None: a project's, or there is none.
        task: as given by the user; None: inferred from the y columns.
    """

    spec: TaskSpec
    train: Labeled
    validation: Labeled | None
    folds: tuple[Fold, ...]
    validated_on: str
    data: Mapping[str, Any]
    training_record: Callable[[FitResult], dict[str, Any]]
    notes: tuple[str, ...] = ()
    path: Path | None = None
    valid: Path | None = None
    task: Task | None = None

    def model_hash(self, fit: FitResult) -> str:
        """Hash of the model that training with the same params makes; "" for a model of a fold."""
        return fit.model.to_checkpoint(self.training_record(fit)).hash() if self.validation else ""


def of_table(path: Path, valid: Path | None, settings: params.Params, task: Task | None = None) -> TuningData:
    """Series of a CSV file, validated on another file or by cross-validation.

    Raises:
        InputError: a file is invalid, or a class has too few series for folds.
    """
    table = series_table.read(path, task=task)
    series_table.check_several_classes(table, str(path))
    spec, train = task_spec(table), labeled(table)
    notes = [f"note: {note}" for note in table.notes]
    validation = None
    if valid:
        valid_table = series_table.read(valid, task=table.task, labels=table.labels, columns=table.columns)
        validation = labeled(valid_table)
        notes += [f"warning: {found}" for found in repeated(table, valid_table, path, valid)]
        folds: tuple[Fold, ...] = ((train, validation),)
        validated_on = f"the {len(validation.values)} series of {valid}"
    else:
        folds, validated_on = _folds(train, spec, path, settings)
    data = {
        "train": md5(path),
        "valid": md5(valid) if valid else "",
        "task": table.task,
        "folds": 0 if valid else len(folds),
    }
    return TuningData(
        spec=spec,
        train=train,
        validation=validation,
        folds=folds,
        validated_on=validated_on,
        data=data,
        training_record=lambda fit: training_record(fit, valid, None),
        notes=tuple(notes),
        path=path,
        valid=valid,
        task=task,
    )


def _folds(
    train: Labeled, spec: TaskSpec, path: Path, settings: params.Params
) -> tuple[tuple[Fold, ...], str]:
    """Folds of a table, in which each row is a group of its own."""
    groups = [str(row) for row in range(len(train.values))]
    try:
        return make_folds(train, groups, spec, settings)
    except TooFewGroupsError as few:
        raise InputError(
            f"{path} has too few series for cross-validation",
            where=str(path),
            why=f"a class ({few.label}) has one series, which cannot be both trained and validated on",
            cure="--valid with a validation file, or more series of that class",
        ) from few
