"""Checks of `labeltrail classify`: the output path, and that probabilities and losses are finite."""

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

TOO_LARGE = (
    "so far beyond the training data that float32 cannot hold them once they are scaled; nothing was written"
)


def check_output(output: Path, path: Path, folder: Path) -> None:
    """InputError where predictions cannot be written to a path, or would overwrite input or model."""
    place = output.resolve()
    why = "it is a folder" if output.is_dir() else unwritable(place.parent)
    if place == path.resolve():
        why = "it is the input file"
    elif place.parent == folder.resolve() and place.name in checkpoint.FILES:
        why = "it is a file of the model"
    if why:
        what = "the predictions cannot be written there"
        raise InputError(what, where=str(output), why=why, cure="--output OUT.csv")


def check_probabilities(
    probabilities: NDArray[np.float32], path: Path, line_of: Callable[[int], int]
) -> None:
    """InputError where values are so far from the training data that probabilities are not finite."""
    rows = [line_of(row) for row in np.flatnonzero(~np.isfinite(probabilities).all(1)).tolist()]
    if rows:
        raise InputError(
            f"the model has no prediction for {len(rows)} of the {len(probabilities)} series of {path}: "
            f"line {named([str(row) for row in rows])}",
            where=f"{path}:{rows[0]}",
            why=f"their values are {TOO_LARGE}",
            cure="write values of the size of the training data, or take those rows out",
        )


def check_validation_loss(fit: FitResult, valid: Path) -> None:
    """InputError where the loss on the validation split is not finite."""
    if not all(np.isfinite(epoch.validation_loss or 0.0) for epoch in (*fit.history, fit.result)):
        raise InputError(
            f"the loss on the series of {valid} is not a finite number",
            where=str(valid),
            why=f"some of its values are {TOO_LARGE}",
            cure="write values of the size of the training data, or take those rows out",
        )
