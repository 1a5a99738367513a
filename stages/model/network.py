"""The network: strided convolutions and fixed statistics over several widths, then a bidirectional LSTM.

    values (B, C, T) ──▶ convolutions, total stride `step` ──▶ (B, 64, T/step) ─┐
                   └───▶ mean and log-variance over `widths` steps ─────────────┴─▶ BiLSTM ─▶ (B, K, T/step)

The LSTM walks over steps, not timepoints: 16 times fewer where regions are long, and no worse. The statistics give
it what posture (mean) and vigour (variance) are, which it would otherwise have to learn from few recordings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDES = {1: (1, 1), 2: (2, 1), 4: (2, 2), 8: (4, 2), 16: (4, 4)}
KERNEL = 9
STEM = (32, 64)


@dataclass(frozen=True)
class Shape:
    """All that the weights do not say about a network.

    Attributes:
        channels: of the input.
        classes: background and the labels.
        step: timepoints for each answer: 1, 2, 4, 8 or 16.
        widths: steps over which mean and variance are shown, odd.
        hidden: LSTM units in each direction.
        dropout: fraction of features hidden in training.
    """

    channels: int
    classes: int
    step: int
    widths: tuple[int, ...]
    hidden: int
    dropout: float

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Shape:
        """Read `network` of model.json."""
        return cls(**{**value, "widths": tuple(value["widths"])})

    def to_json(self) -> dict[str, Any]:
        """The inverse of `from_json`."""
        return asdict(self)


class Network(nn.Module):
    """Sequence to sequence: class scores for each step of `shape.step` timepoints."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        first, second = STRIDES[shape.step]
        features = 2 * len(shape.widths) * shape.channels
        self.stem = nn.Sequential(
            nn.Conv1d(shape.channels + 1, STEM[0], KERNEL, first, padding=_padding(first)),
            nn.BatchNorm1d(STEM[0]),
            nn.GELU(),
            nn.Conv1d(STEM[0], STEM[1], KERNEL, second, padding=_padding(second)),
            nn.BatchNorm1d(STEM[1]),
            nn.GELU(),
        )
        self.norm = nn.BatchNorm1d(features)
        self.dropout = nn.Dropout(shape.dropout)
        self.lstm = nn.LSTM(STEM[1] + features, shape.hidden, batch_first=True, bidirectional=True)
        self.out = nn.Conv1d(2 * shape.hidden, shape.classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores before softmax, (B, K, T / step), of scaled values (B, C, T); T is a multiple of step."""
        z = torch.cat([self.stem(torch.cat([x, self._motion(x)], 1)), self.norm(self._statistics(x))], 1)
        z = self.lstm(self.dropout(z).transpose(1, 2))[0].transpose(1, 2)
        scores: Tensor = self.out(self.dropout(z))
        return scores

    def _motion(self, x: Tensor) -> Tensor:
        """How fast the values change, the same however the sensor is turned: (B, 1, T)."""
        lag = max(self.shape.step // 8, 1)
        wide = F.pad(x, (lag, lag), mode="replicate")
        change = (wide[..., 2 * lag :] - wide[..., : -2 * lag]).pow(2).sum(1, keepdim=True)
        return (change + 1e-4).log() * 0.3 + 0.5

    def _statistics(self, x: Tensor) -> Tensor:
        """Mean and log-variance around each step, over each width: (B, 2 * widths * C, T / step)."""
        mean, square = F.avg_pool1d(x, self.shape.step), F.avg_pool1d(x * x, self.shape.step)
        found = []
        for width in self.shape.widths:
            a, b = (_smooth(mean, width), _smooth(square, width)) if width > 1 else (mean, square)
            found += [a, (b - a * a).clamp(min=1e-4).log() * 0.3 + 0.8]
        return torch.cat(found, 1)


def _padding(stride: int) -> int:
    """So that n * stride timepoints give n answers."""
    return -(-(KERNEL - stride) // 2)


def _smooth(x: Tensor, width: int) -> Tensor:
    return F.avg_pool1d(x, width, 1, width // 2, count_include_pad=False)
