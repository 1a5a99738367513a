"""The loss and the accuracy of a classifier on a labeled split."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.classification.model import Scaling, TaskSpec
from stages.classification.network import LstmFcn
from stages.classification.targets import Labeled
from stages.training.distributed import Team

# Series in a batch of evaluation.
PART = 512


class LabeledSplit:
    """Labeled series on the device, with loss and accuracy of a network on them."""

    def __init__(
        self,
        series: Labeled,
        scaling: Scaling,
        spec: TaskSpec,
        label_smoothing: float,
        weighted: bool,
        device: torch.device,
    ) -> None:
        self.inputs = torch.from_numpy(scaling(series.values)).to(device)
        self.truth = torch.from_numpy(series.targets).to(device)
        self.independent = spec.independent
        smooth = label_smoothing / max(self.truth.shape[1], 2)
        self.targets = self.truth.float() * (1 - label_smoothing) + smooth
        self.weights = class_weights(self.truth, spec.independent) if weighted else None

    def loss(self, scores: Tensor, rows: Tensor | slice) -> Tensor:
        """Mean cross-entropy, of each class by itself where they are independent."""
        targets = self.targets[rows]
        if self.independent:
            return F.binary_cross_entropy_with_logits(scores, targets, pos_weight=self.weights)
        return F.cross_entropy(scores, targets, self.weights)

    def count_correct(self, scores: Tensor, rows: Tensor | slice) -> int:
        """Number of series whose predicted classes are all right."""
        truth = self.truth[rows]
        if self.independent:
            return int(((scores > 0) == truth).all(1).sum())
        return int((scores.argmax(1) == truth.int().argmax(1)).sum())

    @torch.no_grad()
    def evaluate(self, network: LstmFcn, team: Team) -> tuple[float, float]:
        """Loss and accuracy of a network on all series; each process of the team takes some parts."""
        network.eval()
        total, right = 0.0, 0.0
        for start in range(team.rank * PART, len(self.inputs), team.world * PART):
            rows = slice(start, start + PART)
            found = network(self.inputs[rows])
            total += self.loss(found, rows).item() * len(found)
            right += self.count_correct(found, rows)
        total, right = team.sum(total, right)
        return total / len(self.inputs), right / len(self.inputs)


def class_weights(truth: Tensor, independent: bool) -> Tensor:
    """Class weights by the root of rarity, of truth (series, classes); of independent ones yes over no."""
    counts = truth.float().sum(0)
    if independent:
        return ((len(truth) - counts) / counts.clamp(min=1)).clamp(0.02, 50).sqrt()
    weights = (len(truth) / counts.clamp(min=1)).sqrt()
    return weights * len(truth) / (weights * counts).sum()
