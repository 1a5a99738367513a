"""Class probabilities to regions.

A network predicts steps of several timepoints. There are two methods for the class of each step:
the likeliest sequence of whole segments (`hsmm.segment`), or smoothing over time, after which stretches shorter
than a region of that class can be are given to the likelier neighbour. Then each boundary is moved, within its
steps, to where the two classes are equally likely. Method and params are chosen on the validation split
(`tune_decoder`) and are part of the model.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.metrics.segmentation import LabeledPrediction, score
from stages.segmentation.hsmm import Grammar, moving_mean, segment
from stages.timeseries.gaps import Stretches, split_at_gaps
from stages.timeseries.runs import classes_of, paint, runs
from storage.artifacts.region import Region

Probabilities = NDArray[np.float32]
# Params that are tried on the validation split, the default first; of equals the earlier wins.
EVIDENCE, ORDER = (0.3, 0.6, 1.0), (1.0, 0.0)
SMOOTHING = (3, 5, 1, 9, 15)
FRACTIONS = (0.5, 0.3, 0.7, 0.0)
# By so much over the root of the number of true events, about two standard errors, params have to be better than the
# default. On a hundred events that is .1, of event F1 and macro F1 together.
MIN_GAIN = 1.0
MAX_SMOOTHING = 10_000
# Too small to move the middle of any probabilities that are not all 0.
TINY = 1e-300


@dataclass(frozen=True)
class Decoder:
    """How probabilities become regions.

    Attributes:
        step: timepoints that one row of probabilities stands for.
        labels: class k is `labels[k - 1]`.
        instants: labels whose regions are instants.
        tolerance: timepoints on both sides of an instant that count as it in training.
        typical: timepoints of a short region of each class in the train split, background first.
        grammar: how long segments are and what follows what, in the train split.
        evidence: weight of the network against the grammar; 0: smoothing instead of segments.
        order: weight of the transitions between classes.
        smoothing: steps over which probabilities are averaged, odd.
        fraction: a stretch shorter than this fraction of `typical` is no region.
    """

    step: int
    labels: tuple[str, ...]
    instants: tuple[str, ...]
    tolerance: int
    typical: tuple[float, ...]
    grammar: Grammar
    evidence: float = EVIDENCE[0]
    order: float = ORDER[0]
    smoothing: int = 3
    fraction: float = 0.5

    def fits(self, step: int, classes: int) -> bool:
        """Whether it decodes probabilities of so many classes, a row for each `step` timepoints."""
        labeled = {*self.labels} >= {*self.instants} and len(self.labels) + 1 == len(self.typical) == classes
        in_range = self.tolerance >= 0 and 0 < self.smoothing < MAX_SMOOTHING and self.smoothing % 2 == 1
        return labeled and in_range and self.step == step and self.grammar.fits(classes)

    def to_json(self) -> dict[str, Any]:
        """As `postprocess` of model.json, which has the labels beside it."""
        fields = {k: v for k, v in self.__dict__.items() if k != "labels"}
        return fields | {"grammar": vars(self.grammar)}

    def with_params_of(self, other: Decoder) -> Decoder:
        """This decoder with the params that were chosen for another one."""
        chosen = {name: getattr(other, name) for name in ("evidence", "order", "smoothing", "fraction")}
        return replace(self, **chosen)

    def decode(self, probabilities: Probabilities, rows: int) -> list[tuple[Region, float]]:
        """Regions of one series, by start, each with the mean probability of its label.

        Args:
            probabilities: (steps, classes); step i stands for timepoints i * step and on.
            rows: timepoints of the series.
        """
        if self.evidence:
            smooth = probabilities
            classes = segment(probabilities, self.grammar, self.evidence, self.order)
        else:
            smooth = moving_mean(probabilities, self.smoothing)
            least = np.array(self.typical) * self.fraction / self.step
            classes = drop_short(smooth.argmax(1), smooth, least)
        starts, ends, codes = runs(classes)
        edges = self._edges(smooth, starts, codes, rows)
        found = []
        for code, first, last in self._stretches(codes.tolist()):
            if edges[first] < edges[last + 1]:
                steps = slice(int(starts[first]), int(ends[last]) + 1)
                likely = probabilities[steps, code]
                region = self._region(likely, steps.start, code, edges[first], edges[last + 1] - 1)
                found.append((region, float(likely.mean())))
        return sorted(found)

    def _stretches(self, codes: list[int]) -> list[tuple[int, int, int]]:
        """Class, first and last run of what becomes a region: an instant inside a range does not end it."""
        found: list[tuple[int, int, int]] = []
        around = -1  # place of the range that is still open
        for i, code in enumerate(codes):
            if code == 0:
                around = -1
            elif self.labels[code - 1] in self.instants:
                found.append((code, i, i))
            elif around >= 0 and found[around][0] == code:
                found[around] = (code, found[around][1], i)
            else:
                around = len(found)
                found.append((code, i, i))
        return found

    def _edges(
        self, smooth: Probabilities, starts: NDArray[np.intp], codes: NDArray[Any], rows: int
    ) -> list[int]:
        """First timepoint of each stretch, and the number of timepoints."""
        edges = [0]
        for start, before, after in zip(starts[1:], codes, codes[1:], strict=False):
            gain = np.log(smooth[start - 1 : start + 1, after] + 1e-9) - np.log(
                smooth[start - 1 : start + 1, before] + 1e-9
            )
            shift = -gain[0] / (gain[1] - gain[0]) if gain[0] < 0 < gain[1] else 0.5
            middle = (start - 1) * self.step + (self.step - 1) / 2
            edges.append(min(max(round(middle + shift * self.step + 0.5), edges[-1]), rows))
        return [*edges, rows]

    def _region(self, likely: Probabilities, first: int, code: int, start: int, end: int) -> Region:
        """A range as it is; an instant at the centre of its probability."""
        label = self.labels[code - 1]
        if label not in self.instants:
            return Region(start, end, label)
        # A class that only the transitions made likely may have probabilities of 0, and then no middle.
        weight = likely.astype(np.float64) + TINY
        centre = first + (weight * np.arange(len(weight))).sum() / weight.sum()
        peak = min(max(round(centre * self.step + (self.step - 1) / 2), start), end)
        return Region(peak, peak, label, instant=True)

    def classes(self, regions: Iterable[Region], rows: int) -> NDArray[np.int16]:
        """A class per timepoint, instants as wide as in training."""
        return classes_of(paint(list(regions), rows, self.labels, self.tolerance), self.labels)


def drop_short(
    classes: NDArray[np.intp], likely: Probabilities, least: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Give each stretch that is shorter than `least` of its class to the likelier neighbour, shortest first."""
    starts, ends, codes = (a.tolist() for a in runs(classes))
    count = len(starts)
    left, right = list(range(-1, count - 1)), [*range(1, count), -1]
    alive = [True] * count
    total = np.concatenate([np.zeros((1, likely.shape[1])), np.cumsum(likely, 0, dtype=np.float64)])
    heap: list[tuple[float, int, int]] = []

    def queue(i: int) -> None:
        length = ends[i] - starts[i] + 1
        if length < least[codes[i]]:
            heapq.heappush(heap, (length / least[codes[i]], i, length))

    def absorb(i: int, j: int) -> None:
        """Stretch i takes its neighbour j."""
        alive[j] = False
        starts[i], ends[i] = min(starts[i], starts[j]), max(ends[i], ends[j])
        if right[i] == j:
            right[i] = right[j]
            if right[j] >= 0:
                left[right[j]] = i
        else:
            left[i] = left[j]
            if left[j] >= 0:
                right[left[j]] = i

    for i in range(count):
        queue(i)
    while heap:
        _, i, length = heapq.heappop(heap)
        if not alive[i] or length != ends[i] - starts[i] + 1:
            continue
        around = [j for j in (left[i], right[i]) if j >= 0]
        if not around:
            break
        weight = total[ends[i] + 1] - total[starts[i]]
        winner = max(around, key=lambda j: weight[codes[j]])
        absorb(winner, i)
        for j in (left[winner], right[winner]):
            if j >= 0 and codes[j] == codes[winner]:
                absorb(winner, j)
        queue(winner)
    out = np.empty_like(classes)
    for i in range(count):
        if alive[i]:
            out[starts[i] : ends[i] + 1] = codes[i]
    return out


