"""A folder that somebody names for a classifier: made anew by training, woken for answers."""

from __future__ import annotations

import os
from pathlib import Path

from stages.classification.model import Classifier
from storage.artifacts import checkpoint
from storage.errors import InputError, NotFoundError
from storage.series.table_rows import named

TRAIN = "labeltrail classify train TRAIN.csv --model FOLDER"


def load_model(folder: Path) -> Classifier:
    """The classifier in a folder.

    Raises:
        NotFoundError: there is none.
        InputError: it is damaged, too new or too old, or no classifier.
    """
    if not (folder / "model.json").exists():
        raise NotFoundError(f"there is no model in {folder}", where=str(folder / "model.json"), cure=TRAIN)
    try:
        return Classifier.from_checkpoint(checkpoint.read(folder))
    except InputError as error:
        cure = f"name the folder of another classifier, or make one: {TRAIN}"
        raise InputError(error.what, where=str(folder), why=error.why, cure=cure) from error


def check_model_folder(folder: Path) -> Path:
    """Where a model is to rest: the folder is made anew, so nothing else may be in it.

    Raises:
        InputError: it is a file, holds other things than a model, the command runs in it, or nothing can be written
            there: that is said before hours of training, not after.
    """
    place = folder.resolve()
    why = unwritable(place.parent)
    if place.is_dir():
        others = sorted(entry.name for entry in place.iterdir() if entry.name not in checkpoint.FILES)
        why = why or (f"it holds other things than a model: {named(others)}" if others else "")
    elif place.exists():
        why = why or "it is a file"
    if Path.cwd().is_relative_to(place):
        why = why or "it is the current folder"
    if why:
        cure = "--model with the name of a new folder"
        raise InputError("the model cannot be put there", where=str(folder), why=why, cure=cure)
    return place


def unwritable(folder: Path) -> str:
    """Why nothing can be put into a folder that is there or will be made; "" where it can."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        return f"{there} is a file"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"nothing may be written into {there}"
