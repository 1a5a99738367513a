"""A trained segmentation model: values of one recording in, regions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from stages.model.network import Network, Shape
from stages.model.preparation import Scaler, Values
from stages.timeseries.decoding import Decoder, Probabilities
from stages.timeseries.metrics import Judged, Scores, score
from storage.checkpoint import Checkpoint
from storage.errors import InputError
from storage.regions import Region

KIND = "lstm"
# Steps the network sees at once in prediction, and steps that neighbouring stretches share.
CHUNK, OVERLAP = 512, 128
BATCH = 16

# One thread, always: sums are then taken in one order, so the bytes do not depend on the machine's cores; and an
# LSTM this small only loses by more.
torch.set_num_threads(1)


@dataclass(frozen=True)
class Segmentation:
    """What a model says about one recording.

    Attributes:
        regions: by start, each with the mean probability of its label.
        classes: int16 (timepoints,), as the regions say it.
        score: mean probability of the decided class, 0 to 1.
        uncertainty: mean entropy of the probabilities, 0 (sure) to 1 (no idea).
    """

    regions: tuple[tuple[Region, float], ...]
    classes: NDArray[np.int16]
    score: float
    uncertainty: float


@dataclass(frozen=True)
class Segmenter:
    """A network with all that it needs to be used: channels, labels, scaler, decoder."""

    network: Network
    scaler: Scaler
    decoder: Decoder
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    sampling_rate: float | None

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Segmenter:
        """Wake a model.

        Raises:
            InputError: it is of a kind that this checkout does not know.
        """
        if checkpoint.kind != KIND:
            why = f"it is of kind {checkpoint.kind!r}; this checkout knows {KIND!r}"
            raise InputError("the model cannot be used", where="model.json", why=why, cure="dvc repro")
        network = Network(Shape.from_json(checkpoint.network))
        network.load_state_dict(dict(checkpoint.weights))
        return cls(
            network.eval(),
            Scaler.from_json(checkpoint.scaler),
            Decoder.from_json(checkpoint.postprocess, checkpoint.labels),
            checkpoint.channels,
            checkpoint.labels,
            checkpoint.sampling_rate,
        )

    def to_checkpoint(self, training: dict[str, Any]) -> Checkpoint:
        """Put a model to rest; `training` says how it was made."""
        return Checkpoint(
            kind=KIND,
            channels=self.channels,
            labels=self.labels,
            sampling_rate=self.sampling_rate,
            scaler=self.scaler.to_json(),
            network=self.network.shape.to_json(),
            postprocess=self.decoder.to_json(),
            training=training,
            weights={name: tensor.detach() for name, tensor in self.network.state_dict().items()},
        )

    def segment(self, values: Values) -> Segmentation:
        """Find the regions of one recording, values (timepoints, channels)."""
        probabilities = predict(self.network, self.scaler(values))
        regions = self.decoder.decode(probabilities, len(values))
        classes = self.decoder.classes([region for region, _ in regions], len(values))
        decided = classes[:: self.decoder.step]
        entropy = -(probabilities * np.log(probabilities + 1e-9)).sum(1) / np.log(probabilities.shape[1])
        certainty = probabilities[np.arange(len(decided)), decided]
        return Segmentation(tuple(regions), classes, float(certainty.mean()), float(max(entropy.mean(), 0.0)))

    def score(
        self,
        series: Mapping[str, tuple[Values, NDArray[np.int16], Sequence[Region]]],
        iou: float,
        tolerance: int,
    ) -> Scores:
        """Compare with the truth: values, targets and true regions by series key."""
        judged = []
        for values, target, true in series.values():
            found = self.segment(values)
            judged.append(Judged(target, found.classes, true, [region for region, _ in found.regions]))
        return score(judged, self.labels, iou, tolerance)


def misfit(checkpoint: Checkpoint, channels: Sequence[str], labels: Sequence[str]) -> str:
    """Why a model must not speak for recordings with these channels and labels; "" where it may."""
    for what, its, ours in (
        ("channels", checkpoint.channels, channels),
        ("labels", checkpoint.labels, labels),
    ):
        if tuple(its) != tuple(ours):
            return f"its {what} are {', '.join(its)}; the project's are {', '.join(ours)}"
    return ""


@torch.inference_mode()
def predict(network: Network, scaled: Values) -> Probabilities:
    """Class probabilities, (steps, classes), float32.

    The recording is cut into overlapping chunks, so that memory does not grow with its length inside the
    network; where chunks overlap their answers are averaged, each weighing less towards its ends.
    """
    step, rows = network.shape.step, len(scaled)
    steps = -(-rows // step)
    size = min(CHUNK, steps)
    starts = [*range(0, steps - size, CHUNK - OVERLAP), steps - size]
    total = np.zeros((steps, network.shape.classes), np.float32)
    weights = np.zeros((steps, 1), np.float32)
    ramp = (
        np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
        .clip(max=OVERLAP)[:, None]
        .astype(np.float32)
    )
    for i in range(0, len(starts), BATCH):
        batch = torch.stack([_chunk(scaled, start * step, size * step) for start in starts[i : i + BATCH]])
        answers = network(batch).softmax(1).transpose(1, 2).numpy()
        for start, answer in zip(starts[i : i + BATCH], answers, strict=True):
            total[start : start + size] += answer * ramp
            weights[start : start + size] += ramp
    return total / weights


def _chunk(scaled: Values, start: int, size: int) -> Tensor:
    """(C, size) from `start` on; zeros (the mean) beyond the end."""
    part = torch.from_numpy(np.ascontiguousarray(scaled[start : start + size].T))
    return F.pad(part, (0, size - part.shape[1]))
