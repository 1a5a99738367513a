"""Restores a network from its weights.

`model.json` is untrusted input: it is checked against itself and the weights before any memory is allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import nn

from storage.artifacts.checkpoint import UnusableError
from storage.errors import InputError
from storage.printable import shortened

Module = TypeVar("Module", bound=nn.Module)
CURE = "dvc repro --single-item --force train, then: dvc repro"


def unusable(why: str) -> UnusableError:
    """The error of an inconsistent model."""
    return UnusableError("the model cannot be used", where="model.json", why=shortened(why), cure=CURE)


def require(holds: bool, why: str) -> None:
    """Raise UnusableError with this reason unless the condition holds."""
    if not holds:
        raise unusable(why)


@contextmanager
def readable() -> Iterator[None]:
    """Turn errors of reading `model.json` in this block into UnusableError."""
    try:
        yield
    except UnusableError:
        raise
    except InputError as error:
        raise unusable(error.why) from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        raise unusable(f"{type(error).__name__}: {error}") from error


def arrays_of(network: nn.Module) -> dict[str, NDArray[Any]]:
    """The weights of a network by name."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}


def restore(build: Callable[[], Module], weights: Mapping[str, NDArray[Any]]) -> Module:
    """The network that `build` makes, with these weights, ready to predict.

    Raises:
        UnusableError: the weights are those of another network, or not finite.
    """
    with readable(), torch.device("meta"):
        wanted = {name: (tuple(t.shape), t.dtype) for name, t in build().state_dict().items()}
    tensors = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    differs = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    require(not differs, f"its weights are of another network: {', '.join(differs[:3])}")
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    require(not broken, f"its weights are not all finite: {', '.join(broken[:3])}")
    network = build()
    network.load_state_dict(tensors)
    return network.eval()
