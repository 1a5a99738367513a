"""Training a classifier, from top to bottom: equal batches, loss, one-cycle schedule, averaged weights.

The weights that are kept are the average over the last quarter of all steps, with batch norm's statistics computed
anew from the train split. With a validation split, an epoch that was clearly more accurate there is kept instead.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from stages.classification.loss import PART, LabeledSplit
from stages.classification.model import Classifier, Scaling, TaskSpec
from stages.classification.network import LstmFcn, Shape
from stages.classification.plan import Plan, batches_of, epochs_of, parameter_groups, rate_factor
from stages.classification.targets import Labeled
from stages.compatibility import same_rate
from stages.training import devices
from stages.training.distributed import Team
from stages.training.launch import run_distributed
from storage.errors import InputError

WARM_UP = 0.25
# Share of the steps, at the end, over which weights are averaged.
AVERAGED = 0.25
# An epoch is kept where its accuracy exceeds the average's by more than this over the root of the number of series.
MIN_GAIN = 0.5
# Params by the name of the field of `Shape`.
PARAMS = {"layers": "num_layers", "hidden": "hidden_size", "kernels": "kernel_size"}


@dataclass(frozen=True)
class Epoch:
    """Loss and accuracy of one epoch: on the train split during it, on a validation split after it."""

    number: int
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True)
class FitResult:
    """A trained classifier.

    Attributes:
        history: all epochs.
        kept: whether the weights are the `average` or those of an `epoch`.
        result: number of the last epoch, or of the one that is kept; loss and accuracy of the kept weights.
    """

    model: Classifier
    history: tuple[Epoch, ...]
    kept: Literal["average", "epoch"]
    result: Epoch

    def record(self) -> dict[str, Any]:
        """`training` of model.json, without what depends on the origin of the data."""
        return {
            "epochs": len(self.history),
            "best_epoch": self.result.number,
            "kept": self.kept,
            "loss": self.result.loss,
            "accuracy": self.result.accuracy,
            "learnt_from": ["train"],
        }


def fit_classifier(
    train: Labeled,
    validation: Labeled | None,
    spec: TaskSpec,
    plan: Plan,
    start: Classifier | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> FitResult:
    """Train a classifier, in several processes where the settings say so.

    The same series, task and plan give the same weights, to the last bit in one process, else but for rounding.

    Args:
        train, validation: labeled series; the second are only scored.
        spec: labels and channels.
        plan: hyperparameters.
        start: a model whose weights and scaling are the initial ones.
        on_epoch: called after each epoch.

    Raises:
        InputError: `start` is not compatible, the loss is not finite, or there is no such device.
    """
    job = partial(fit_worker, train, validation, spec, plan, start)
    # Each process has at least one series of each batch.
    return run_distributed(job, on_epoch, plan.device, most=len(train.values) // batches_of(plan, train))


def fit_worker(
    train: Labeled,
    validation: Labeled | None,
    spec: TaskSpec,
    plan: Plan,
    start: Classifier | None,
    team: Team,
    on_epoch: Callable[[Epoch], None],
) -> FitResult:
    """Train in one process of a team; all return the same. See `fit_classifier`."""
    device = devices.prepare(plan.device, team.local_rank)
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)

    _, channels, length = train.values.shape
    network = LstmFcn(plan.shape(channels, length, len(spec.labels)))
    scaling = Scaling.fit(train.values, plan.scaling)
    if start:
        check_start(start, network.shape, spec, plan.scaling)
        network.load_state_dict(start.network.state_dict())
        scaling = start.scaling
    network.to(device)
    train_split = LabeledSplit(train, scaling, spec, plan.label_smoothing, plan.class_weights, device)
    # Without class weights and smoothing, so that the losses of different trainings can be compared.
    validation_split = LabeledSplit(validation, scaling, spec, 0.0, False, device) if validation else None

    batches, epochs = batches_of(plan, train), epochs_of(plan, train)
    steps = max(epochs * batches + 1, round(2 / WARM_UP))
    optimizer = torch.optim.AdamW(parameter_groups(network, plan), lr=plan.lr, fused=True)
    rates = [group["lr"] * rate_factor(steps) for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, steps, pct_start=WARM_UP)
    average = AveragedModel(network)
    history: list[Epoch] = []
    best: tuple[Epoch, dict[str, Tensor]] | None = None
    wrapped = team.wrap(network)
    for number in range(1, epochs + 1):
        network.train()
        total, outputs = 0.0, []
        for batch in _shuffled(len(train.values), batches, rng):
            rows = team.shard(batch)
            scores = wrapped(train_split.inputs[rows])
            loss = train_split.loss(scores, rows)
            optimizer.zero_grad()
            team.scale_loss(loss, rows).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
            outputs.append((scores.detach(), rows))
            if schedule.last_epoch > (1 - AVERAGED) * epochs * batches:
                average.update_parameters(network)
        total, right = team.sum(total, train_split.count_correct(*map(torch.cat, zip(*outputs, strict=True))))
        check_finite(total, number, plan)
        epoch = Epoch(number, total / len(train.values), right / len(train.values))
        if validation_split:
            epoch = Epoch(number, epoch.loss, epoch.accuracy, *validation_split.evaluate(network, team))
            if not best or (epoch.validation_accuracy or 0) > (best[0].validation_accuracy or 0):
                best = epoch, copy.deepcopy(network.state_dict())
        history.append(epoch)
        on_epoch(epoch)

    team.unwrap(network)
    network.load_state_dict(average.module.state_dict())
    network.update_batch_norm(train_split.inputs, PART)

    def evaluated(number: int) -> Epoch:
        return Epoch(
            number,
            *train_split.evaluate(network, team),
            *(validation_split.evaluate(network, team) if validation_split else ()),
        )

    result = evaluated(epochs)
    kept: Literal["average", "epoch"] = "average"
    if best and validation_split and _is_clearly_better(best[0], result, len(validation_split.inputs)):
        kept = "epoch"
        network.load_state_dict(best[1])
        result = evaluated(best[0].number)
    return FitResult(Classifier(network.eval().cpu(), scaling, spec), tuple(history), kept, result)


def _is_clearly_better(epoch: Epoch, average: Epoch, series: int) -> bool:
    gain = (epoch.validation_accuracy or 0) - (average.validation_accuracy or 0)
    return gain > MIN_GAIN / math.sqrt(series)


def check_start(start: Classifier, shape: Shape, spec: TaskSpec, scaling: str) -> None:
    """Check that training can start from a model.

    Raises:
        InputError: it has another architecture, scaling, labels, channels, columns or task; names all that differs.
    """
    pairs = [(name, vars(start.network.shape)[name], value) for name, value in vars(shape).items()]
    pairs += [(name, vars(start.spec)[name], value) for name, value in vars(spec).items()]
    pairs.append(("scaling", start.scaling.by, scaling))
    free = {"dropout", "classes", "precision"}
    if same_rate(start.spec.sampling_rate, spec.sampling_rate):
        free.add("sampling_rate")
    differs = [(name, its, ours) for name, its, ours in pairs if its != ours and name not in free]
    if differs:
        raise InputError(
            "training cannot resume from this model",
            where="model.json",
            why="; ".join(
                f"its {PARAMS.get(name, name)} is {_short(its)}, here it is {_short(ours)}"
                for name, its, ours in differs
            ),
            cure="train from scratch, or use data and params that are compatible with it",
        )


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_finite(loss: float, epoch: int, plan: Plan) -> None:
    """Raise InputError where the loss is NaN or infinite."""
    if not math.isfinite(loss):
        raise InputError(
            "training was stopped: the loss is not a finite number",
            where=f"epoch {epoch}",
            why=f"training diverged, at a learning rate of {plan.lr:g} at most",
            cure="a lower lr",
        )


def _shuffled(count: int, batches: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """All rows in random order, in batches whose sizes differ by one at most."""
    order = rng.permutation(count)
    for rows in np.array_split(order, batches):
        yield torch.from_numpy(rows)
