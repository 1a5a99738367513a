"""What a network learns on. One thread on a CPU, or a GPU; either way the same bytes from the same inputs."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch

from storage.errors import InputError
from storage.settings import same_cublas_results

Precision = Literal["float32", "bfloat16"]

# One thread, always: sums are then taken in one order, so the bytes do not depend on the machine's cores; and
# networks this small only lose by more.
torch.set_num_threads(1)


@cache
def supports_bf16(name: str) -> bool:
    """Whether a device (`cpu` or `cuda`) multiplies numbers of half the size, bfloat16, at twice the speed."""
    able = torch.cpu.get_capabilities()
    return name == "cuda" or any(able.get(each) for each in ("avx512_bf16", "amx_bf16"))


def precision(asked: Precision | None, name: str) -> Precision:
    """What to multiply: as asked for, or what is fast on a processor; on a GPU float32, which is fast there.

    Raises:
        InputError: bfloat16 is asked for, and the processor has no instructions for it.
    """
    if asked == "bfloat16" and not supports_bf16(name):
        raise InputError(
            "this processor does not multiply bfloat16",
            where="params.yaml, train.precision",
            why="it has no AVX512-BF16 or AMX, so that training would take many times as long",
            cure="train.precision: null in params.yaml, or --param precision=null",
        )
    return asked or ("bfloat16" if name == "cpu" and supports_bf16(name) else "float32")


def prepare(name: str, place: int = 0) -> torch.device:
    """A device on which only operations with one result are allowed.

    Args:
        name: `cpu` or `cuda`.
        place: of several GPUs, which.

    Raises:
        InputError: there is no such device.
    """
    if name == "cuda":
        same_cublas_results()
        if not torch.cuda.is_available():
            raise InputError(
                "there is no GPU to train on",
                where="params.yaml, train.device",
                why="torch finds no CUDA device",
                cure="train.device: cpu in params.yaml, or --param device=cpu",
            )
        torch.cuda.set_device(place)
    torch.use_deterministic_algorithms(True)
    # Filling memory that is about to be written is for finding who reads it before: a tenth of training.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(name)
