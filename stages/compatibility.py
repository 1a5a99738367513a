"""Whether a model is compatible with a project's recordings: channels, labels, sampling rate, task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from storage.artifacts.checkpoint import Checkpoint
from storage.errors import InputError
from storage.label_studio.label_config import Task
from storage.paths import BEST

# Relative tolerance for equal sampling rates: the jitter of clocks.
RATE_TOLERANCE = 0.02


def incompatibility(
    model: Checkpoint, channels: Sequence[str], labels: Sequence[str], sampling_rate: float | None
) -> str:
    """Why a model is not compatible with the project's channels, labels and sampling rate (Hz); "" where it is."""
    for what, its, ours in (("channels", model.channels, channels), ("labels", model.labels, labels)):
        if tuple(its) != tuple(ours):
            return f"its {what} are {', '.join(its)}; the project's are {', '.join(ours)}"
    its_rate = model.sampling_rate
    if its_rate and sampling_rate and not same_rate(its_rate, sampling_rate):
        return f"it was trained on recordings at {its_rate:g} Hz; the project's are at {sampling_rate:g} Hz"
    return ""


def other_task(model: Checkpoint, task: Task | str) -> str:
    """Why a classifier is not compatible with this task; "" where it is.

    With another `choice` in the label config the labels stay the same: a model trained for exactly one choice never
    predicts two or none, and one trained for any number does.
    """
    its = model.postprocess.get("task", "segmentation")
    return "" if its == task else f"its task is {its}; the project's is {task}"


def same_rate(its: float | None, ours: float | None) -> bool:
    """Whether two sampling rates may be one, as far as they are known."""
    return not its or not ours or math.isclose(its, ours, rel_tol=RATE_TOLERANCE)


def check(why: str, where: Path, against: str) -> None:
    """Raise InputError where there is a reason, as of the functions above, why a model is not compatible.

    Args:
        why: the reason; "" where it is compatible.
        where: `data/best` or `data/candidate`.
        against: `project` or `dataset`.
    """
    if why:
        name = "best model" if where == BEST else "candidate"
        raise InputError(
            f"the {name} does not fit the {against}", where=str(where), why=why, cure="dvc repro"
        )
