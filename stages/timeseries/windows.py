"""Windows: the parts of a series that a network takes at once. A window is a start; nothing is copied.

    size 4, stride 4, 10 timepoints, starts 0, 4, 6: the last one is moved back so that the tail is covered

    timepoints   0 1 2 3 4 5 6 7 8 9
    window 0     * * * *
    window 4             * * * *
    window 6                 * * * *

A series that is shorter than a window has one, at 0: the rest is padding. No window crosses two series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from storage.artifacts.region import Region

# A short region should be this many steps of the network long, to be told from its surroundings.
STEPS_PER_REGION = 4
LARGEST_STEP = 16
WIDEST = 127

Lengths = Mapping[str, Sequence[int]]


def starts(rows: int, size: int, stride: int) -> list[int]:
    """Starts of the windows of one series."""
    if rows <= size:
        return [0]
    last = rows - size
    return [*range(0, last, stride), last]


def lengths(regions: Iterable[Region], tolerance: int) -> Lengths:
    """Timepoints of the regions of each label in training: an instant is widened on both sides."""
    found: dict[str, list[int]] = {}
    for region in regions:
        found.setdefault(region.label, []).append(2 * tolerance + 1 if region.instant else region.rows)
    return found


def choose_step(lengths: Lengths) -> int:
    """Timepoints of a step of the network: a power of two, a fraction of the shortest label.

    >>> choose_step({"SIT_TO_STAND": [132], "WALKING": [900, 1200]})
    16
    >>> choose_step({"knock": [21, 21], "WALKING": [900, 1200]})
    4
    """
    step = 1
    while step < LARGEST_STEP and _shortest(lengths) >= 2 * step * STEPS_PER_REGION:
        step *= 2
    return step


def choose_size(lengths: Lengths, longest_series: int) -> int:
    """Timepoints in a window: more than a long region, never more than the longest series.

    A power of two between 256 and 4,096 steps of the network.
    """
    step = choose_step(lengths)
    every = [length for known in lengths.values() for length in known]
    long = float(np.percentile(every, 95)) if every else 1.0
    size = 256 * step
    while size < 1.5 * long and size < 4096 * step:
        size *= 2
    return min(size, -(-longest_series // step) * step)


def choose_widths(lengths: Lengths) -> tuple[int, ...]:
    """Steps over which the network is shown mean and variance: one, most of a short region, most of a common one."""
    step = choose_step(lengths)
    every = [length for known in lengths.values() for length in known]
    wanted = (
        [0.6 * length / step for length in (_shortest(lengths), float(np.median(every)))] if every else []
    )
    return tuple(sorted({1, *(min(round(width) | 1, WIDEST) for width in wanted)}))


def _shortest(lengths: Lengths) -> float:
    """The shortest of the labels' usual lengths; without any region, nothing is short."""
    return min((float(np.median(known)) for known in lengths.values()), default=np.inf)