def typical_lengths(
    lengths: Mapping[str, Sequence[int]], gaps: Sequence[int], labels: Sequence[str], step: int
) -> tuple[float, ...]:
    """A short region (5th percentile, in timepoints) of each class, background first; 0 where none is known."""
    every = [[gap for gap in gaps if gap >= step], *(lengths.get(label, ()) for label in labels)]
    return tuple(float(np.percentile(known, 5)) if len(known) else 0.0 for known in every)


def tune_decoder(
    decoder: Decoder,
    found: Sequence[tuple[Probabilities, NDArray[np.int16], Sequence[Region], Stretches | None]],
    iou: float,
    tolerance: int,
) -> tuple[Decoder, float | None]:
    """The decoder with the best sum of event F1 and macro F1 on the validation split, and that event F1.

    The default params stay unless others are clearly better, and where the validation split has nothing to find:
    the F1 is then None.

    Args:
        decoder: to start from; its labels, lengths and grammar stay.
        found: of each validation series probabilities, targets, true regions, and stretches without gaps.
    """
    candidates: list[dict[str, float]] = [{"evidence": e, "order": o} for o, e in product(ORDER, EVIDENCE)]
    candidates += [{"evidence": 0.0, "smoothing": s, "fraction": f} for s, f in product(SMOOTHING, FRACTIONS)]
    min_gain = MIN_GAIN / max(sum(len(true) for _, _, true, _ in found), 1) ** 0.5
    best, best_f1, to_beat = decoder, None, -1.0
    for chosen in candidates:
        trial = replace(decoder, **chosen)  # type: ignore[arg-type]
        predicted = []
        for probabilities, target, true, known in found:
            scored = split_at_gaps(trial.decode(probabilities, len(target)), known)
            regions = [region for region, _ in scored]
            predicted.append(LabeledPrediction(target, trial.classes(regions, len(target)), true, regions))
        scores = score(predicted, decoder.labels, iou, tolerance)
        counted = [v for v in (scores.event["f1"], scores.timepoint["macro_f1"]) if v is not None]
        if not counted:
            break
        value = sum(counted)
        if value > to_beat + 1e-9:
            to_beat = value + min_gain if to_beat < 0 else value
            best, best_f1 = trial, scores.event["f1"]
    return best, best_f1
