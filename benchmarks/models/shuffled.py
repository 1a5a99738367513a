"""Recordings with the protocol taken out of them: cut into single regions and put together in random order.

People who follow a protocol do the same things in the same order, and a model may learn the order instead of
the movements. Here a recording is cut between its regions, each piece with half of the unlabeled time on either
side of it, and the pieces are laid out anew. Regions that overlap stay in one piece. No timepoint is lost or
doubled, and a region keeps its label, its length and its values; only what comes before and after is another.
Pieces of one label may come to lie side by side; they stay two regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.models.recordings import Recording
from storage.artifacts.region import Region

Values = NDArray[np.float32]


def shuffle(recording: Recording, seed: int) -> Recording:
    """A recording in an order drawn from the seed and its key; its times go on as before."""
    values, regions = reorder(recording.values, recording.regions, [seed, *recording.key.encode()])
    return replace(recording, values=values, regions=tuple(regions))


def reorder(
    values: Values, regions: Sequence[Region], seed: int | Sequence[int]
) -> tuple[Values, list[Region]]:
    """Cut at the borders of regions, and put the pieces together in random order.

    Args:
        values: (timepoints, channels).
        regions: in any order; they may overlap.
        seed: the same gives the same order.

    Returns:
        Values as long as before, and the regions where they lie now, by start.
    """
    cuts = borders(regions, len(values))
    pieces = list(pairwise(cuts))
    rows: list[NDArray[np.intp]] = []
    moved: list[Region] = []
    at = 0
    for k in np.random.default_rng(seed).permutation(len(pieces)):
        start, stop = pieces[k]
        rows.append(np.arange(start, stop))
        moved += [
            replace(r, start=r.start - start + at, end=r.end - start + at)
            for r in regions
            if start <= r.start < stop
        ]
        at += stop - start
    return values[np.concatenate(rows)], sorted(moved)


def borders(regions: Sequence[Region], rows: int) -> list[int]:
    """Where the pieces begin, and `rows`: half-way through the unlabeled time between neighbours.

    >>> borders([Region(2, 3, "a"), Region(8, 9, "b")], 12)
    [0, 6, 12]
    >>> borders([Region(2, 5, "a"), Region(4, 7, "b"), Region(8, 9, "a")], 12)
    [0, 8, 12]
    """
    cuts = [0]
    reached: int | None = None  # last timepoint of the regions so far
    for region in sorted(regions):
        if reached is not None and region.start > reached:
            cuts.append((reached + 1 + region.start) // 2)
        reached = region.end if reached is None else max(reached, region.end)
    return [*cuts, rows]
