"""Folds of a train split for cross-validation, where there is no validation split.

All series of a group (a person) are in one fold, so no model is validated on a group that it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.classification.targets import Labeled

Fold = tuple[Labeled, Labeled]


class TooFewGroupsError(Exception):
    """The train split cannot be divided into folds: all series of a class are of one group.

    Args:
        label: the class.
        group: their group.
    """

    def __init__(self, label: str, group: str) -> None:
        super().__init__(f"{label}: {group}")
        self.label, self.group = label, group


def make_folds(
    known: Labeled, groups: Sequence[str], labels: Sequence[str], most: int, seed: int, several: bool
) -> tuple[tuple[Fold, ...], str]:
    """Series to train on and to validate on, for each fold; and the folds in words.

    Args:
        known: the train split.
        groups: the group of each of its series.
        labels: its classes.
        most: folds, if the rarest class has so many groups.
        seed: of the assignment.
        several: multilabel; then a fold may lack a class.

    Raises:
        TooFewGroupsError: fewer than two folds are possible.
    """
    kinds, own = np.unique(known.targets, axis=0, return_inverse=True)
    holders = [
        sorted({groups[row] for row in np.flatnonzero(own.reshape(-1) == kind)}) for kind in range(len(kinds))
    ]
    rare = min(range(len(kinds)), key=lambda kind: len(holders[kind]))
    all_groups = len(set(groups))
    rarest = min(all_groups, len(groups) // 2) if several else len(holders[rare])
    count = min(most, rarest)
    if count < 2:
        name = next((label for label, has in zip(labels, kinds[rare], strict=True) if has), labels[0])
        raise TooFewGroupsError(name, holders[rare][0])
    parts = []
    for rows in folds(known.targets, groups, count, seed):
        rest = np.setdiff1d(np.arange(len(groups)), rows)
        parts.append((take(known, rest), take(known, rows)))
    what = "series" if all_groups == len(groups) else "groups"
    fewer = f" (the rarest class has {rarest} {what})" if count < most and not several else ""
    return tuple(parts), f"{count} folds{fewer}"


def take(series: Labeled, rows: NDArray[np.int64]) -> Labeled:
    """Some of the series."""
    return Labeled(series.values[rows], series.targets[rows])


def folds(
    targets: NDArray[np.bool_], groups: Sequence[str], count: int, seed: int
) -> list[NDArray[np.int64]]:
    """Rows of each fold (stratified): groups are assigned, large ones first, to the fold with least of their classes.

    Args:
        targets: (series, classes); for multilabel each combination counts as a class.
        groups: the group of each series.
        count: how many folds.
        seed: of the order among groups of one size.
    """
    kinds = np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1)
    names, owners = np.unique(np.array(groups), return_inverse=True)
    held = np.zeros((len(names), kinds.max() + 1))
    np.add.at(held, (owners, kinds), 1)
    shares = held / held.sum(0)
    sizes = held.sum(1)
    order = np.random.default_rng(seed).permutation(len(names))
    dealt, filled = np.zeros((count, shares.shape[1])), np.zeros(count)
    fold_of = np.zeros(len(names), np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        crowded = (dealt * shares[group]).sum(1).round(9)
        fold = np.lexsort((filled, crowded))[0]
        fold_of[group] = fold
        dealt[fold] += shares[group]
        filled[fold] += sizes[group]
    return [np.flatnonzero(fold_of[owners] == fold) for fold in range(count)]
