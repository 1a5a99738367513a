"""What a network learns on. One thread on a CPU, or a GPU; either way the same bytes from the same inputs."""

from __future__ import annotations

import torch

from storage.errors import InputError
from storage.settings import same_cublas_results

# One thread, always: sums are then taken in one order, so the bytes do not depend on the machine's cores; and
# networks this small only lose by more.
torch.set_num_threads(1)


def ready(name: str, place: int = 0) -> torch.device:
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
                cure="train.device: cpu in params.yaml, then dvc repro",
            )
        torch.cuda.set_device(place)
    torch.use_deterministic_algorithms(True)
    # Filling memory that is about to be written is for finding who reads it before: a tenth of training.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(name)
