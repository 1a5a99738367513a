"""Whether a model may speak for a project's recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from storage.checkpoint import Checkpoint

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
    if its_rate and sampling_rate and not math.isclose(its_rate, sampling_rate, rel_tol=SAME_RATE):
        return f"it learnt from recordings at {its_rate:g} Hz; the project's are at {sampling_rate:g} Hz"
    return ""
