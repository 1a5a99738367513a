"""Whether a classifier may still speak where what is asked of recordings has changed.

With another `choice` in the label config the labels are the same and the answers are not: a model that was asked for
one of them never says two or none, and one that was asked for any number does.
"""

from __future__ import annotations

from storage.artifacts.checkpoint import Checkpoint
from storage.errors import InputError
from storage.label_studio.label_config import Task
from storage.paths import BEST


def other_task(model: Checkpoint, task: Task | str) -> str:
    """Why a model must not answer; "" where it was asked the same."""
    its = model.postprocess.get("task", "segmentation")
    return "" if its == task else f"its task is {its}; the project's is {task}"


def refuse_other_task(best: Checkpoint, task: Task) -> None:
    """The best model must not speak where another task is set.

    Raises:
        InputError: it is another.
    """
    why = other_task(best, task)
    if why:
        what = "the best model does not fit the project"
        raise InputError(what, where=str(BEST), why=why, cure="dvc repro")
