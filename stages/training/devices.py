"""Devices to train on: one thread of a CPU, or a GPU; either way deterministic."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch

from storage.errors import InputError
from storage.settings import make_cublas_deterministic

Precision = Literal["float32", "bfloat16"]

# One thread, always: sums are then taken in one order, so the bytes do not depend on the machine's cores; and
# networks this small only lose by more.
torch.set_num_threads(1)


@cache
def supports_bf16(name: str) -> bool:
    """Whether a device (`cpu` or `cuda`) has instructions for bfloat16, which are twice as fast."""
    able = torch.cpu.get_capabilities()
    return name == "cuda" or any(able.get(each) for each in ("avx512_bf16", "amx_bf16"))


def precision(requested: Precision | None, name: str) -> Precision:
    """Precision of the convolutions: as requested, else what is fast on this processor; on a GPU float32.

    Raises:
        InputError: bfloat16 is requested, and the processor has no instructions for it.
    """
    if requested == "bfloat16" and not supports_bf16(name):
        raise InputError(
            "this processor does not multiply bfloat16",
            where="params.yaml, train.precision",
            why="it has no AVX512-BF16 or AMX, so that training would take many times as long",
            cure="train.precision: null in params.yaml, or --param precision=null",
        )
    return requested or ("bfloat16" if name == "cpu" and supports_bf16(name) else "float32")


def prepare(name: str, index: int = 0) -> torch.device:
    """A device on which only deterministic operations are allowed.

    Args:
        name: `cpu` or `cuda`.
        index: of the GPU.

    Raises:
        InputError: there is no such device.
    """
    if name == "cuda":
        make_cublas_deterministic()
        if not torch.cuda.is_available():
            raise InputError(
                "there is no GPU to train on",
                where="params.yaml, train.device",
                why="torch finds no CUDA device",
                cure="train.device: cpu in params.yaml, or --param device=cpu",
            )
        torch.cuda.set_device(index)
    torch.use_deterministic_algorithms(True)
    # Filling new memory is for debugging, and takes a tenth of training.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(name)
