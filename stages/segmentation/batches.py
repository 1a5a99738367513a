"""Batches: windows of labeled series with augmentation, in random order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from stages.params import Segmenter
from stages.segmentation.network import Shape
from stages.segmentation.scaling import Scaler, level
from stages.segmentation.targets import Example
from stages.timeseries.runs import runs

# Weights of a class grow with its rarity to this power, from a rarity clipped here.
RARITY_POWER, RARITY_LIMIT = 0.5, 50.0
# A channel whose mean is further from 0, in deviations, is never flipped: no air pressure changes sign.
MAX_FLIP_OFFSET = 20.0


class Plan(Segmenter):
    """How to train: the params of a segmenter, and the windows' size and stride in timepoints.

    A `shuffle` of None is `order_entropy` of the train split.
    """

    size: int
    stride: int


class Batches:
    """An epoch of batches: every window at least once, each shifted by up to half a stride.

    Values are (B, C, size), levels of their recordings (B, C, size / step), targets the fraction of each class in
    each step, (B, K, size / step); all 0 where it is unknown.
    """

    def __init__(
        self, examples: Sequence[Example], scaler: Scaler, shape: Shape, plan: Plan, rng: np.random.Generator
    ) -> None:
        self.plan, self.rng, self.step = plan, rng, shape.step
        # Batch norm needs two steps of each channel, also where a batch is a single window.
        self.size = max(-(-plan.size // shape.step), 2 if plan.batch_size == 1 else 1) * shape.step
        self.margin = self.size // 8
        # Room for a window that starts before the series, or ends behind it.
        room = (self.size + self.margin, self.size + self.margin + shape.step)
        oriented = [scaler.orient(e.values) for e in examples]
        self.values = [F.pad(torch.from_numpy(scaler.scale(v).T.copy()), room) for v in oriented]
        self.targets = [F.pad(fractions(e.target, shape.classes), room) for e in examples]
        self.levels = [torch.from_numpy(level(v, scaler)) for v in oriented]
        self.recorded = list(zip(self.values, self.targets, strict=True))
        self.cuts = [cuts(e.target) for e in examples]
        self.rows = [len(e.target) for e in examples]
        self.windows = [(i, start) for i, e in enumerate(examples) for start in e.starts]
        counts = torch.stack([target.sum(1) for target in self.targets]).sum(0)
        self.class_weights = rarity(counts) if plan.class_weights else torch.ones(shape.classes)
        # Where 0 lies in scaled values: a channel is flipped around its own 0.
        offset = np.array(scaler.mean) / np.array(scaler.deviation)
        self.can_flip = np.abs(offset) < MAX_FLIP_OFFSET
        self.zero = torch.tensor(np.where(self.can_flip, offset, 0), dtype=torch.float32)[None, :, None]

    def __len__(self) -> int:
        return max(-(-len(self.windows) // self.plan.batch_size), self.plan.min_batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        self._reorder()
        size = self.plan.batch_size
        order: list[int] = []
        while len(order) < len(self) * size:
            order += self.rng.permutation(len(self.windows)).tolist()
        for i in range(0, len(self) * size, size):
            yield self._augment(*self._take([self._shift(*self.windows[j]) for j in order[i : i + size]]))

    def _reorder(self) -> None:
        """Cut some series between their regions and join the pieces in random order."""
        room = self.size + self.margin
        for i, (values, target) in enumerate(self.recorded):
            if self.rng.random() < (self.plan.shuffle or 0):
                pieces = [torch.arange(a + room, b + room) for a, b in pairwise(self.cuts[i])]
                rows = torch.cat([pieces[k] for k in self.rng.permutation(len(pieces))])
                order = torch.arange(values.shape[1])
                order[room : room + self.rows[i]] = rows
                self.values[i], self.targets[i] = values[:, order], target[:, order]
            else:
                self.values[i], self.targets[i] = values, target

    def _shift(self, series: int, start: int) -> tuple[int, int]:
        half = self.plan.stride // 2
        spare = self.rows[series] - self.size
        low, high = min(0, spare) - self.margin, max(0, spare) + self.margin
        if spare < 0:
            return series, int(self.rng.integers(low, high + 1))
        moved = start + int(self.rng.integers(-half, half + 1))
        return series, min(max(moved, low), high)

    def _take(self, places: list[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
        room = self.size + self.margin
        values = torch.stack([self.values[i][:, room + s : room + s + self.size] for i, s in places])
        target = torch.stack([self.targets[i][:, room + s : room + s + self.size] for i, s in places])
        levels = torch.stack([self.levels[i] for i, _ in places])[..., None]
        return values, levels.repeat(1, 1, self.size // self.step), F.avg_pool1d(target, self.step)

    def _augment(self, values: Tensor, levels: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Flip the sign of some channels (a sensor worn upside down); splice some windows."""
        if self.plan.flip:
            flipped = (self.rng.random(values.shape[:2]) < self.plan.flip) & self.can_flip
            sign = torch.from_numpy(1 - 2 * flipped.astype(np.float32))[..., None]
            values = (values + self.zero) * sign - self.zero
            levels = (levels + self.zero) * sign - self.zero
        steps = target.shape[-1]
        if steps >= 8 and len(values) > 1 and self.rng.random() < self.plan.splice:
            cut = int(self.rng.integers(steps // 8, 7 * steps // 8))
            values = torch.cat(
                [values[..., : cut * self.step], values.roll(1, 0)[..., cut * self.step :]], -1
            )
            levels, target = (
                torch.cat([x[..., :cut], x.roll(1, 0)[..., cut:]], -1) for x in (levels, target)
            )
        return values, levels, target


def cuts(target: NDArray[np.int16]) -> list[int]:
    """Where a series may be cut between its regions: in the middle of the background between two."""
    starts, ends, codes = (a.tolist() for a in runs(target))
    found = [0, len(target)]
    for i, (start, end, code) in enumerate(zip(starts, ends, codes, strict=True)):
        if code <= 0:
            found.append((start + end + 1) // 2)
        elif i + 1 < len(codes) and codes[i + 1] > 0:
            found.append(end + 1)
    return sorted(set(found))


def fractions(target: NDArray[np.int16], classes: int) -> Tensor:
    """One-hot targets, (classes, timepoints); all 0 where the target is -1."""
    return (torch.from_numpy(target.astype(np.int64))[None] == torch.arange(classes)[:, None]).float()


def rarity(counts: Tensor) -> Tensor:
    """Weights of the classes, 1 on average over timepoints."""
    weights = (counts.sum() / (len(counts) * counts.clamp(min=1))).clamp(max=RARITY_LIMIT) ** RARITY_POWER
    return weights * counts.sum() / (weights * counts).sum()
