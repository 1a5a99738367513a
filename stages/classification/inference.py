"""What a model predicts for whole recordings, and how unsure it is; those it cannot take, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from stages.classification.model import Classifier
from stages.classification.targets import why_unfit
from stages.metrics.classification import LabeledPredictions, confidence
from storage.artifacts import arrays
from storage.artifacts.checkpoint import Checkpoint
from storage.artifacts.dataset import Index
from storage.artifacts.predictions import PredictedChoice, Prediction
from storage.progress import track

# Recordings that are in memory at once.
PART = 256

Recording = NDArray[np.float32]


@dataclass(frozen=True)
class Predicted:
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


def ask(model: Classifier, recordings: Iterable[tuple[str, Recording]]) -> Predicted:
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
    return Predicted(tuple(keys), probabilities, model.decide(probabilities), unfit)


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


def compare(model: Classifier, asked: Predicted, index: Index) -> LabeledPredictions:
    """What the model said beside what is true, of series that are labeled."""
    rows = [[label in index.series[key].choices for label in index.labels] for key in asked.keys]
    truth = np.array(rows, np.bool_).reshape(-1, len(index.labels))
    return LabeledPredictions(model.question.task, index.labels, truth, asked.decided, asked.probabilities)


def predict(model: Checkpoint, name: str, keys: Sequence[str]) -> tuple[Iterator[Prediction], dict[str, str]]:
    """One prediction for each series that the model can take, and why it cannot take the others.

    Args:
        model: the model.
        name: its hash.
        keys: of the series.
    """
    classifier = Classifier.from_checkpoint(model)
    asked = ask(classifier, ((key, arrays.values(key)) for key in track(keys, "predicting")))
    return predictions_of(classifier, name, asked), asked.unfit


def predictions_of(model: Classifier, name: str, asked: Predicted) -> Iterator[Prediction]:
    """One prediction for each series; scores to four digits: of each choice, and of all that is said together."""
    labels = model.question.labels
    sure = confidence(asked.decided, asked.probabilities, model.question.independent)
    for row, key in enumerate(asked.keys):
        chances, said = asked.probabilities[row], asked.decided[row]
        choices = tuple(
            PredictedChoice(labels[k], round(float(chances[k]), 4)) for k in np.flatnonzero(said).tolist()
        )
        unsure = uncertainty(chances, model.question.independent)
        yield Prediction(key, name, round(float(sure[row]), 4), round(unsure, 4), (), choices)


def uncertainty(chances: NDArray[np.float32], independent: bool) -> float:
    """Entropy of an answer (classes,), 0 (sure) to 1 (no idea); of independent classes the mean of theirs."""
    p = np.clip(chances.astype(np.float64), 1e-9, 1 - 1e-9)
    if independent:
        return float(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)).mean())
    return float(-(p * np.log(p)).sum() / np.log(len(p)))
