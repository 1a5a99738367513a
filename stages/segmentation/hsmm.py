"""A hidden semi-Markov model: the likeliest sequence of segments by class probabilities, durations and transitions.

Step by step, the likeliest classes would make short false segments where two classes are about as likely. Durations
and transitions are those of the train split, their weights are chosen on the validation split (`tune_decoder`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stages.timeseries.runs import runs

Probabilities = NDArray[np.float32]
Floats = NDArray[np.float64]

# Background shorter than this, in timepoints, between two regions is an artefact of drawing them, and no segment.
MIN_BACKGROUND = 3
# Pseudo-count of each transition: an unseen one is unlikely, never impossible.
PSEUDO_COUNT = 0.05
# Least spread of the lengths of a class, in log steps.
MIN_SPREAD = 0.1
# Steps of smoothing at which a change of the likeliest class is a place where a segment may begin or end.
CANDIDATE_WIDTHS = (1, 5, 15, 41)
# Steps that are averaged at once: a recording may be long.
BLOCK = 1 << 16
# Candidates that a segment may reach over; a longer one is found in pieces of one class, and put together.
REACH = 400
# Log-probability of a class following itself.
SELF_TRANSITION = -8.0


@dataclass(frozen=True)
class Grammar:
    """Durations and transitions of segments in the train split; background is class 0.

    Attributes:
        first, last: (classes,), log-probability of a recording's first and last class.
        follows: (classes, classes), log-probability that the second follows the first.
        centre, spread: (classes,), usual length in log steps, and how far lengths lie from it.
    """

    first: tuple[float, ...]
    last: tuple[float, ...]
    follows: tuple[tuple[float, ...], ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]

    @classmethod
    def fit(cls, targets: Iterable[NDArray[np.int16]], classes: int, step: int) -> Grammar:
        """Count segments of targets, (timepoints,) each; unknown timepoints (-1) are in none."""
        first, last = np.full(classes, PSEUDO_COUNT), np.full(classes, PSEUDO_COUNT)
        follows = np.full((classes, classes), PSEUDO_COUNT)
        lengths: list[list[float]] = [[] for _ in range(classes)]
        for target in targets:
            starts, ends, codes = runs(target)
            rows = ends - starts + 1
            kept = [(int(c), int(n)) for c, n in zip(codes, rows, strict=True) if c or n >= MIN_BACKGROUND]
            known = [code for code, _ in kept if code >= 0]
            if not known:
                continue
            first[known[0]] += 1
            last[known[-1]] += 1
            for code, n in kept:
                if code >= 0:
                    lengths[code].append(np.log(max(n / step, 0.5)))
            for (a, _), (b, _) in pairwise(kept):
                if min(a, b) >= 0 and a != b:
                    follows[a, b] += 1
        centre, spread = zip(*(_usual(np.array(found)) for found in lengths), strict=True)
        transitions = np.log(follows / follows.sum(1, keepdims=True))
        return cls(
            _rounded(np.log(first / first.sum())),
            _rounded(np.log(last / last.sum())),
            tuple(_rounded(row) for row in transitions),
            _rounded(np.array(centre)),
            _rounded(np.array(spread)),
        )

    def fits(self, classes: int) -> bool:
        """Whether it is valid for so many classes."""
        rows = (self.first, self.last, self.centre, self.spread, self.follows, *self.follows)
        return {len(row) for row in rows} == {classes} and min(self.spread) > 0

    def lengths(self, steps: NDArray[np.intp], cut_off: bool = False) -> Floats:
        """Log-likelihood that a segment lasts this many steps, (lengths, classes): heavy tails around the centre.

        Of a segment that an end of the recording cuts off it is only known that it lasts as long at least.
        """
        z = (np.log(np.maximum(steps, 0.5))[:, None] - np.array(self.centre)) / np.array(self.spread)
        z = np.maximum(z, 0) if cut_off else z
        likely: Floats = -2.5 * np.log1p(z * z / 4) - np.log(np.array(self.spread))
        return likely


def _usual(lengths: Floats) -> tuple[float, float]:
    """Median and spread; of a class with fewer than three segments, anything from one step to a hundred."""
    known = lengths if len(lengths) > 2 else np.log([1.0, 10.0, 100.0])
    middle = float(np.median(known))
    around = 1.4826 * float(np.median(np.abs(known - middle)))
    return middle, max(around, 0.7 * float(known.std()), MIN_SPREAD)


def _rounded(values: Floats) -> tuple[float, ...]:
    """As model.json has it."""
    return tuple(round(float(value), 6) for value in values)


def order_entropy(orders: Iterable[Sequence[str]]) -> float:
    """Entropy of the next label given this one, over that of the next label alone, of the labels of each recording.

    0 where all recordings follow a protocol, 1 for random order; with the bias correction of Miller (1955).
    """
    after: dict[str, Counter[str]] = {}
    for labels in orders:
        for a, b in pairwise(labels):
            after.setdefault(a, Counter())[b] += 1
    alone = _entropy(sum(after.values(), Counter()))
    if alone <= 0:
        return 1.0
    every = sum(counts.total() for counts in after.values())
    given = sum(counts.total() * _entropy(counts) for counts in after.values()) / every
    return min(given / alone, 1.0)


def _entropy(counts: Counter[str]) -> float:
    total = max(counts.total(), 1)
    p = np.array(sorted(counts.values())) / total
    return float(-(p * np.log(p)).sum() + max(len(p) - 1, 0) / (2 * total))


def segment(
    probabilities: Probabilities, grammar: Grammar, evidence: float, order: float
) -> NDArray[np.intp]:
    """The class of each step, (steps,), of the likeliest sequence of segments.

    Args:
        probabilities: (steps, classes).
        grammar: lengths and order.
        evidence: weight of the network; its steps are not independent, so less than 1.
        order: weight of the transitions: 1, or 0 for recordings in any order.
    """
    cuts = _candidates(probabilities)
    begin, began, before = _search(cuts, evidence * _totals(probabilities, cuts), grammar, order)
    classes = np.zeros(len(probabilities), np.intp)
    place, code = len(cuts) - 1, int(begin[-1].argmax())
    while place > 0:
        start = int(began[place, code])
        classes[cuts[start] : cuts[place]] = code
        place, code = start, int(before[start, code])
    return classes


def _totals(probabilities: Probabilities, cuts: NDArray[np.intp]) -> Floats:
    """Log-probabilities of each class, summed up to each candidate: (candidates, classes)."""
    found, carried = np.zeros((len(cuts), probabilities.shape[1])), np.zeros(probabilities.shape[1])
    for start in range(0, len(probabilities), BLOCK):
        likely = np.log(np.maximum(probabilities[start : start + BLOCK], 1e-9)).astype(np.float64)
        first, last = np.searchsorted(cuts, (start, start + len(likely)), "right")
        likely[0] += carried
        summed = np.cumsum(likely, 0)
        found[first:last] = summed[cuts[first:last] - start - 1]
        carried = summed[-1]
    return found


def _search(
    cuts: NDArray[np.intp], total: Floats, grammar: Grammar, order: float
) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """The Viterbi recursion over the candidates.

    Returns:
        (candidates, classes) each: the log-likelihood of the best path in which a segment of the class begins there
        (at the last candidate: ends there); where the segment of the class began that ends there; the class before.
    """
    n, classes = total.shape
    follows = order * np.array(grammar.follows)
    np.fill_diagonal(follows, SELF_TRANSITION)
    begin = np.zeros((n, classes))
    begin[0] = order * np.array(grammar.first)
    began, before = np.zeros((n, classes), np.intp), np.zeros((n, classes), np.intp)
    every = np.arange(classes)
    longest = max(int(cuts[j] - cuts[max(0, j - REACH)]) for j in range(1, n))
    inside = grammar.lengths(np.arange(min(longest + 1, BLOCK)))
    cut_off = grammar.lengths(cuts, cut_off=True)
    for j in range(1, n):
        low = max(0, j - REACH)
        reach = cuts[j] - cuts[low:j]
        value = begin[low:j] - total[low:j]
        if j == n - 1:
            value += grammar.lengths(reach, cut_off=True)
        else:
            value += inside[reach] if reach[0] < len(inside) else grammar.lengths(reach)
            if low == 0:
                value[0] = begin[0] - total[0] + cut_off[j]
        best = value.argmax(0)
        ends = value[best, every] + total[j]
        began[j] = best + low
        if j == n - 1:
            begin[j] = ends + order * np.array(grammar.last)
        else:
            ways = ends[:, None] + follows
            before[j] = ways.argmax(0)
            begin[j] = ways.max(0)
    return begin, began, before


def _candidates(probabilities: Probabilities) -> NDArray[np.intp]:
    """Steps where a segment may begin, with 0 and the end: wherever the likeliest class changes, smoothed or not."""
    cuts = [np.array([0, len(probabilities)])]
    for width in CANDIDATE_WIDTHS:
        cuts.append(np.flatnonzero(np.diff(moving_mean(probabilities, width).argmax(1))) + 1)
    places: NDArray[np.intp] = np.unique(np.concatenate(cuts))
    return places


def moving_mean(values: Probabilities, width: int) -> Probabilities:
    """Mean over `width` steps; at the ends over those that are there."""
    if width == 1 or len(values) == 0:
        return values
    half = width // 2
    total = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, 0, dtype=np.float64, out=total[1:])
    mean = np.empty(values.shape, np.float32)
    for start in range(0, len(values), BLOCK):
        places = np.arange(start, min(start + BLOCK, len(values)))
        low, high = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
        mean[places[0] : places[-1] + 1] = (total[high] - total[low]) / (high - low)[:, None]
    return mean
