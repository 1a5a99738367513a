"""Reads data/dataset and data/arrays; writes data/candidate and reports/train.

Fits the scaler on the train set, trains the network with an eye on the validation set, chooses there how its
probabilities become regions, and puts all of it to rest with its provenance.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from dvclive.live import Live

from stages import params
from stages.provenance import of_candidate
from stages.run import run
from stages.segmentation.batches import Example, Plan
from stages.segmentation.fit import Learnt, Task, learn, trial_epochs
from stages.segmentation.training import Epoch
from stages.timeseries.gaps import stretches
from storage.artifacts import arrays, checkpoint, dataset, provenance, reports
from storage.errors import InputError
from storage.printable import say
from storage.progress import bar

CURVES = Path("reports/train")


def main() -> None:
    """Dataset to candidate."""
    settings, index = params.load(), dataset.read_index()
    refuse_start(settings.train)
    train, validation = (load(index, name, settings.ingest.gap) for name in ("train", "validation"))
    learnt = teach(train, validation, index, settings)
    model = learnt.model.to_checkpoint(tell(learnt))
    checkpoint.write(model, of_candidate(model, index, settings))
    fitted = learnt.fit
    if learnt.refit:
        found = reports.in_words("event F1", learnt.event_f1, None)
        say(f"by a trial of {len(learnt.trial.history)} epochs: {found} on the validation set")
    say(f"best epoch {fitted.best.number} of {len(fitted.history)}, stopped by {fitted.stopped}")
    if not validation:
        say("warning: no validation set: the whole schedule was run, decoding was not chosen but assumed")
    elif learnt.event_f1 is None:
        say("warning: the validation set has no event to find: decoding was not chosen but assumed")


def refuse_start(settings: params.Train) -> None:
    """A network of regions is trained from scratch.

    Raises:
        InputError: the params name a model to start from.
    """
    if settings.start:
        raise InputError(
            "a model of regions cannot go on from an earlier one",
            where="params.yaml: train.start",
            why="how its answers become regions is chosen on a validation set, from which the earlier one has learnt",
            cure=f"{provenance.SCRATCH}, then dvc repro",
        )


def load(index: dataset.Index, name: str, gap: float) -> list[Example]:
    """The labeled series of a set.

    Raises:
        InputError: ingest has run since with other channels.
    """
    if arrays.read_index().channels != index.channels:
        raise InputError("data/dataset is older than data/arrays", where=str(dataset.PATH), cure="dvc repro")
    starts: dict[str, list[int]] = {key: [] for key in index.of(name)}
    for key, start in index.windows.get(name, ()):
        if key in starts:
            starts[key].append(start)
    found = []
    for key in starts:
        values, times, target = dataset.labeled(key, index)
        known, regions = stretches(values, times, gap), index.series[key].regions
        found.append(Example(values, target, tuple(starts[key]), regions, known))
    return found


def teach(
    train: list[Example], validation: list[Example], index: dataset.Index, settings: params.Params
) -> Learnt:
    """Train; the curves go to reports/train."""
    task = Task(index.channels, index.labels, index.instants, index.instant_tolerance, index.sampling_rate)
    plan = Plan(size=index.size, stride=index.stride, **settings.train.plan())
    plan = replace(plan, refit=plan.refit and bool(index.of("test")))
    rules = settings.evaluate
    live: Any = Live(dir=str(CURVES), save_dvc_exp=False, report=None, dvcyaml=None)
    trial = trial_epochs(plan) if plan.refit and validation else 0
    with bar("training", trial + plan.epochs) as advance:

        def on_epoch(epoch: Epoch) -> None:
            live.log_metric("train/loss", round(epoch.loss, 6))
            for name in ("balanced_accuracy", "worst_f1"):
                score = getattr(epoch, name)
                if score is not None:
                    live.log_metric(f"validation/{name}", round(score, 6))
            live.next_step()
            advance(description=f"training, loss {epoch.loss:.3f}")

        learnt = learn(train, validation, task, plan, rules.iou, rules.instant_tolerance, on_epoch)
    live.end()
    return learnt


def tell(learnt: Learnt) -> dict[str, Any]:
    """`training` of model.json; figures of the validation set are those of the trial by which all was chosen."""
    fitted, trial = learnt.fit, learnt.trial
    return {
        "epochs": len(fitted.history),
        "best_epoch": fitted.best.number,
        "stopped": fitted.stopped,
        "loss": fitted.best.loss,
        "shuffle": learnt.shuffle,
        "learnt_from": ["train", "validation"] if learnt.refit else ["train"],
        "validation": {
            "balanced_accuracy": trial.best.balanced_accuracy,
            "worst_f1": trial.best.worst_f1,
            "event_f1": learnt.event_f1,
        },
    }


if __name__ == "__main__":
    run(main, whole="stages.classification.train")
