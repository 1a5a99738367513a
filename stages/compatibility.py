"""Whether a model may speak for a project's recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from storage.artifacts.checkpoint import Checkpoint
from storage.errors import InputError
from storage.paths import BEST

# Sampling rates that are nearer than this are one rate, and the jitter of clocks.
SAME_RATE = 0.02


def misfit(
    checkpoint: Checkpoint, channels: Sequence[str], labels: Sequence[str], sampling_rate: float | None
) -> str:
    """Why a model must not speak for such recordings; "" where it may.

    Args:
        checkpoint: the model.
        channels, labels: of the project.
        sampling_rate: of most of its recordings; None where it is not known.
    """
    for what, its, ours in (
        ("channels", checkpoint.channels, channels),
        ("labels", checkpoint.labels, labels),
    ):
        if tuple(its) != tuple(ours):
            return f"its {what} are {', '.join(its)}; the project's are {', '.join(ours)}"
    its_rate = checkpoint.sampling_rate
    if its_rate and sampling_rate and not same_rate(its_rate, sampling_rate):
        return f"it learnt from recordings at {its_rate:g} Hz; the project's are at {sampling_rate:g} Hz"
    return ""


def same_rate(its: float | None, ours: float | None) -> bool:
    """Whether two sampling rates may be one, as far as they are known."""
    return not its or not ours or math.isclose(its, ours, rel_tol=SAME_RATE)


def refuse(
    model: Checkpoint,
    where: Path,
    against: str,
    channels: Sequence[str],
    labels: Sequence[str],
    sampling_rate: float | None,
) -> None:
    """A model whose classes or channels mean others must not speak.

    Args:
        model: `data/best` or `data/candidate`, as `where` says.
        against: whose the channels, labels and sampling rate are: the project's, the dataset's.

    Raises:
        InputError: it does not fit.
    """
    why = misfit(model, channels, labels, sampling_rate)
    if why:
        name = "best model" if where == BEST else "candidate"
        raise InputError(
            f"the {name} does not fit the {against}", where=str(where), why=why, cure="dvc repro"
        )
