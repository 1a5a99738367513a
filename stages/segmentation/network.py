"""The network: strided convolutions and fixed statistics over several widths, then a bidirectional LSTM.

    values (B, C, T) ──▶ convolutions, total stride `step` ──▶ (B, 64, T/step) ─┐
                   └───▶ mean, log-variance, distance over `widths` steps ──────┴─▶ BiLSTM ─▶ (B, K, T/step)

The LSTM walks over steps, not timepoints: 16 times fewer where regions are long, and no worse. The statistics are
posture (mean) and intensity (variance), which it would otherwise have to learn from few recordings, and the distance
of the mean from its level during motion (`scaling.level`), which does not depend on how the sensor is worn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.training import devices  # noqa: F401 -- one thread
from stages.training.weights import CURE, readable, require
from storage.text import typed
from storage.text.typed import Share, Size

STRIDES = {1: (1, 1), 2: (2, 1), 4: (2, 2), 8: (4, 2), 16: (4, 4)}
KERNEL = 9
STEM = (32, 64)
MOST_WIDTHS, WIDEST = 16, 100_001


@dataclass(frozen=True)
class Shape:
    """The architecture of a network.

    Attributes:
        front_end: whether convolutions and statistics come before the LSTM; else its input are the scaled values.
        channels: of the input.
        classes: background and the labels.
        step: timepoints for each output: 1, 2, 4, 8 or 16.
        widths: steps over which mean and variance are computed, odd.
        hidden: LSTM units in each direction.
        dropout: fraction of features hidden in training.
    """

    front_end: bool
    channels: Size
    classes: Size
    step: int
    widths: tuple[Size, ...]
    hidden: Size
    dropout: Share

    @property
    def motion_width(self) -> int:
        """Timepoints of the windows in which motion is measured: most of a short region."""
        return self.step * self.widths[min(1, len(self.widths) - 1)]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Shape:
        """Read `network` of model.json.

        Raises:
            UnusableError: there is no such architecture.
        """
        with readable():
            found = typed.check(cls, value, "network", CURE)
        require(found.step in STRIDES and 0 < len(found.widths) <= MOST_WIDTHS, "its step or widths are none")
        require(all(width % 2 and width <= WIDEST for width in found.widths), "a width is even, or too wide")
        return found


class Network(nn.Module):
    """Sequence to sequence: class scores for each step of `shape.step` timepoints."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.front_end = FrontEnd(shape) if shape.front_end else Frames(shape)
        self.dropout = Dropout(shape.dropout)
        self.lstm = nn.LSTM(self.front_end.features, shape.hidden, batch_first=True, bidirectional=True)
        self.out = nn.Conv1d(2 * shape.hidden, shape.classes, 1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Scores before softmax, (B, K, T / step).

        Args:
            x: scaled values, (B, C, T); T is a multiple of step.
            level: of the recording that each step is of, (B, C, T / step).
        """
        z = self.dropout(self.front_end(x, level))
        z = self.lstm(z.transpose(1, 2))[0].transpose(1, 2)
        scores: Tensor = self.out(self.dropout(z))
        return scores


class Frames(nn.Module):
    """No front end: the scaled values of each step side by side, for a plain LSTM."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.step, self.features = shape.step, shape.channels * shape.step

    def forward(self, x: Tensor, _level: Tensor) -> Tensor:
        """(B, C * step, T / step), of `x` as `Network` takes it."""
        batch, channels, rows = x.shape
        frames = x.reshape(batch, channels, rows // self.step, self.step)
        return frames.transpose(2, 3).reshape(batch, self.features, -1)


class FrontEnd(nn.Module):
    """Convolutions, and beside them fixed statistics: (B, features, T / step)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        first, second = STRIDES[shape.step]
        statistics = len(shape.widths) * (2 * shape.channels + 1)
        self.features = STEM[1] + statistics
        self.stem = nn.Sequential(
            nn.Conv1d(shape.channels + 1, STEM[0], KERNEL, first, padding=_padding(first)),
            nn.BatchNorm1d(STEM[0]),
            nn.GELU(),
            nn.Conv1d(STEM[0], STEM[1], KERNEL, second, padding=_padding(second)),
            nn.BatchNorm1d(STEM[1]),
            nn.GELU(),
        )
        self.norm = nn.BatchNorm1d(statistics)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Features of each step, of `x` and `level` as `Network` takes them."""
        stem = self.stem(torch.cat([x, self._motion(x)], 1))
        return torch.cat([stem, self.norm(self._statistics(x, level))], 1)

    def _motion(self, x: Tensor) -> Tensor:
        """Rate of change of the values, independent of the sensor's orientation: (B, 1, T)."""
        lag = max(self.shape.step // 8, 1)
        wide = F.pad(x, (lag, lag), mode="replicate")
        change = (wide[..., 2 * lag :] - wide[..., : -2 * lag]).pow(2).sum(1, keepdim=True)
        return (change + 1e-4).log() * 0.3 + 0.5

    def _statistics(self, x: Tensor, level: Tensor) -> Tensor:
        """Mean, log-variance and distance from the level around each step: (B, widths * (2 C + 1), T / step)."""
        mean, square = F.avg_pool1d(x, self.shape.step), F.avg_pool1d(x * x, self.shape.step)
        found = []
        for width in self.shape.widths:
            a, b = (_smooth(mean, width), _smooth(square, width)) if width > 1 else (mean, square)
            away = ((a - level).pow(2).mean(1, keepdim=True) + 1e-4).sqrt()
            found += [a, (b - a * a).clamp(min=1e-4).log() * 0.3 + 0.8, away]
        return torch.cat(found, 1)


class Dropout(nn.Module):
    """Dropout whose masks are random slices of one drawn before: drawing would take a tenth of training."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self._drawn = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Hide a share of the features; the others grow in proportion."""
        if not self.training or self.share == 0:
            return x
        n = x.numel()
        if self._drawn.numel() < 3 * n or self._drawn.device != x.device:
            kept = torch.empty(4 * n, device=x.device).bernoulli_(1 - self.share)
            self._drawn = kept / max(1 - self.share, 1e-6)
        start = int(torch.randint(self._drawn.numel() - n, (1,)))
        return x * self._drawn[start : start + n].view(x.shape)


def _padding(stride: int) -> int:
    """So that n * stride timepoints give n outputs."""
    return -(-(KERNEL - stride) // 2)


def _smooth(x: Tensor, width: int) -> Tensor:
    return F.avg_pool1d(x, width, 1, width // 2, count_include_pad=False)
