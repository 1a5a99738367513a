"""A trained classifier: values of whole series in, class probabilities out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stages.classification.network import LstmFcn, Shape
from stages.training.weights import CURE, arrays_of, readable, require, restore
from storage.artifacts.checkpoint import Checkpoint
from storage.errors import InputError
from storage.label_studio.label_config import Task
from storage.text import typed

KIND = "lstm-fcn"
CHOICES = ("binary", "multiclass", "multilabel")
# Multiplications of a batch in prediction, and the bounds of its size.
BATCH_WORK, MIN_BATCH, MAX_BATCH = 1e9, 8, 128
# A constant series is not amplified: its standard deviation is at least this share of the train split's.
MIN_DEVIATION = 1e-3

Values = NDArray[np.float32]


@dataclass(frozen=True)
class TaskSpec:
    """What a classifier predicts, from which series.

    Attributes:
        task: `binary` and `multiclass` predict one class, `multilabel` any number of them.
        labels: class k is `labels[k]`. A single label is a binary task with one output, yes or no.
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
        """Whether each class is predicted by itself (sigmoid), not one among all (softmax)."""
        return self.task == "multilabel" or len(self.labels) == 1


@dataclass(frozen=True)
class Scaling:
    """Normalization of values.

    Attributes:
        by: `series`: each channel of each series has its own mean and deviation; `train`: those of the train split,
            for classes that differ by level.
        mean, deviation: (channels,), of the train split.
    """

    by: Literal["series", "train"]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def fit(cls, values: Values, by: Literal["series", "train"]) -> Scaling:
        """Of the train split, (series, channels, length)."""
        wide = values.astype(np.float64)
        deviation = wide.std((0, 2))
        return cls(
            by, tuple(wide.mean((0, 2)).tolist()), tuple(np.where(deviation > 0, deviation, 1.0).tolist())
        )

    def __call__(self, values: Values) -> Values:
        """Scaled values of the same shape; each series by itself."""
        wide, usual = values.astype(np.float64), np.array(self.deviation)[:, None]
        if self.by == "train":
            scaled = (wide - np.array(self.mean)[:, None]) / usual
        else:
            centred = wide - wide.mean(2, keepdims=True)
            scaled = centred / np.maximum(wide.std(2, keepdims=True), MIN_DEVIATION * usual)
        with np.errstate(over="ignore"):  # callers check for infinite probabilities
            return np.asarray(scaled, np.float32)


@dataclass(frozen=True)
class Classifier:
    """A network with its scaling and its task."""

    network: LstmFcn
    scaling: Scaling
    spec: TaskSpec

    @property
    def length(self) -> int:
        """Timepoints of a series."""
        return self.network.shape.length

    @property
    def batch_size(self) -> int:
        """Series in a batch of prediction, always the same number: a prediction then does not depend on
        the other series in the batch, to the last bit."""
        shape = self.network.shape
        return min(max(round(BATCH_WORK / (shape.work * shape.length)), MIN_BATCH), MAX_BATCH)

    @cached_property
    def _inference_network(self) -> LstmFcn:
        return self.network.folded()

    def probabilities(self, values: Values) -> NDArray[np.float32]:
        """Class probabilities, (series, classes), of values (series, channels, length); each series by itself."""
        found = np.empty((len(values), len(self.spec.labels)), np.float32)
        for start in range(0, len(values), self.batch_size):
            part = values[start : start + self.batch_size]
            batch = np.zeros((self.batch_size, *values.shape[1:]), np.float32)
            batch[: len(part)] = self.scaling(part)
            found[start : start + self.batch_size] = self._predict(torch.from_numpy(batch))[: len(part)]
        return found

    @torch.inference_mode()
    def _predict(self, batch: torch.Tensor) -> NDArray[np.float32]:
        scores = self._inference_network(batch)
        found = scores.sigmoid() if self.spec.independent else scores.softmax(1)
        probabilities: NDArray[np.float32] = found.numpy()
        return probabilities

    def decide(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Predicted classes, bool (series, classes): the likeliest, or of independent ones all from 0.5."""
        if self.spec.independent:
            return np.asarray(probabilities >= 0.5)
        return np.asarray(np.arange(probabilities.shape[1]) == probabilities.argmax(1)[:, None])

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Classifier:
        """Load a classifier.

        Raises:
            InputError: it is of another kind.
        """
        if checkpoint.kind != KIND:
            why = f"it is of kind {checkpoint.kind!r}; whole series are classified by {KIND!r}"
            raise InputError("the model cannot be used", where="model.json", why=why, cure="dvc repro")
        shape = Shape.from_json(checkpoint.network)
        channels, labels = checkpoint.channels, checkpoint.labels
        require(
            (shape.channels, shape.classes) == (len(channels), len(labels)), "its network has other classes"
        )
        fields = {"labels": labels, "channels": channels, "sampling_rate": checkpoint.sampling_rate}
        with readable():
            spec = typed.check(TaskSpec, checkpoint.postprocess | fields, "postprocess", CURE)
            scaling = typed.check(Scaling, checkpoint.scaler, "scaler", CURE)
        require(
            len(scaling.mean) == len(scaling.deviation) == len(channels) and min(scaling.deviation) > 0,
            "its scaler is of other channels, or divides by 0",
        )
        require(spec.task in CHOICES, f"its task is {spec.task}")
        return cls(restore(lambda: LstmFcn(shape), checkpoint.weights), scaling, spec)

    def to_checkpoint(self, training: dict[str, Any]) -> Checkpoint:
        """The checkpoint of this classifier; `training` is the record of its training."""
        spec = self.spec
        return Checkpoint(
            kind=KIND,
            channels=spec.channels,
            labels=spec.labels,
            sampling_rate=spec.sampling_rate,
            scaler=asdict(self.scaling),
            network=asdict(self.network.shape),
            postprocess={"task": spec.task, "columns": list(spec.columns)},
            confidence={},
            training=training,
            weights=arrays_of(self.network),
        )
