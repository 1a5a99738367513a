"""Training, from top to bottom: batches, loss, one-cycle learning rate schedule, weight averaging, early stopping.

The model is the running average of the weights and of batch norm's buffers. After every epoch it is scored on the
validation split, by two criteria: balanced accuracy, and F1 of the worst class, where a class that is never
predicted counts as 0.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.metrics.segmentation import confuse, timepoint_scores
from stages.segmentation.batches import Batches, Plan
from stages.segmentation.model import predict
from stages.segmentation.network import Network, Shape
from stages.segmentation.scaling import Scaler, Values
from stages.segmentation.targets import Example
from stages.training import devices
from storage.errors import InputError

WARM_UP = 0.2
# The logit of a class that the train split lacks.
UNTRAINED_LOGIT = -30.0
AVERAGE_DECAY = 0.99
# Validation scores that differ by less count as equal: the later epoch is then taken.
TIE = 0.05


@dataclass(frozen=True)
class Epoch:
    """Loss and scores of one epoch; scores are None where the validation split has nothing to find."""

    number: int
    loss: float
    balanced_accuracy: float | None
    worst_f1: float | None


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, with the average of the weights after the best epoch.

    Attributes:
        history: all epochs.
        best: the epoch whose weights these are.
        stopped: `schedule` (all epochs), `patience` or `enough`.
    """

    network: Network
    history: tuple[Epoch, ...]
    best: Epoch
    stopped: str


def train_network(
    train: Sequence[Example],
    validation: Sequence[Example],
    scaler: Scaler,
    shape: Shape,
    plan: Plan,
    on_epoch: Callable[[Epoch], None],
) -> TrainedNetwork:
    """Train a network. The same examples, shape and plan give the same weights, to the last bit.

    Raises:
        InputError: the loss is not finite, or there is no such device.
    """
    device = devices.prepare(plan.device)
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)

    batches = Batches(train, scaler, shape, plan, rng)
    class_weights = batches.class_weights.to(device)
    checks = [(e.values, e.target) for e in validation]
    network = Network(shape).to(device)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
    )
    # One more than is taken; and the warm-up, a fifth, needs more than one step.
    steps = max(len(batches) * plan.epochs + 1, 2 * round(1 / WARM_UP))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.learning_rate, steps, pct_start=WARM_UP, div_factor=10, final_div_factor=100
    )

    stopping = EarlyStopping(plan, can_be_enough=classes_in(train) == classes_in(validation))
    for number in range(1, plan.epochs + 1):
        network.train()
        losses = []
        for batch in batches:
            values, level, target = (part.to(device) for part in batch)
            loss = soft_cross_entropy(network(values, level), target, class_weights)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            gradient_norm = nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            losses.append(loss.item())
            check_finite(losses[-1], gradient_norm.item(), number, plan)
            optimizer.step()
            schedule.step()
            update_average(average, network, schedule.last_epoch)
        epoch = validate(average.eval(), scaler, checks, number, float(np.mean(losses)))
        on_epoch(epoch)
        if stopping.update(epoch, average):
            break
    average.load_state_dict(stopping.weights)
    disable_untrained(average, set(range(shape.classes)) - classes_in(train))
    return TrainedNetwork(average.eval().cpu(), tuple(stopping.history), stopping.best, stopping.stopped)


def check_finite(loss: float, gradient_norm: float, epoch: int, plan: Plan) -> None:
    """Raise InputError where the loss or the norm of its gradient is NaN or infinite, before it changes weights."""
    if math.isfinite(loss) and math.isfinite(gradient_norm):
        return
    what = "loss" if not math.isfinite(loss) else "gradient of the loss"
    raise InputError(
        f"training was stopped: the {what} is not a finite number",
        where=f"epoch {epoch}, stage train",
        why=f"training diverged, at a learning rate of {plan.learning_rate:g} at most",
        cure="a lower train.learning_rate in params.yaml, then: dvc repro",
    )


class EarlyStopping:
    """Early stopping: keeps the weights of the epoch with the best sum of the two validation criteria.

    Without a validation split the last epoch is kept.
    """

    def __init__(self, plan: Plan, can_be_enough: bool) -> None:
        self.plan, self.can_be_enough = plan, can_be_enough
        self.history: list[Epoch] = []
        self.stopped = "schedule"
        self.weights: dict[str, Tensor] = {}
        self._highest, self._gained = -1.0, 0

    def update(self, epoch: Epoch, network: Network) -> bool:
        """Record an epoch; True: stop."""
        self.history.append(epoch)
        value = (epoch.balanced_accuracy or 0.0) + (epoch.worst_f1 or 0.0)
        if value > self._highest + TIE:
            self._gained = epoch.number
        if value >= self._highest - TIE:
            self.best, self.weights = epoch, copy.deepcopy(network.state_dict())
        self._highest = max(self._highest, value)
        if epoch.worst_f1 is None:
            return False
        if self.can_be_enough and is_enough(epoch, self.plan):
            self.stopped = "enough"
        elif epoch.number - self._gained >= self.plan.patience:
            self.stopped = "patience"
        return self.stopped != "schedule"


@torch.no_grad()
def disable_untrained(network: Network, classes: set[int]) -> None:
    """Classes that the train split lacks are never predicted: their logits would be arbitrary."""
    for k in sorted(classes):
        network.out.weight[k] = 0
        network.out.bias[k] = UNTRAINED_LOGIT  # type: ignore[index]


def classes_in(examples: Sequence[Example]) -> set[int]:
    """Classes that occur; without all of them a validation split cannot stop training as good enough."""
    return {int(k) for example in examples for k in np.unique(example.target) if k >= 0}


def is_enough(epoch: Epoch, plan: Plan) -> bool:
    """Both criteria of the validation split are reached."""
    return (epoch.balanced_accuracy or 0) >= plan.enough_balanced_accuracy and (
        epoch.worst_f1 or 0
    ) >= plan.enough_worst_f1


def soft_cross_entropy(scores: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Mean cross-entropy against class fractions; steps that are mostly unknown do not count."""
    known = (target.sum(1) > 0.5).float()
    weighted = target * weights[None, :, None]
    loss = -((weighted * scores.log_softmax(1)).sum(1) * known).sum()
    return loss / (weighted.sum(1) * known).sum().clamp(min=1e-6)


@torch.no_grad()
def update_average(average: Network, network: Network, step: int) -> None:
    """Move the average towards the network, faster in the first steps."""
    keep = min(AVERAGE_DECAY, step / (step + 9)) if step > 1 else 0.0
    averaged = [v for v in average.state_dict().values() if v.dtype.is_floating_point]
    current = [v for v in network.state_dict().values() if v.dtype.is_floating_point]
    torch._foreach_lerp_(averaged, current, 1 - keep)


def validate(
    network: Network,
    scaler: Scaler,
    series: Sequence[tuple[Values, NDArray[np.int16]]],
    number: int,
    loss: float,
) -> Epoch:
    """Score a network on the validation split, step by step, before any decoding."""
    if not series:
        return Epoch(number, loss, None, None)
    classes, step = network.shape.classes, network.shape.step
    confusion = np.zeros((classes, classes), np.int64)
    for values, target in series:
        middle = target[step // 2 :: step] if len(target) > step // 2 else target[-1:]
        found = predict(network, scaler, values).argmax(1).astype(np.int16)[: len(middle)]
        confusion += confuse(middle, found, classes)
    scores = timepoint_scores(confusion)
    return Epoch(number, loss, scores["balanced_accuracy"], scores["worst_f1"])
