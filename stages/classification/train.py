"""Reads data/dataset, data/arrays, the label config, and data/start where the params name a model to start from;
writes data/candidate and reports/train.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from dvclive.live import Live

from stages import params
from stages.classification import start
from stages.classification.loss import Labeled
from stages.classification.model import Classifier, Question
from stages.classification.plan import Plan, epochs_of
from stages.classification.recordings import labeled
from stages.classification.training import Epoch, Taught, learn
from stages.provenance import of_candidate
from storage.artifacts import checkpoint, dataset
from storage.errors import InputError
from storage.label_studio import label_config
from storage.printable import say
from storage.progress import bar

CURVES = Path("reports/train")


def main() -> None:
    """Dataset to candidate."""
    settings, index = params.load(), dataset.read_index()
    train, validation = labeled(index, "train"), labeled(index, "validation")
    if train is None or len(train.values) < 2:
        cure = "label more series of the train set, then: labeltrail sync; dvc repro"
        raise InputError(
            "a classifier needs two labeled series to learn from", where=str(dataset.PATH), cure=cure
        )
    refuse_one_class(index, train)
    question = Question(
        label_config.load().task, index.labels, index.channels, sampling_rate=index.sampling_rate
    )
    plan = Plan(**settings.train.classifier_plan())
    begun = start.load(settings.train.start, index, question, plan)
    taught = teach(train, validation, question, plan, begun)
    model = taught.model.to_checkpoint(tell(taught, settings.train.start))
    checkpoint.write(model, of_candidate(model, index, settings))
    say(in_words(taught))
    if not validation:
        say("warning: no validation set: nothing says how well it does on series it does not know")


def refuse_one_class(index: dataset.Index, train: Labeled) -> None:
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


def teach(
    train: Labeled, validation: Labeled | None, question: Question, plan: Plan, begun: Classifier | None
) -> Taught:
    """Train; the curves go to reports/train."""
    live: Any = Live(dir=str(CURVES), save_dvc_exp=False, report=None, dvcyaml=None)
    with bar("training", epochs_of(plan, train)) as advance:

        def on_epoch(epoch: Epoch) -> None:
            for name, value in figures(epoch).items():
                live.log_metric(name, round(value, 6))
            live.next_step()
            advance(description=f"training, loss {epoch.loss:.3f}")

        taught = learn(train, validation, question, plan, begun, on_epoch)
    live.end()
    return taught


def figures(epoch: Epoch) -> dict[str, float]:
    """What is drawn of an epoch, by name of the curve."""
    found = {"train/loss": epoch.loss, "train/accuracy": epoch.accuracy}
    if epoch.validation_loss is not None:
        found["validation/loss"] = epoch.validation_loss
        found["validation/accuracy"] = epoch.validation_accuracy or 0.0
    return found


def tell(taught: Taught, begun: str | None) -> dict[str, Any]:
    """`training` of model.json."""
    held = {"loss": taught.result.validation_loss, "accuracy": taught.result.validation_accuracy}
    return {**taught.told(), "from": begun or "", "validation": held}


def in_words(taught: Taught) -> str:
    """One line about what was learnt."""
    result = taught.result
    whose = f"the average of the last of {len(taught.history)} epochs"
    if taught.kept == "epoch":
        whose = f"epoch {result.number} of {len(taught.history)}"
    line = f"{whose}: train loss {result.loss:.3f}, accuracy {result.accuracy:.3f}"
    if result.validation_loss is not None:
        line += f"; validation loss {result.validation_loss:.3f}, accuracy {result.validation_accuracy:.3f}"
    return line
