"""From a dataset to a candidate: training, and the record of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages import params
from stages.classification import start
from stages.classification.dataset import load
from stages.classification.model import TaskSpec
from stages.classification.plan import Plan, epochs_of
from stages.classification.targets import Labeled
from stages.classification.training import Epoch, FitResult, fit_classifier
from stages.training.curves import learning_curves
from storage.artifacts import dataset
from storage.artifacts.checkpoint import Checkpoint
from storage.errors import InputError
from storage.label_studio.label_config import LabelConfig


def fit(index: dataset.Index, settings: params.Params, config: LabelConfig) -> tuple[Checkpoint, list[str]]:
    """Train on the dataset, from `data/start` where the params name a model; returns the model and a summary.

    Raises:
        InputError: there is too little to train on, or training cannot start from that model.
    """
    train, validation = load(index, "train"), load(index, "validation")
    if train is None or len(train.values) < 2:
        cure = "label more series of the train split, then: labeltrail sync; dvc repro"
        raise InputError(
            "a classifier needs two labeled series to train on", where=str(dataset.PATH), cure=cure
        )
    check_classes(index, train)
    spec = TaskSpec(config.task, index.labels, index.channels, sampling_rate=index.sampling_rate)
    plan = Plan(**settings.train.classifier_plan())
    initial = start.load(settings.train.start, index, spec, plan)
    with learning_curves(epochs_of(plan, train)) as log:
        result = fit_classifier(train, validation, spec, plan, initial, lambda epoch: log(figures(epoch)))
    lines = [in_words(result)]
    if not validation:
        lines.append("warning: no validation split: nothing tells how well it generalizes")
    return result.model.to_checkpoint(training_record(result, settings.train.start)), lines


def check_classes(index: dataset.Index, train: Labeled) -> None:
    """Raise InputError where all series of the train split have the same choices."""
    if len(np.unique(train.targets, axis=0)) > 1:
        return
    only = " and ".join(index.series[index.of("train")[0]].choices) or "none of the choices"
    cure = "label series of another class, or put somebody who has some into train (data/splits.csv)"
    if len(index.labels) == 1:
        cure = (
            'with one choice alone write choice="multiple" into the label config: a series may then have none'
        )
    raise InputError(
        "the train split has nothing to tell apart",
        where=str(dataset.PATH),
        why=f"its {len(train.values)} labeled series are all: {only}",
        cure=f"{cure}; then: labeltrail sync; dvc repro",
    )


def figures(epoch: Epoch) -> dict[str, float]:
    """Learning curves: figures of an epoch by name of the curve."""
    found = {"train/loss": epoch.loss, "train/accuracy": epoch.accuracy}
    if epoch.validation_loss is not None:
        found["validation/loss"] = epoch.validation_loss
        found["validation/accuracy"] = epoch.validation_accuracy or 0.0
    return found


def training_record(fitted: FitResult, start_model: str | None) -> dict[str, Any]:
    """`training` of model.json."""
    validation = {"loss": fitted.result.validation_loss, "accuracy": fitted.result.validation_accuracy}
    return {**fitted.record(), "from": start_model or "", "validation": validation}


def in_words(fitted: FitResult) -> str:
    """Losses and accuracies in one line."""
    result = fitted.result
    weights = f"the average of the last of {len(fitted.history)} epochs"
    if fitted.kept == "epoch":
        weights = f"epoch {result.number} of {len(fitted.history)}"
    line = f"{weights}: train loss {result.loss:.3f}, accuracy {result.accuracy:.3f}"
    if result.validation_loss is not None:
        line += f"; validation loss {result.validation_loss:.3f}, accuracy {result.validation_accuracy:.3f}"
    return line
