"""From a dataset to a candidate: a network trained on it, and what is recorded of the training."""

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
    """Train on the dataset, from `data/start` where the params name a model; the model, and lines about it.

    Raises:
        InputError: there is too little to learn from, or training cannot start from that model.
    """
    train, validation = load(index, "train"), load(index, "validation")
    if train is None or len(train.values) < 2:
        cure = "label more series of the train set, then: labeltrail sync; dvc repro"
        raise InputError(
            "a classifier needs two labeled series to learn from", where=str(dataset.PATH), cure=cure
        )
    check_classes(index, train)
    question = TaskSpec(config.task, index.labels, index.channels, sampling_rate=index.sampling_rate)
    plan = Plan(**settings.train.classifier_plan())
    begun = start.load(settings.train.start, index, question, plan)
    with learning_curves(epochs_of(plan, train)) as log:
        taught = fit_classifier(train, validation, question, plan, begun, lambda epoch: log(figures(epoch)))
    lines = [in_words(taught)]
    if not validation:
        lines.append("warning: no validation set: nothing says how well it does on series it does not know")
    return taught.model.to_checkpoint(tell(taught, settings.train.start)), lines


def check_classes(index: dataset.Index, train: Labeled) -> None:
    """A model that has learnt from series that are all the same would say that of everything.

    Raises:
        InputError: all series of the train set have the same choices.
    """
    if len(np.unique(train.targets, axis=0)) > 1:
        return
    said = " and ".join(index.series[index.of("train")[0]].choices) or "none of the choices"
    cure = "label series of another class, or put somebody who has some into train (data/sets.csv)"
    if len(index.labels) == 1:
        cure = 'with one choice alone write choice="multiple" into the label config: none of it is an answer then'
    raise InputError(
        "the train set has nothing to tell apart",
        where=str(dataset.PATH),
        why=f"its {len(train.values)} labeled series are all: {said}",
        cure=f"{cure}; then: labeltrail sync; dvc repro",
    )


def figures(epoch: Epoch) -> dict[str, float]:
    """What is drawn of an epoch, by name of the curve."""
    found = {"train/loss": epoch.loss, "train/accuracy": epoch.accuracy}
    if epoch.validation_loss is not None:
        found["validation/loss"] = epoch.validation_loss
        found["validation/accuracy"] = epoch.validation_accuracy or 0.0
    return found


def tell(taught: FitResult, begun: str | None) -> dict[str, Any]:
    """`training` of model.json."""
    held = {"loss": taught.result.validation_loss, "accuracy": taught.result.validation_accuracy}
    return {**taught.told(), "from": begun or "", "validation": held}


def in_words(taught: FitResult) -> str:
    """One line about what was learnt."""
    result = taught.result
    whose = f"the average of the last of {len(taught.history)} epochs"
    if taught.kept == "epoch":
        whose = f"epoch {result.number} of {len(taught.history)}"
    line = f"{whose}: train loss {result.loss:.3f}, accuracy {result.accuracy:.3f}"
    if result.validation_loss is not None:
        line += f"; validation loss {result.validation_loss:.3f}, accuracy {result.validation_accuracy:.3f}"
    return line
