"""What a tuning learns from and judges by: series of a table. Those of a project: pipelines/tune/project_data.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.classify import train
from pipelines.tune.folds import FewError, Part, in_turn
from stages import params
from stages.classification.model import TaskSpec
from stages.classification.targets import Labeled
from stages.classification.training import FitResult
from storage.errors import InputError
from storage.files import md5
from storage.series import series_table
from storage.series.series_table import Task


@dataclass(frozen=True)
class Material:
    """What a tuning learns from and judges by.

    Attributes:
        question: what is asked of the series.
        known: the train set.
        held: the validation set; None: each part of the train set judges what has learnt from the others.
        parts: series to learn from and series to judge by, once or for each fold.
        judged: by what, in words.
        data: which data that is, by its hashes; by it a study knows its own.
        tell: `training` of model.json, where the whole train set was learnt from.
        notes: what else a person should know before going by the result: which labels, which classes are missing.
        path: the table; None: a project's dataset.
        valid: the table of the validation set; None: a project's, or there is none.
        task: what somebody said that its y columns ask; None: it follows from them.
    """

    question: TaskSpec
    known: Labeled
    held: Labeled | None
    parts: tuple[Part, ...]
    judged: str
    data: Mapping[str, Any]
    tell: Callable[[FitResult], dict[str, Any]]
    notes: tuple[str, ...] = ()
    path: Path | None = None
    valid: Path | None = None
    task: Task | None = None

    def model_hash(self, taught: FitResult) -> str:
        """Of the model that training alone makes by the same params; "" where a fold was learnt from."""
        return taught.model.to_checkpoint(self.tell(taught)).hash() if self.held else ""


def of_table(path: Path, valid: Path | None, settings: params.Params, task: Task | None = None) -> Material:
    """Series of a CSV file, judged by those of another or by its own parts.

    Args:
        path, valid: the files.
        settings: of the tuning.
        task: what the y columns ask; None: as they have it.

    Raises:
        InputError: a file will not do, or a class has too few series for folds.
    """
    table = series_table.read(path, task=task)
    series_table.refuse_one_class(table, str(path))
    if table.task is None:
        raise ValueError("a table without y columns teaches nothing")
    question = TaskSpec(table.task, table.labels, (train.CHANNEL,), table.columns)
    known, held = train.labeled(table), None
    notes = tuple(f"note: {note}" for note in table.notes)
    if valid:
        unseen = series_table.read(valid, task=table.task, labels=table.labels, columns=table.columns)
        held = train.labeled(unseen)
        notes += tuple(f"warning: {found}" for found in train.repeated(table, unseen, path, valid))
        parts: tuple[Part, ...] = ((known, held),)
        judged = f"the {len(held.values)} series of {valid}"
    else:
        parts, judged = _parts(known, question, path, settings)
    data = {
        "train": md5(path),
        "valid": md5(valid) if valid else "",
        "task": table.task,
        "folds": 0 if valid else len(parts),
    }

    def tell(taught: FitResult) -> dict[str, Any]:
        return train.tell(taught, valid, None)

    return Material(
        question, known, held, parts, judged, data, tell, notes, path=path, valid=valid, task=task
    )


def _parts(
    known: Labeled, question: TaskSpec, path: Path, settings: params.Params
) -> tuple[tuple[Part, ...], str]:
    rows = [str(row) for row in range(len(known.values))]
    try:
        several = question.task == "multilabel"
        return in_turn(known, rows, question.labels, settings.tuning.folds, settings.train.seed, several)
    except FewError as few:
        raise InputError(
            f"{path} has too few series to be judged by themselves",
            where=str(path),
            why=f"a class ({few.label}) has one series, which cannot be learnt from and judged by",
            cure="--valid with a file to judge by, or more series of that class",
        ) from few
