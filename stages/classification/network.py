"""The LSTM-FCN of Karim et al., "LSTM Fully Convolutional Networks for Time Series Classification" (2018).

    values (B, C, T) ──▶ LSTM over C steps of T features each ("dimension shuffle") ──▶ dropout ──────┐
                   └───▶ three times convolution, batch norm, ReLU ──▶ mean over time ────────────────┴─▶ (B, K)

The LSTM takes a whole series for the features of one step, so it is short whatever the length; the convolutions find
patterns wherever they are. https://ieeexplore.ieee.org/document/8141873
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stages.training import devices
from stages.training.devices import Precision
from stages.training.weights import CURE, readable
from storage.text import typed
from storage.text.typed import Share, Size


@dataclass(frozen=True)
class Shape:
    """The architecture of a network.

    Attributes:
        channels, length: of a series; the network takes no other.
        classes: outputs.
        layers, hidden: of the LSTM, and units in each.
        dropout: fraction of the LSTM's features hidden in training, after each layer.
        filters, kernels: of the three convolutions; kernels in timepoints.
        precision: of the numbers that convolutions multiply; weights and all else are float32.
    """

    channels: Size
    length: Size
    classes: Size
    layers: Annotated[int, Field(ge=1, le=16)]
    hidden: Size
    dropout: Share
    filters: tuple[Size, Size, Size]
    kernels: tuple[Size, Size, Size]
    precision: Precision = "float32"

    @property
    def work(self) -> int:
        """Multiplications of the convolutions for each timepoint."""
        widths = (self.channels, *self.filters)
        return sum(a * b * k for a, b, k in zip(widths, self.filters, self.kernels, strict=False))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Shape:
        """Read `network` of model.json.

        Raises:
            UnusableError: there is no such architecture.
        """
        with readable():
            return typed.check(cls, value, "network", CURE)


class LstmFcn(nn.Module):
    """Series to class scores."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        between = shape.dropout if shape.layers > 1 else 0.0
        self.lstm = nn.LSTM(shape.length, shape.hidden, shape.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(shape.dropout)
        widths = (shape.channels, *shape.filters)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, (1, kernel), padding=(0, (kernel - 1) // 2), bias=False)
            for before, after, kernel in zip(widths, shape.filters, shape.kernels, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters) for filters in shape.filters)
        self.out = nn.Linear(shape.hidden + shape.filters[-1], shape.classes)
        self._initialize()
        self.convolutions.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Scores before softmax (or sigmoid), (B, classes), of scaled values (B, channels, length)."""
        hidden = self.dropout(self.lstm(x)[0][:, -1])
        # As images one pixel high, in channels-last layout, convolutions take a fifth less time.
        z = x[:, :, None].to(memory_format=torch.channels_last)
        bf16 = self.shape.precision == "bfloat16" and devices.supports_bf16(x.device.type)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            for convolution, norm, kernel in zip(
                self.convolutions, self.norms, self.shape.kernels, strict=True
            ):
                z = z if kernel % 2 else F.pad(z, (0, 1))
                z = F.relu(norm(convolution(z)), inplace=True)
        # Pooling and not `mean`: its gradient has the channels innermost too, which saves a tenth of training.
        found = F.avg_pool2d(z, (1, self.shape.length)).flatten(1)
        scores: Tensor = self.out(torch.cat([hidden, found.float()], 1))
        return scores

    def folded(self) -> LstmFcn:
        """A copy for inference, batch norm folded into the convolutions' weights."""
        copy = deepcopy(self).eval()
        for i, (convolution, norm) in enumerate(zip(copy.convolutions, copy.norms, strict=True)):
            copy.convolutions[i] = fuse_conv_bn_eval(convolution, norm)  # type: ignore[type-var,arg-type]
            copy.norms[i] = nn.Identity()
        return copy

    @torch.no_grad()
    def update_batch_norm(self, inputs: Tensor, most: int) -> None:
        """Batch norm's mean and variance anew from scaled values (series, channels, length), in parts of at most
        `most` series."""
        for norm in self.norms:
            norm.reset_running_stats()  # type: ignore[operator]
            norm.momentum = None  # type: ignore[assignment]
        self.train()
        for part in np.array_split(np.arange(len(inputs)), -(-len(inputs) // most)):
            self(inputs[torch.from_numpy(part)])
        self.eval()

    def _initialize(self) -> None:
        """As in the paper's Keras: He for convolutions, Xavier for what goes into gates, orthogonal between steps."""
        for convolution in self.convolutions:
            nn.init.kaiming_uniform_(convolution.weight, nonlinearity="relu")  # type: ignore[arg-type]
        for name, weight in self.lstm.named_parameters():
            for gate, part in enumerate(weight.chunk(4)):
                if name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(part)
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(part)
                else:
                    # The forget gate starts open, by one of its two biases.
                    nn.init.constant_(part, float(gate == 1 and name.startswith("bias_ih")))
        nn.init.xavier_uniform_(self.out.weight)
        nn.init.zeros_(self.out.bias)
