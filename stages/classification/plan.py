"""Hyperparameters of a classifier: architecture, number of steps, learning rates."""

from __future__ import annotations

from torch import nn

from stages.classification.network import LstmFcn, Shape
from stages.classification.targets import Labeled
from stages.classifier_params import Classifier
from stages.training import devices
from stages.training.devices import Precision

# Where `steps` is null: multiplications of a training, about a minute of bfloat16 on one core; bounds of the steps.
MINUTE, MIN_STEPS, MAX_STEPS = 2.4e12, 200, 3000
# Below so many steps the highest rate grows with the root of their number, and that of a layer by how much
# narrower it is than the published one: each by this factor at most.
PUBLISHED_STEPS, MAX_STEPS_FACTOR, MAX_WIDTH_FACTOR = 1000, 4.0, 8.0


class Plan(Classifier):
    """How to train: the params of a classifier, and where and how its numbers are computed."""

    device: str
    precision: Precision | None
    seed: int

    def shape(self, channels: int, length: int, classes: int) -> Shape:
        """The network for such series."""
        return Shape(
            channels=channels,
            length=length,
            classes=classes,
            layers=self.num_layers,
            hidden=self.hidden_size,
            dropout=self.dropout,
            filters=(self.filters_1, self.filters_2, self.filters_3),
            kernels=(self.kernel_size_1, self.kernel_size_2, self.kernel_size_3),
            precision=devices.precision(self.precision, self.device),
        )


def batches_of(plan: Plan, train: Labeled) -> int:
    """Batches an epoch."""
    return max(min(-(-len(train.values) // plan.batch_size), len(train.values) // 2), 1)


def epochs_of(plan: Plan, train: Labeled) -> int:
    """Passes over the train split: by the params, or as many as a minute of one core allows."""
    if plan.epochs:
        return plan.epochs
    count, channels, length = train.values.shape
    batches = batches_of(plan, train)
    step = count / batches * length * plan.shape(channels, length, train.targets.shape[1]).work
    steps = plan.steps or min(max(round(MINUTE / step), MIN_STEPS), MAX_STEPS)
    return max(round(steps / batches), 1)


def rate_factor(steps: int) -> float:
    """Factor on the highest learning rate where there are few steps."""
    return float(min(max(PUBLISHED_STEPS / steps, 1) ** 0.5, MAX_STEPS_FACTOR))


def parameter_groups(network: LstmFcn, plan: Plan) -> list[dict[str, object]]:
    """Parameters with their learning rate; weight decay is for weights only, not for biases and batch norms."""
    original = Shape(1, 1, 1, 1, 64, 0, (128, 256, 128), (8, 5, 3))
    widths = {
        "lstm": (original.hidden, network.shape.hidden),
        "out": (original.hidden + original.filters[-1], network.shape.hidden + network.shape.filters[-1]),
    }
    for i, (published, its) in enumerate(zip(original.filters, network.shape.filters, strict=True)):
        widths |= dict.fromkeys((f"convolutions.{i}", f"norms.{i}"), (published, its))
    # As few groups as possible: each is a call of its own, in every step.
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, (published, its) in widths.items():
        rate = plan.lr * min(max(published / its, 1), MAX_WIDTH_FACTOR)
        for parameter in network.get_submodule(name).parameters():
            decay = plan.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": found, "lr": rate, "weight_decay": decay} for (rate, decay), found in groups.items()]
