"""Which predicted event is which true one, and which were cut to pieces or run together."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

from storage.artifacts.region import Region

Regions = Sequence[Region]


def match(true: Regions, predicted: Regions, iou: float, tolerance: int) -> list[tuple[int, int]]:
    """Places of true and predicted events that are the same one, each used once, the best pair first.

    Both of a pair have one label; a range is found by an overlap (intersection over union) of at least `iou`, an
    instant by an event whose middle lies within `tolerance` timepoints.
    """
    pairs = []
    for i, j in _meeting(true, predicted, tolerance):
        a, b = true[i], predicted[j]
        value = _closeness(a, b, tolerance) if a.instant else overlap(a, b)
        if value > 0 and (a.instant or value >= iou):
            pairs.append((-value, i, j))
    used_true: set[int] = set()
    used_predicted: set[int] = set()
    found = []
    for _, i, j in sorted(pairs):
        if i not in used_true and j not in used_predicted:
            used_true.add(i)
            used_predicted.add(j)
            found.append((i, j))
    return found


def fragmented(true: Regions, predicted: Regions) -> list[int]:
    """Places of the true ranges that were cut to pieces: two or more predicted ones of their label lie in them.

    A range lies in another one with more than half of its timepoints. With the arguments the other way round: the
    predicted ranges that run two or more true ones together.
    """
    pieces: Counter[int] = Counter()
    for i, j in _meeting(true, predicted, 0):
        a, b = true[i], predicted[j]
        if not (a.instant or b.instant) and 2 * _shared(a, b) > b.rows:
            pieces[i] += 1
    return sorted(i for i, n in pieces.items() if n > 1)


def overlap(a: Region, b: Region) -> float:
    """Intersection over union, in timepoints."""
    shared = _shared(a, b)
    return shared / (a.rows + b.rows - shared) if shared > 0 else 0.0


def _shared(a: Region, b: Region) -> int:
    return min(a.end, b.end) - max(a.start, b.start) + 1


def _closeness(instant: Region, other: Region, tolerance: int) -> float:
    """1 where the middle of `other` is on the instant, towards 0 at the tolerance, 0 or less beyond."""
    return 1 - abs((other.start + other.end) / 2 - instant.start) / (tolerance + 1)


def _meeting(true: Regions, predicted: Regions, reach: int) -> Iterator[tuple[int, int]]:
    """Places of pairs of one label that overlap, the true one widened by `reach` on both sides.

    By search in sorted starts and ends, so that a recording of ten thousand events is no square of them.
    """
    order = sorted(range(len(predicted)), key=lambda j: (predicted[j].start, j))
    starts = [predicted[j].start for j in order]
    latest_ends = list(accumulate((predicted[j].end for j in order), max))
    for i, a in enumerate(true):
        first = bisect_left(latest_ends, a.start - reach)
        for j in order[first : bisect_right(starts, a.end + reach)]:
            if predicted[j].end >= a.start - reach and predicted[j].label == a.label:
                yield i, j
