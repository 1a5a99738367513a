"""A trained segmentation model: values of one recording in, regions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from stages.metrics.segmentation import LabeledPrediction
from stages.segmentation.calibration import Confidence
from stages.segmentation.decoding import Decoder, Probabilities
from stages.segmentation.network import Network, Shape
from stages.segmentation.scaling import Scaler, Values, level
from stages.timeseries.gaps import Stretches, split_at_gaps
from stages.training.weights import CURE, arrays_of, readable, require, restore
from storage.artifacts.checkpoint import Checkpoint
from storage.artifacts.region import Region
from storage.errors import InputError
from storage.text import typed

KIND = "lstm"
# Steps of a window in prediction, and steps that neighbouring windows share.
CHUNK, OVERLAP = 512, 128
BATCH = 16
# Steps whose entropy is computed at once: bounds memory.
BLOCK = 1 << 16


@dataclass(frozen=True)
class Segmentation:
    """The prediction for one recording.

    Attributes:
        regions: by start, each with its calibrated score.
        classes: int16 (timepoints,), of the regions.
        confidence: (timepoints,), probability that the class is right.
        score: mean confidence, 0 to 1.
        uncertainty: mean entropy of the probabilities, 0 to 1.
    """

    regions: tuple[tuple[Region, float], ...]
    classes: NDArray[np.int16]
    confidence: NDArray[np.float32]
    score: float
    uncertainty: float


@dataclass(frozen=True)
class Segmenter:
    """A network with channels, labels, scaler, decoder and calibration."""

    network: Network
    scaler: Scaler
    decoder: Decoder
    confidence: Confidence
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    sampling_rate: float | None

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Segmenter:
        """Load a segmenter.

        Raises:
            InputError: it is of a kind that this checkout does not know.
        """
        if checkpoint.kind != KIND:
            why = f"it is of kind {checkpoint.kind!r}; this checkout knows {KIND!r}"
            raise InputError("the model cannot be used", where="model.json", why=why, cure="dvc repro")
        shape = Shape.from_json(checkpoint.network)
        channels, classes = len(checkpoint.channels), len(checkpoint.labels) + 1
        require(
            (shape.channels, shape.classes) == (channels, classes),
            "its network has other channels or classes",
        )
        with readable():
            scaler = typed.check(Scaler, checkpoint.scaler, "scaler", CURE)
            decoder = typed.check(
                Decoder, {**checkpoint.postprocess, "labels": checkpoint.labels}, "postprocess", CURE
            )
            confidence = typed.check(Confidence, checkpoint.confidence, "confidence", CURE)
        require(scaler.fits(channels), "its scaler is of other channels, or divides by 0")
        require(decoder.fits(shape.step, classes), "its decoder is of other classes or steps")
        require(confidence.temperature > 0, "its temperature is not above 0")
        network = restore(lambda: Network(shape), checkpoint.weights)
        return cls(
            network,
            scaler,
            decoder,
            confidence,
            checkpoint.channels,
            checkpoint.labels,
            checkpoint.sampling_rate,
        )

    def to_checkpoint(self, training: dict[str, Any]) -> Checkpoint:
        """The checkpoint of this segmenter; `training` is the record of its training."""
        return Checkpoint(
            kind=KIND,
            channels=self.channels,
            labels=self.labels,
            sampling_rate=self.sampling_rate,
            scaler=asdict(self.scaler),
            network=asdict(self.network.shape),
            postprocess=self.decoder.to_json(),
            confidence=asdict(self.confidence),
            training=training,
            weights=arrays_of(self.network),
        )

    def segment(self, values: Values) -> Segmentation:
        """Find the regions of one recording, values (timepoints, channels)."""
        probabilities = predict(self.network, self.scaler, values)
        found = self.decoder.decode(probabilities, len(values))
        classes = self.decoder.classes([region for region, _ in found], len(values))
        sure = self.confidence.steps(probabilities, classes[:: self.decoder.step])
        return Segmentation(
            tuple((region, self.confidence.region(score)) for region, score in found),
            classes,
            np.repeat(sure, self.decoder.step)[: len(values)],
            float(sure.mean()),
            mean_entropy(probabilities),
        )

    def predict_labeled(
        self,
        values: Values,
        target: NDArray[np.int16],
        true: Sequence[Region],
        known: Stretches | None = None,
    ) -> LabeledPrediction:
        """The prediction for one recording, outside of gaps, with its true regions."""
        found = self.segment(values)
        scored = split_at_gaps(found.regions, known)
        return LabeledPrediction(
            target,
            found.classes,
            true,
            predicted=[region for region, _ in scored],
            scores=[score for _, score in scored],
            confidence=found.confidence,
            sampling_rate=self.sampling_rate,
        )


def mean_entropy(probabilities: Probabilities) -> float:
    """Of probabilities (steps, classes), 0 to 1."""
    blocks = range(0, len(probabilities), BLOCK)
    parts = (probabilities[start : start + BLOCK] for start in blocks)
    whole = -sum(float((part * np.log(part + 1e-9)).sum(dtype=np.float64)) for part in parts)
    return max(whole / len(probabilities) / float(np.log(probabilities.shape[1])), 0.0)


@torch.inference_mode()
def predict(network: Network, scaler: Scaler, values: Values) -> Probabilities:
    """Class probabilities, (steps, classes), float32.

    The recording is cut into overlapping windows, always at the same places, so that memory does not grow with its
    length, and the result does not depend on the batch size. Where windows overlap their probabilities are averaged,
    with less weight towards their ends.
    """
    step, rows = network.shape.step, len(values)
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
    device = network.out.weight.device
    oriented = scaler.orient(values)
    levels = torch.from_numpy(level(oriented, scaler))[None, :, None]
    for i in range(0, len(starts), BATCH):
        windows = [oriented[start * step : (start + size) * step] for start in starts[i : i + BATCH]]
        batch = torch.stack([_padded(scaler.scale(window), size * step) for window in windows])
        level_of_each = levels.repeat(len(batch), 1, size)
        scores = network(batch.to(device), level_of_each.to(device))
        batched = scores.softmax(1).transpose(1, 2).cpu().numpy()
        for start, found in zip(starts[i : i + BATCH], batched, strict=True):
            total[start : start + size] += found * ramp
            weights[start : start + size] += ramp
    total /= weights
    return total


def _padded(scaled: Values, size: int) -> Tensor:
    """(C, size); zeros (the mean) beyond the end."""
    part = torch.from_numpy(np.ascontiguousarray(scaled.T))
    return F.pad(part, (0, size - part.shape[1]))
