"""From a dataset to a candidate: training, and the record of it."""

from __future__ import annotations

from typing import Any

from stages import params
from stages.segmentation.batches import Plan
from stages.segmentation.dataset import load
from stages.segmentation.targets import Example
from stages.segmentation.training import FitResult, TaskSpec, fit_segmenter, trial_epochs
from stages.segmentation.training_loop import Epoch
from stages.training.curves import learning_curves
from storage.artifacts import dataset, provenance, reports
from storage.artifacts.checkpoint import Checkpoint
from storage.errors import InputError


def fit(index: dataset.Index, settings: params.Params) -> tuple[Checkpoint, list[str]]:
    """Train on the dataset; returns the model and a summary.

    Raises:
        InputError: the params name a model to start from, or the dataset is older than the arrays.
    """
    check_start(settings.train)
    train, validation = (load(index, name, settings.ingest.gap) for name in ("train", "validation"))
    result = _train(train, validation, index, settings)
    return result.model.to_checkpoint(_record(result)), _in_words(result, bool(validation))


def check_start(settings: params.Train) -> None:
    """Raise InputError where the params name a model to start from."""
    if settings.start:
        raise InputError(
            "a model of regions cannot be trained from an earlier one",
            where="params.yaml: train.start",
            why="its decoder is chosen on a validation split, and the earlier one may have been trained on that",
            cure=f"{provenance.SCRATCH}, then dvc repro",
        )


def _train(
    train: list[Example], validation: list[Example], index: dataset.Index, settings: params.Params
) -> FitResult:
    task = TaskSpec(
        index.channels, index.labels, index.instants, index.instant_tolerance, index.sampling_rate
    )
    chosen = settings.train.plan() | {"refit": settings.train.refit and bool(index.of("test"))}
    plan = Plan(**vars(index.window), **chosen)
    rules = settings.evaluate
    trial = trial_epochs(plan) if plan.refit and validation else 0
    with learning_curves(trial + plan.epochs) as log:
        return fit_segmenter(
            train,
            validation,
            task,
            plan,
            rules.iou,
            rules.instant_tolerance,
            lambda epoch: log(_figures(epoch)),
        )


def _figures(epoch: Epoch) -> dict[str, float]:
    """Learning curves: figures of an epoch by name of the curve."""
    checked = {f"validation/{name}": getattr(epoch, name) for name in ("balanced_accuracy", "worst_f1")}
    return {"train/loss": epoch.loss, **{name: n for name, n in checked.items() if n is not None}}


def _record(result: FitResult) -> dict[str, Any]:
    """`training` of model.json; figures of the validation split are those of the trial."""
    fitted, trial = result.fit, result.trial
    return {
        "epochs": len(fitted.history),
        "best_epoch": fitted.best.number,
        "stopped": fitted.stopped,
        "loss": fitted.best.loss,
        "shuffle": result.shuffle,
        "learnt_from": ["train", "validation"] if result.refit else ["train"],
        "validation": {
            "balanced_accuracy": trial.best.balanced_accuracy,
            "worst_f1": trial.best.worst_f1,
            "event_f1": result.event_f1,
        },
    }


def _in_words(result: FitResult, validated: bool) -> list[str]:
    fitted, lines = result.fit, []
    if result.refit:
        found = reports.score_text("event F1", result.event_f1, None)
        lines.append(f"by a trial of {len(result.trial.history)} epochs: {found} on the validation split")
    lines.append(f"best epoch {fitted.best.number} of {len(fitted.history)}, stopped by {fitted.stopped}")
    if not validated:
        lines.append(
            "warning: no validation split: the whole schedule was run, the decoder has its default params"
        )
    elif result.event_f1 is None:
        lines.append("warning: the validation split has no event to find: the decoder has its default params")
    return lines
