"""95 % confidence intervals of scores: how much they depend on which recordings were held out.

The split is drawn anew a thousand times, with replacement, and scored each time (percentile bootstrap; Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). What is drawn has to be what a new recording would
be independent of: timepoints and events never are, and recordings of one person are alike, so that drawing
recordings makes intervals too narrow where a person has several. Hence whole groups are drawn, with all their
series. But n groups can be drawn in no more than C(2n-1, n) ways, of four 35, which are too few to read 2.5 % from:
with fewer than five groups series are drawn, and the true interval may be wider.

The lowest of several class scores falls further with every draw that is bad for any of the classes: the interval of
`worst_f1` lies low, and its score may be at the upper end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.metrics.segmentation import Tally, event_means, labeled_means

DRAWS = 1000
LEVEL = 0.95
ENOUGH_GROUPS = 5
SEED = 0


def unit(groups: Sequence[str]) -> str:
    """The unit of the bootstrap, group or series, from the group of each series."""
    return "group" if len(set(groups)) >= ENOUGH_GROUPS else "series"


def intervals(tallies: Sequence[Tally], groups: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Lower and upper end of balanced_accuracy, macro_f1, worst_f1, event_f1 and event_macro_f1.

    Args:
        tallies, groups: of each series, in an order that is always the same.

    Returns:
        None of them where there are not two series to draw from, or nothing to find in them; a draw in which there
        is nothing to find is left out.
    """
    if len(tallies) < 2:
        return {}
    return percentiles(_scores(_draw(np.stack([_counts(t) for t in tallies]), groups)))


def draws(groups: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """How often each unit is drawn, (draws, units), and the unit of each series, (series,)."""
    names = groups if unit(groups) == "group" else [str(i) for i in range(len(groups))]
    units, place = np.unique(np.asarray(names), return_inverse=True)
    rng = np.random.default_rng(SEED)
    return rng.multinomial(len(units), np.full(len(units), 1 / len(units)), DRAWS), place


def percentiles(scores: Mapping[str, NDArray[np.float64]]) -> dict[str, tuple[float, float]]:
    """Ends of the interval of each score, from its values in all draws."""
    ends = 50 * (1 - LEVEL), 50 * (1 + LEVEL)
    return {
        name: tuple(np.nanpercentile(values, ends).tolist())
        for name, values in scores.items()
        if not np.isnan(values).all()
    }


def _counts(tally: Tally) -> NDArray[np.float64]:
    """What the scores need of a series, (classes, 6): timepoints hit, true, found; events matched, true, found."""
    confusion, (true, predicted, matched) = tally.confusion, tally.events.T[:3]
    columns = (np.diag(confusion), confusion.sum(1), confusion.sum(0), matched, true, predicted)
    return np.stack(columns, axis=1).astype(np.float64)


def _draw(counts: NDArray[np.float64], groups: Sequence[str]) -> NDArray[np.float64]:
    """Sums of what was drawn, (draws, classes, 6), from counts (series, classes, 6) and the group of each series.

    How often each unit is drawn is multinomial, so that a draw is a row of a matrix product; the sums are whole
    numbers, exact whatever their order.
    """
    times, place = draws(groups)
    by_unit = np.zeros((times.shape[1], *counts.shape[1:]))
    np.add.at(by_unit, place, counts)
    sums: NDArray[np.float64] = times.astype(np.float64) @ by_unit.reshape(len(by_unit), -1)
    return sums.reshape(DRAWS, *counts.shape[1:])


def _scores(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Scores of each draw."""
    hit, true, found, matched, true_events, predicted = np.moveaxis(sums, -1, 0)
    timepoint, event = labeled_means(hit, true, found), event_means(true_events, predicted, matched)
    kept = {name: timepoint[name] for name in ("balanced_accuracy", "macro_f1", "worst_f1")}
    return kept | {f"event_{name}": event[name] for name in ("f1", "macro_f1")}
