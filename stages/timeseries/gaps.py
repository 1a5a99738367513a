"""Where a recording has nothing to say: pauses, and holes in all of its channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stages.timeseries.regions import runs
from stages.timeseries.times import Times
from storage.regions import Region

Bounds = NDArray[np.intp]


def stretches(values: NDArray[np.float32], times: Times, gap: float) -> tuple[Bounds, Bounds]:
    """First and last timepoint of each stretch of a recording that can be spoken of.

    A stretch ends where the next timepoint is more than `gap` intervals away, and where no channel has a number for
    more than `gap` timepoints: whatever a model says there, it says of what was filled in.
    """
    steps = np.diff(times)
    spoken = np.ones(len(times), np.intp)
    silent = np.asarray(np.isnan(values).all(1), np.int8)
    starts, ends, dead = runs(silent)
    for start, end in zip(starts[dead > 0], ends[dead > 0], strict=True):
        spoken[start : end + 1] = end + 1 - start <= gap
    # Neighbours of different number are in different stretches: count up at each pause.
    spoken[1:] *= 1 + np.cumsum(steps > gap * np.median(steps)) if len(steps) else 1
    starts, ends, numbers = runs(spoken)
    return starts[numbers > 0], ends[numbers > 0]


def within(region: Region, known: tuple[Bounds, Bounds]) -> list[Region]:
    """The parts of a region that lie in stretches, as of `stretches`."""
    starts, ends = known
    first, last = np.searchsorted(ends, region.start), np.searchsorted(starts, region.end, "right")
    return [
        replace(region, start=max(region.start, int(start)), end=min(region.end, int(end)))
        for start, end in zip(starts[first:last], ends[first:last], strict=True)
    ]
