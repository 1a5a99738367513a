"""Folds of a train split for cross-validation, where there is no validation split.

All series of a group (a person) are in one fold, so no model is validated on a group that it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages import params
from stages.classification.model import TaskSpec
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
    train: Labeled, groups: Sequence[str], spec: TaskSpec, settings: params.Params
) -> tuple[tuple[Fold, ...], str]:
    """Series to train on and to validate on, for each fold; and the folds in words.

    Args:
        train: the train split.
        groups: the group of each of its series.
        spec: its labels; for multilabel a fold may lack a class.
        settings: the number of folds, unless the rarest class has fewer groups; and the seed of the assignment.

    Raises:
        TooFewGroupsError: fewer than two folds are possible.
    """
    multilabel, most = spec.task == "multilabel", settings.tuning.folds
    classes, class_of = np.unique(train.targets, axis=0, return_inverse=True)
    groups_of = [
        sorted({groups[row] for row in np.flatnonzero(class_of.reshape(-1) == number)})
        for number in range(len(classes))
    ]
    rarest = min(range(len(classes)), key=lambda number: len(groups_of[number]))
    all_groups = len(set(groups))
    possible = min(all_groups, len(groups) // 2) if multilabel else len(groups_of[rarest])
    count = min(most, possible)
    if count < 2:
        names = [label for label, target in zip(spec.labels, classes[rarest], strict=True) if target]
        raise TooFewGroupsError((names or spec.labels)[0], groups_of[rarest][0])
    found = []
    for rows in assign_folds(train.targets, groups, count, settings.train.seed):
        others = np.setdiff1d(np.arange(len(groups)), rows)
        found.append((_select(train, others), _select(train, rows)))
    what = "series" if all_groups == len(groups) else "groups"
    fewer = f" (the rarest class has {possible} {what})" if count < most and not multilabel else ""
    return tuple(found), f"{count} folds{fewer}"


def _select(series: Labeled, rows: NDArray[np.int64]) -> Labeled:
    return Labeled(series.values[rows], series.targets[rows])


def assign_folds(
    targets: NDArray[np.bool_], groups: Sequence[str], count: int, seed: int
) -> list[NDArray[np.int64]]:
    """Rows of each fold (stratified): groups are assigned, large ones first, to the fold with least of their classes.

    Args:
        targets: (series, classes); for multilabel each combination counts as a class.
        groups: the group of each series.
        count: how many folds.
        seed: of the order among groups of one size.
    """
    classes = np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1)
    names, group_of = np.unique(np.array(groups), return_inverse=True)
    counts = np.zeros((len(names), classes.max() + 1))
    np.add.at(counts, (group_of, classes), 1)
    shares = counts / counts.sum(0)  # of each class, by group
    sizes = counts.sum(1)
    order = np.random.default_rng(seed).permutation(len(names))
    fold_shares, fold_sizes = np.zeros((count, shares.shape[1])), np.zeros(count)
    fold_of = np.zeros(len(names), np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        overlap = (fold_shares * shares[group]).sum(1).round(9)
        fold = np.lexsort((fold_sizes, overlap))[0]
        fold_of[group] = fold
        fold_shares[fold] += shares[group]
        fold_sizes[fold] += sizes[group]
    return [np.flatnonzero(fold_of[group_of] == fold) for fold in range(count)]
