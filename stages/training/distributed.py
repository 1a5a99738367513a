"""Data-parallel training in which each step is that of a single process, but for rounding.

    batch of 8 ──┬─ rank 0: series 0 2 4 6 ─┐  batch norm's sums, gradients     ┌─ the same weights
                 └─ rank 1: series 1 3 5 7 ─┴─ and losses are added up ─────────┴─ the same weights

The training loop is written once, for a team of any size; `Team()` is a single process. stages/training/launch.py
starts the processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

TIMEOUT_S = 600.0  # that a process waits for the others


@dataclass
class Team:
    """The processes that train one network together, as one of them sees it.

    Attributes:
        rank, world: index of this process, and number of processes.
        local_rank: index of its GPU on its machine.
        batch: series in the current batch, all shards together.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    batch: int = 0

    def shard(self, rows: Tensor) -> Tensor:
        """The rows of a batch that this process trains on; sets the current batch."""
        self.batch = len(rows)
        return rows[self.rank :: self.world]

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network as a distributed module, with the same parameters.

        Batch norms, dropouts and LSTMs take the whole batch into account, as in a single process.
        """
        if self.world == 1:
            return network
        for module in network.modules():
            if shared := SHARED.get(type(module)):
                module.__class__ = shared
                module.team = self  # type: ignore[assignment]
        return DistributedDataParallel(network, forward_sync_buffers=False)

    def unwrap(self, network: nn.Module) -> None:
        """The inverse of `wrap`; the network keeps its trained parameters."""
        plain = {shared: kind for kind, shared in SHARED.items()}
        for module in network.modules():
            if kind := plain.get(type(module)):
                module.__class__ = kind
                del module.team

    def scale_loss(self, loss: Tensor, shard: Tensor) -> Tensor:
        """A mean over the shard, for `backward`: gradients are averaged over ranks, and shards differ in size."""
        return loss if self.world == 1 else loss * (len(shard) * self.world / self.batch)

    def sum(self, first: float, second: float) -> tuple[float, float]:
        """Two numbers, each added up over all processes."""
        if self.world == 1:
            return first, second
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        both = torch.tensor([first, second], dtype=torch.float64, device=device)
        distributed.all_reduce(both)
        return both[0].item(), both[1].item()


class Total(torch.autograd.Function):
    """The sum of a tensor over all processes, and backwards that of its gradients."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


class SharedNorm(nn.BatchNorm2d):
    """Batch norm over the whole batch: sums are added up over processes, forwards and backwards.

    torch's SyncBatchNorm is for GPUs only. Sums are in double precision, so that the variance is exact.
    """

    team: Team

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        wide, count = x.double(), self.team.batch * x[0, 0].numel()
        sums = torch.stack([wide.sum((0, 2, 3)), wide.square().sum((0, 2, 3))])
        mean, square = Total.apply(sums) / count
        variance = (square - mean.square()).clamp(min=0)
        self._update_running(mean.detach(), variance.detach() * (count / (count - 1)))
        factor = self.weight * (variance + self.eps).rsqrt().float()
        shift = self.bias - mean.float() * factor
        normal: Tensor = x * factor[:, None, None] + shift[:, None, None]
        return normal.to(x.dtype)

    def _update_running(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics as torch does."""
        for running, value in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None and self.momentum is not None:
                running.lerp_(value.float(), self.momentum)


class SharedDropout(nn.Dropout):
    """Dropout with masks of the whole batch: all processes draw the same mask and take their rows."""

    team: Team

    def forward(self, x: Tensor) -> Tensor:
        return x * mask(self.team, x, self.p) if self.training else x


class SharedLstm(nn.LSTM):
    """The LSTM layer by layer, with dropout masks of the whole batch between the layers."""

    team: Team

    def forward(self, x: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        nothing = x.new_zeros(1, len(x), self.hidden_size)
        for layer in range(self.num_layers):
            if layer and self.training:
                x = x * mask(self.team, x, self.dropout)
            weights: list[Tensor] = [*self.all_weights[layer]]
            x, _, _ = torch.lstm(x, (nothing, nothing), weights, True, 1, 0.0, self.training, False, True)
        return x, None


SHARED: dict[type, type] = {nn.BatchNorm2d: SharedNorm, nn.Dropout: SharedDropout, nn.LSTM: SharedLstm}


def mask(team: Team, x: Tensor, p: float) -> Tensor:
    """The shard's rows of the dropout mask that a single process would draw; the first dimension of `x` is series.

    An LSTM draws time-major masks, so three dimensions are transposed.
    """
    series = x.transpose(0, 1) if x.ndim == 3 else x
    shape = list(series.shape)
    shape[-2] = team.batch
    drawn = F.dropout(x.new_ones(shape), p)[..., team.rank :: team.world, :]
    return drawn.transpose(0, 1) if x.ndim == 3 else drawn
