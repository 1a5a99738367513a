"""Asks a classifier about whole recordings, those it can be asked about; the others are named with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from stages.classification.model import Classifier
from stages.classification.targets import why_unfit
from stages.metrics.classification import Answers
from storage.artifacts.dataset import Index

# Recordings that are in memory at once.
PART = 256

Recording = NDArray[np.float32]


@dataclass(frozen=True)
class Asked:
    """What a model says of recordings.

    Attributes:
        keys: of the series it was asked about, in their order.
        probabilities, decided: (series, classes): chance of each class, and whether the model says it.
        unfit: of each series it cannot be asked about the reason.
    """

    keys: tuple[str, ...]
    probabilities: NDArray[np.float32]
    decided: NDArray[np.bool_]
    unfit: dict[str, str]


def ask(model: Classifier, recordings: Iterable[tuple[str, Recording]]) -> Asked:
    """Ask about each recording as if it were alone.

    Args:
        model: the classifier.
        recordings: series key and values (timepoints, channels); they are read as they are needed.
    """
    keys: list[str] = []
    unfit: dict[str, str] = {}
    found: list[NDArray[np.float32]] = [np.empty((0, len(model.question.labels)), np.float32)]
    fit = _fitting(model, recordings, unfit)
    while part := list(islice(fit, PART)):
        chances = model.probabilities(np.stack([values.T for _, values in part]))
        numbers = np.asarray(np.isfinite(chances).all(axis=1))
        for (key, _), is_number in zip(part, numbers, strict=True):
            if is_number:
                keys.append(key)
            else:
                unfit[key] = "its values are beyond all that the model has learnt from: no chance is a number"
        found.append(chances[numbers])
    probabilities = np.concatenate(found)
    return Asked(tuple(keys), probabilities, model.decide(probabilities), unfit)


def _fitting(
    model: Classifier, recordings: Iterable[tuple[str, Recording]], unfit: dict[str, str]
) -> Iterator[tuple[str, Recording]]:
    """Those that can be asked about; the reasons of the others go to `unfit`."""
    for key, values in recordings:
        why = why_unfit(values, model.length)
        if why:
            unfit[key] = why
        else:
            yield key, values


def compare(model: Classifier, asked: Asked, index: Index) -> Answers:
    """What the model said beside what is true, of series that are labeled."""
    rows = [[label in index.series[key].choices for label in index.labels] for key in asked.keys]
    truth = np.array(rows, np.bool_).reshape(-1, len(index.labels))
    return Answers(model.question.task, index.labels, truth, asked.decided, asked.probabilities)
