"""Windows: where in a series a network looks at once. A window is a start; nothing is copied.

    size 4, stride 4, 10 timepoints, starts 0, 4, 6: the last one is moved back so that the tail is covered

    timepoints   0 1 2 3 4 5 6 7 8 9
    window 0     * * * *
    window 4             * * * *
    window 6                 * * * *

A series that is shorter than a window has one, at 0: the rest is padding. No window crosses two series.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from storage.regions import Region

# A short region should be this many steps of the network long, to be told from its surroundings.
STEPS_PER_REGION = 4
LARGEST_STEP = 16
SHORT, LONG = 5, 95


def starts(rows: int, size: int, stride: int) -> list[int]:
    """Starts of the windows of one series."""
    if rows <= size:
        return [0]
    last = rows - size
    return [*range(0, last, stride), last]


def lengths(regions: Iterable[Region], tolerance: int) -> list[int]:
    """Timepoints that each region is taught with: an instant is widened by `tolerance` on both sides."""
    return [2 * tolerance + 1 if region.instant else region.rows for region in regions]


def choose_step(lengths: list[int]) -> int:
    """Timepoints that the network answers for at once: a power of two that short regions are long for.

    >>> choose_step([150, 900, 1200])
    16
    >>> choose_step([21, 21, 900, 1200])
    4
    """
    if not lengths:
        return LARGEST_STEP
    short = float(np.percentile(lengths, SHORT))
    step = 1
    while step < LARGEST_STEP and short / (2 * step) >= STEPS_PER_REGION:
        step *= 2
    return step


def choose_size(lengths: list[int], longest_series: int) -> int:
    """Timepoints in a window: room for several long regions, never more than the longest series.

    A power of two between 256 and 4,096 steps of the network.
    """
    step = choose_step(lengths)
    long = float(np.percentile(lengths, LONG)) if lengths else 1.0
    size = 256 * step
    while size < 1.5 * long and size < 4096 * step:
        size *= 2
    return min(size, -(-longest_series // step) * step)


def choose_widths(lengths: list[int]) -> tuple[int, ...]:
    """Steps over which the network is shown mean and variance: one, a short region and a common one."""
    step = choose_step(lengths)
    wanted = [1] + [round(0.6 * float(np.percentile(lengths, p)) / step) for p in (SHORT, 50) if lengths]
    return tuple(sorted({min(max(width, 1) | 1, 127) for width in wanted}))
