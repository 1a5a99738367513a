"""A trained classification model: whole series in, what they are out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stages.classification.network import LstmFcn, Shape
from stages.training.weights import CURE, demand, readable, restore
from storage.artifacts.checkpoint import Checkpoint
from storage.errors import InputError
from storage.label_studio.label_config import Task
from storage.text import typed

KIND = "lstm-fcn"
CHOICES = ("binary", "multiclass", "multilabel")
# Series that are predicted together are as many as come to so many multiplications, within bounds.
BLOCK, FEWEST, MOST = 1e9, 8, 128
# A series that is constant keeps its size: below this share of the usual deviation nothing is amplified.
FLOOR = 1e-3

Values = NDArray[np.float32]


@dataclass(frozen=True)
class TaskSpec:
    """What is asked, of what.

    Attributes:
        task: `binary` and `multiclass` have one answer, `multilabel` any number of them.
        labels: class k is `labels[k]`. A single label is a binary task with one answer, yes or no.
        channels: of a series, in order.
        columns: names of the timepoints where series are rows of a table; () for recordings.
        sampling_rate: Hz; None where it is not known.
    """

    task: Task
    labels: tuple[str, ...]
    channels: tuple[str, ...]
    columns: tuple[str, ...] = ()
    sampling_rate: float | None = None

    @property
    def independent(self) -> bool:
        """Whether each class is a question of its own (sigmoid), and not one among all (softmax)."""
        return self.task == "multilabel" or len(self.labels) == 1


@dataclass(frozen=True)
class Scaling:
    """How values are brought to the range that the network knows.

    Attributes:
        by: `series`: each channel of each series has its own mean and deviation; `train`: those of the train set,
            for tasks that are told by the level.
        mean, deviation: (channels,), of the train set.
    """

    by: Literal["series", "train"]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def fit(cls, values: Values, by: Literal["series", "train"]) -> Scaling:
        """Of the train set, (series, channels, length)."""
        wide = values.astype(np.float64)
        deviation = wide.std((0, 2))
        return cls(
            by, tuple(wide.mean((0, 2)).tolist()), tuple(np.where(deviation > 0, deviation, 1.0).tolist())
        )

    def __call__(self, values: Values) -> Values:
        """Scaled values, as long and as many; each series by itself."""
        wide, usual = values.astype(np.float64), np.array(self.deviation)[:, None]
        if self.by == "train":
            scaled = (wide - np.array(self.mean)[:, None]) / usual
        else:
            centred = wide - wide.mean(2, keepdims=True)
            scaled = centred / np.maximum(wide.std(2, keepdims=True), FLOOR * usual)
        with np.errstate(over="ignore"):  # who asks looks whether the answer is a number
            return np.asarray(scaled, np.float32)

    def to_json(self) -> dict[str, Any]:
        """As `scaler` of model.json."""
        return {"by": self.by, "mean": list(self.mean), "deviation": list(self.deviation)}


@dataclass(frozen=True)
class Classifier:
    """A network with all that it needs to be used."""

    network: LstmFcn
    scaling: Scaling
    question: TaskSpec

    @property
    def length(self) -> int:
        """Timepoints of a series."""
        return self.network.shape.length

    @property
    def block(self) -> int:
        """Series in a batch of prediction, always the same number: a prediction then does not depend on
        the other series in the batch, to the last bit."""
        shape = self.network.shape
        return min(max(round(BLOCK / (shape.work * shape.length)), FEWEST), MOST)

    @cached_property
    def _inference_network(self) -> LstmFcn:
        return self.network.folded()

    def probabilities(self, values: Values) -> NDArray[np.float32]:
        """Chance of each class, (series, classes), of values (series, channels, length).

        Each series is answered as if it were alone.
        """
        found = np.empty((len(values), len(self.question.labels)), np.float32)
        for start in range(0, len(values), self.block):
            part = values[start : start + self.block]
            batch = np.zeros((self.block, *values.shape[1:]), np.float32)
            batch[: len(part)] = self.scaling(part)
            found[start : start + self.block] = self._predict(torch.from_numpy(batch))[: len(part)]
        return found

    @torch.inference_mode()
    def _predict(self, batch: torch.Tensor) -> NDArray[np.float32]:
        scores = self._inference_network(batch)
        chances = scores.sigmoid() if self.question.independent else scores.softmax(1)
        answers: NDArray[np.float32] = chances.numpy()
        return answers

    def decide(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """The classes that are said, (series, classes): the likeliest, or of independent ones all over a half."""
        if self.question.independent:
            return np.asarray(probabilities >= 0.5)
        return np.asarray(np.arange(probabilities.shape[1]) == probabilities.argmax(1)[:, None])

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Classifier:
        """Wake a model.

        Raises:
            InputError: it is of another kind.
        """
        if checkpoint.kind != KIND:
            why = f"it is of kind {checkpoint.kind!r}; whole series are classified by {KIND!r}"
            raise InputError("the model cannot be used", where="model.json", why=why, cure="dvc repro")
        shape = Shape.from_json(checkpoint.network)
        channels, labels = checkpoint.channels, checkpoint.labels
        demand(
            (shape.channels, shape.classes) == (len(channels), len(labels)), "its network has other classes"
        )
        asked = {"labels": labels, "channels": channels, "sampling_rate": checkpoint.sampling_rate}
        with readable():
            question = typed.check(TaskSpec, checkpoint.postprocess | asked, "postprocess", CURE)
            scaling = typed.check(Scaling, checkpoint.scaler, "scaler", CURE)
        demand(
            len(scaling.mean) == len(scaling.deviation) == len(channels) and min(scaling.deviation) > 0,
            "its scaler is of other channels, or divides by 0",
        )
        demand(question.task in CHOICES, f"its task is {question.task}")
        return cls(restore(lambda: LstmFcn(shape), checkpoint.weights), scaling, question)

    def to_checkpoint(self, training: dict[str, Any]) -> Checkpoint:
        """Put a model to rest; `training` says how it was made."""
        asked = self.question
        return Checkpoint(
            kind=KIND,
            channels=asked.channels,
            labels=asked.labels,
            sampling_rate=asked.sampling_rate,
            scaler=self.scaling.to_json(),
            network=self.network.shape.to_json(),
            postprocess={"task": asked.task, "columns": list(asked.columns)},
            confidence={},
            training=training,
            weights={name: tensor.detach() for name, tensor in self.network.state_dict().items()},
        )
