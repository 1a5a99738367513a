"""Training, from top to bottom: batches, loss, one-cycle schedule, averaged weights, early stop.

The model is the running average of the weights (and of the batch norm's buffers), which needs no annealing to be
good at any moment; so it is what the validation set judges after every epoch. Two criteria count: balanced
accuracy, and F1 of the worst class, where a class that is never predicted counts as 0.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.model.network import Network, Shape
from stages.model.preparation import Scaler, Values
from stages.model.segmenter import predict
from stages.timeseries.metrics import confuse, timepoint_scores

# Weights of a class grow with its rarity to this power, from a rarity clipped here.
RARITY_POWER, RARITY_LIMIT = 0.5, 50.0
WARM_UP = 0.2
AVERAGE = 0.99
# Validation scores this near are the same: of such epochs the later is taken, for it has learnt longer.
SAME = 0.005
# Chance that the part of a window behind a random cut comes from its neighbour in the batch.
SPLICE = 0.3


@dataclass(frozen=True)
class Example:
    """One labeled series: values as recorded, targets, and where its windows start."""

    values: Values
    target: NDArray[np.int16]
    starts: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """How to train: the params of the train section, and the windows' size and stride in timepoints."""

    size: int
    stride: int
    epochs: int
    patience: int
    enough_balanced_accuracy: float
    enough_worst_f1: float
    batch_size: int
    min_batches: int
    learning_rate: float
    weight_decay: float
    class_weights: bool
    flip: float
    seed: int


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; validation scores are None without a validation set."""

    number: int
    loss: float
    balanced_accuracy: float | None
    worst_f1: float | None


@dataclass(frozen=True)
class Fit:
    """The trained network and how it came to be.

    Attributes:
        network: the average of the weights after the best epoch.
        history: all epochs.
        best: the epoch whose weights these are.
        stopped: `schedule` (all epochs), `patience` or `enough`.
    """

    network: Network
    history: tuple[Epoch, ...]
    best: Epoch
    stopped: str


def fit(
    train: Sequence[Example],
    validation: Sequence[Example],
    scaler: Scaler,
    shape: Shape,
    plan: Plan,
    on_epoch: Callable[[Epoch], None],
) -> Fit:
    """Train a network. The same examples, shape and plan give the same weights, to the last bit."""
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)

    batches = Batches(train, scaler, shape, plan, rng)
    checks = [(scaler(e.values), e.target) for e in validation]
    network = Network(shape)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
    )
    # One more than is taken; and the warm-up, a fifth, needs more than one step.
    steps = max(len(batches) * plan.epochs + 1, 2 * round(1 / WARM_UP))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.learning_rate, steps, pct_start=WARM_UP, div_factor=10, final_div_factor=100
    )

    watch = Watch(plan, can_be_enough=classes_in(train) == classes_in(validation))
    for number in range(1, plan.epochs + 1):
        network.train()
        losses = []
        for values, target in batches:
            loss = soft_cross_entropy(network(values), target, batches.class_weights)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            update_average(average, network, schedule.last_epoch)
            losses.append(loss.item())
        epoch = check(average.eval(), checks, number, float(np.mean(losses)))
        on_epoch(epoch)
        if watch.see(epoch, average):
            break
    average.load_state_dict(watch.weights)
    return Fit(average.eval(), tuple(watch.history), watch.best, watch.stopped)


class Watch:
    """Early stop: remembers the best epoch and its weights, and says when to go no further.

    An epoch is worth the sum of the two validation criteria; without a validation set all are worth the same, so
    the last one is kept.
    """

    def __init__(self, plan: Plan, can_be_enough: bool) -> None:
        self.plan, self.can_be_enough = plan, can_be_enough
        self.history: list[Epoch] = []
        self.stopped = "schedule"
        self.weights: dict[str, Tensor] = {}
        self._highest, self._gained = -1.0, 0

    def see(self, epoch: Epoch, network: Network) -> bool:
        """Take note of an epoch; True: stop."""
        self.history.append(epoch)
        worth = (epoch.balanced_accuracy or 0.0) + (epoch.worst_f1 or 0.0)
        if worth > self._highest + SAME:
            self._gained = epoch.number
        if worth >= self._highest - SAME:
            self.best, self.weights = epoch, copy.deepcopy(network.state_dict())
        self._highest = max(self._highest, worth)
        if epoch.worst_f1 is None:
            return False
        if self.can_be_enough and is_enough(epoch, self.plan):
            self.stopped = "enough"
        elif epoch.number - self._gained >= self.plan.patience:
            self.stopped = "patience"
        return self.stopped != "schedule"


def classes_in(examples: Sequence[Example]) -> set[int]:
    """Classes that are taught: a validation set without one of them cannot say that training is enough."""
    return {int(k) for example in examples for k in np.unique(example.target) if k >= 0}


def is_enough(epoch: Epoch, plan: Plan) -> bool:
    """Both criteria of the validation set are reached."""
    return (epoch.balanced_accuracy or 0) >= plan.enough_balanced_accuracy and (
        epoch.worst_f1 or 0
    ) >= plan.enough_worst_f1


class Batches:
    """An epoch of batches: every window at least once, each moved by up to half a stride.

    Values are (B, C, size), targets the fraction of each class in each step, (B, K, size / step); a step of which
    nothing is known has no fraction at all.
    """

    def __init__(
        self, examples: Sequence[Example], scaler: Scaler, shape: Shape, plan: Plan, rng: np.random.Generator
    ) -> None:
        self.plan, self.rng, self.step = plan, rng, shape.step
        self.size = -(-plan.size // shape.step) * shape.step
        self.margin = self.size // 8
        # Room for a window that starts before the series, or ends behind it.
        room = (self.size + self.margin, self.size + self.margin + shape.step)
        self.values = [F.pad(torch.from_numpy(scaler(e.values).T.copy()), room) for e in examples]
        self.targets = [F.pad(fractions(e.target, shape.classes), room) for e in examples]
        self.rows = [len(e.target) for e in examples]
        self.windows = [(i, start) for i, e in enumerate(examples) for start in e.starts]
        counts = torch.stack([target.sum(1) for target in self.targets]).sum(0)
        self.class_weights = rarity(counts) if plan.class_weights else torch.ones(shape.classes)
        # Where 0 lies in scaled values: turning a channel upside down turns it around its own 0.
        offset = np.array(scaler.mean) / np.array(scaler.deviation)
        self.zero = torch.tensor(offset, dtype=torch.float32)[None, :, None]

    def __len__(self) -> int:
        return max(-(-len(self.windows) // self.plan.batch_size), self.plan.min_batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        size = self.plan.batch_size
        order: list[int] = []
        while len(order) < len(self) * size:
            order += self.rng.permutation(len(self.windows)).tolist()
        for i in range(0, len(self) * size, size):
            yield self._augment(*self._cut([self._move(*self.windows[j]) for j in order[i : i + size]]))

    def _move(self, series: int, start: int) -> tuple[int, int]:
        half = self.plan.stride // 2
        spare = self.rows[series] - self.size
        low, high = min(0, spare) - self.margin, max(0, spare) + self.margin
        if spare < 0:
            return series, int(self.rng.integers(low, high + 1))
        moved = start + int(self.rng.integers(-half, half + 1))
        return series, min(max(moved, low), high)

    def _cut(self, places: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        room = self.size + self.margin
        values = torch.stack([self.values[i][:, room + s : room + s + self.size] for i, s in places])
        target = torch.stack([self.targets[i][:, room + s : room + s + self.size] for i, s in places])
        return values, F.avg_pool1d(target, self.step)

    def _augment(self, values: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Turn some channels upside down (a sensor worn the other way round); splice some windows."""
        if self.plan.flip:
            turned = self.rng.random(values.shape[:2]) < self.plan.flip
            sign = torch.from_numpy(1 - 2 * turned.astype(np.float32))[..., None]
            values = (values + self.zero) * sign - self.zero
        steps = target.shape[-1]
        if steps >= 8 and len(values) > 1 and self.rng.random() < SPLICE:
            cut = int(self.rng.integers(steps // 8, 7 * steps // 8))
            values = torch.cat(
                [values[..., : cut * self.step], values.roll(1, 0)[..., cut * self.step :]], -1
            )
            target = torch.cat([target[..., :cut], target.roll(1, 0)[..., cut:]], -1)
        return values, target


def fractions(target: NDArray[np.int16], classes: int) -> Tensor:
    """One row per class, (classes, timepoints): 1 where the target is that class; all 0 where it is -1."""
    return (torch.from_numpy(target.astype(np.int64))[None] == torch.arange(classes)[:, None]).float()


def rarity(counts: Tensor) -> Tensor:
    """Weights of the classes, 1 on average over timepoints."""
    weights = (counts.sum() / (len(counts) * counts.clamp(min=1))).clamp(max=RARITY_LIMIT) ** RARITY_POWER
    return weights * counts.sum() / (weights * counts).sum()


def soft_cross_entropy(scores: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Mean cross-entropy against class fractions; steps that are mostly unknown do not count."""
    known = (target.sum(1) > 0.5).float()
    weighted = target * weights[None, :, None]
    loss = -((weighted * scores.log_softmax(1)).sum(1) * known).sum()
    return loss / (weighted.sum(1) * known).sum().clamp(min=1e-6)


@torch.no_grad()
def update_average(average: Network, network: Network, step: int) -> None:
    """Move the average towards the network; by much at first, when the start is all it knows."""
    keep = min(AVERAGE, step / (step + 9)) if step > 1 else 0.0
    mine = [v for v in average.state_dict().values() if v.dtype.is_floating_point]
    theirs = [v for v in network.state_dict().values() if v.dtype.is_floating_point]
    torch._foreach_lerp_(mine, theirs, 1 - keep)


def check(
    network: Network, series: Sequence[tuple[Values, NDArray[np.int16]]], number: int, loss: float
) -> Epoch:
    """Score a network on the validation set, step by step, before any decoding."""
    if not series:
        return Epoch(number, loss, None, None)
    classes, step = network.shape.classes, network.shape.step
    confusion = np.zeros((classes, classes), np.int64)
    for scaled, target in series:
        middle = target[step // 2 :: step] if len(target) > step // 2 else target[-1:]
        found = predict(network, scaled).argmax(1).astype(np.int16)[: len(middle)]
        confusion += confuse(middle, found, classes)
    scores = timepoint_scores(confusion)
    return Epoch(number, loss, scores["balanced_accuracy"], scores["worst_f1"])
