"""Gaps of a recording: pauses between timepoints, and missing values of its channels.

A channel of a lower rate than the others has regular empty cells: these are not missing values, and the model
interpolates them linearly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stages.timeseries.runs import runs
from stages.timeseries.times import Times
from storage.artifacts.region import Region

# First and last timepoint of each stretch of a recording without a gap.
Stretches = tuple[NDArray[np.intp], NDArray[np.intp]]


def missing_mask(values: NDArray[np.float32], gap: float) -> NDArray[np.bool_]:
    """Missing values: where a channel has none for more than `gap` of its usual intervals, (timepoints, channels).

    >>> missing_mask(np.array([[1, 1], [np.nan, 2], [3, 3], [np.nan, np.nan], [np.nan, 5]]), 1.5)[:, 1].tolist()
    [False, False, False, True, False]
    """
    found = np.zeros(values.shape, bool)
    for channel in range(values.shape[1]):
        missing = np.isnan(values[:, channel])
        if missing.any():
            found[:, channel] = _longer_than(missing, gap)
    return found


def _longer_than(missing: NDArray[np.bool_], gap: float) -> NDArray[np.bool_]:
    there = np.flatnonzero(~missing)
    if not len(there):
        return missing
    # Values may be missing before the first and behind the last one too.
    steps = np.diff(there, prepend=-1, append=len(missing))
    usual = float(np.median(steps[1:-1])) if len(there) > 1 else 1.0
    wide = np.repeat(steps > gap * usual, steps)[: len(missing)]
    return missing & wide


def stretches(values: NDArray[np.float32], times: Times, gap: float) -> Stretches:
    """First and last timepoint of each stretch of a recording without a gap.

    A stretch ends where the next timepoint is more than `gap` intervals away, and where all channels are missing:
    a prediction there would rest on interpolated values alone.
    """
    steps = np.diff(times)
    present = np.asarray(~missing_mask(values, gap).all(1), np.intp)
    # Neighbours of different number are in different stretches: count up at each pause.
    present[1:] *= 1 + np.cumsum(steps > gap * np.median(steps)) if len(steps) else 1
    starts, ends, numbers = runs(present)
    return starts[numbers > 0], ends[numbers > 0]


def within(region: Region, known: Stretches) -> list[Region]:
    """The parts of a region that lie in stretches, as of `stretches`."""
    starts, ends = known
    first, last = np.searchsorted(ends, region.start), np.searchsorted(starts, region.end, "right")
    return [
        replace(region, start=max(region.start, int(start)), end=min(region.end, int(end)))
        for start, end in zip(starts[first:last], ends[first:last], strict=True)
    ]


def split_at_gaps(
    found: Iterable[tuple[Region, float]], known: Stretches | None
) -> list[tuple[Region, float]]:
    """Regions with their scores, split at gaps: each part has the score of the whole; None: no gaps."""
    if known is None:
        return list(found)
    return [(part, score) for region, score in found for part in within(region, known)]
