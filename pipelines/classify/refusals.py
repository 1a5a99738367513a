"""What `labeltrail classify` finds wrong with a place for answers, or with the figures that come out of a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.classify.model_dir import unwritable
from stages.classification.training import FitResult
from storage.artifacts import checkpoint
from storage.errors import InputError
from storage.series.table_rows import named

BEYOND = "so far beyond those of the training that float32 cannot hold them once they are scaled; nothing was written"


def refuse_output(output: Path, path: Path, folder: Path) -> None:
    """Answers take the place of nothing but answers.

    Raises:
        InputError: they cannot be put there.
    """
    place = output.resolve()
    why = "it is a folder" if output.is_dir() else unwritable(place.parent)
    if place == path.resolve():
        why = "the series themselves are there"
    elif place.parent == folder.resolve() and place.name in checkpoint.FILES:
        why = "the model itself is there"
    if why:
        raise InputError(
            "the answers cannot be put there", where=str(output), why=why, cure="--output OUT.csv"
        )


def refuse_no_answers(chances: NDArray[np.float32], path: Path, line_of: Callable[[int], int]) -> None:
    """A chance that is no number is no answer.

    Raises:
        InputError: values lie so far from those of the training that the model computes nothing but infinities.
    """
    rows = [line_of(row) for row in np.flatnonzero(~np.isfinite(chances).all(1)).tolist()]
    if rows:
        raise InputError(
            f"the model has no answer for {len(rows)} of the {len(chances)} series of {path}: "
            f"line {named([str(row) for row in rows])}",
            where=f"{path}:{rows[0]}",
            why=f"their values are {BEYOND}",
            cure="write values of the size that the training had, or take those rows out",
        )


def refuse_no_loss(taught: FitResult, valid: Path) -> None:
    """A loss that is no number says nothing about any weights.

    Raises:
        InputError: so it is on the validation set.
    """
    if not all(np.isfinite(epoch.validation_loss or 0.0) for epoch in (*taught.history, taught.result)):
        raise InputError(
            f"the loss on the series of {valid} is not a finite number",
            where=str(valid),
            why=f"some of its values are {BEYOND}",
            cure="write values of the size that the training has, or take those rows out",
        )
