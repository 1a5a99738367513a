"""The folder of a classifier: loading it, and checking that a new one can be written."""

from __future__ import annotations

import os
from pathlib import Path

from stages.classification.model import Classifier, TaskSpec
from storage.artifacts import checkpoint
from storage.errors import InputError, NotFoundError
from storage.series.series_table import Task
from storage.series.table_rows import named

TRAIN = "labeltrail classify train TRAIN.csv --model FOLDER"


def load_model(folder: Path) -> Classifier:
    """Load the classifier in a folder.

    Raises:
        NotFoundError: there is none.
        InputError: it is damaged, of another version, or no classifier.
    """
    if not (folder / "model.json").exists():
        raise NotFoundError(f"there is no model in {folder}", where=str(folder / "model.json"), cure=TRAIN)
    try:
        return Classifier.from_checkpoint(checkpoint.read(folder))
    except InputError as error:
        cure = f"name the folder of another classifier, or make one: {TRAIN}"
        raise InputError(error.what, where=str(folder), why=error.why, cure=cure) from error


def check_model_folder(folder: Path) -> Path:
    """Check, before hours of training, that a model can be written to a folder; returns its absolute path.

    Raises:
        InputError: it is a file, has other files than a model's, is the current folder, or is not writable.
    """
    place = folder.resolve()
    why = unwritable(place.parent)
    if place.is_dir():
        others = sorted(entry.name for entry in place.iterdir() if entry.name not in checkpoint.FILES)
        why = why or (f"it has other files than a model's: {named(others)}" if others else "")
    elif place.exists():
        why = why or "it is a file"
    if Path.cwd().is_relative_to(place):
        why = why or "it is the current folder"
    if why:
        cure = "--model with the name of a new folder"
        raise InputError("the model cannot be written there", where=str(folder), why=why, cure=cure)
    return place


def unwritable(folder: Path) -> str:
    """Why a folder cannot be created or written to; "" where it can."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        return f"{existing} is a file"
    return "" if os.access(existing, os.W_OK | os.X_OK) else f"{existing} is not writable"


def task_of(spec: TaskSpec) -> Task | None:
    """The task of a classifier as that of a table."""
    return None if spec.task == "segmentation" else spec.task
