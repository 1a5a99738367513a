"""Predictions for whole recordings, with their uncertainty; and the reason where there is none."""

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
    """Class probabilities of recordings.

    Attributes:
        keys: of the series that have a prediction, in order.
        probabilities, decided: (series, classes): probability of each class, and whether it is predicted.
        unfit: the reason for each series without a prediction.
    """

    keys: tuple[str, ...]
    probabilities: NDArray[np.float32]
    decided: NDArray[np.bool_]
    unfit: dict[str, str]


def predict_recordings(model: Classifier, recordings: Iterable[tuple[str, Recording]]) -> Predicted:
    """Predict each recording by itself, given as key and values (timepoints, channels); they are read lazily."""
    keys: list[str] = []
    unfit: dict[str, str] = {}
    found: list[NDArray[np.float32]] = [np.empty((0, len(model.spec.labels)), np.float32)]
    compatible = _compatible(model, recordings, unfit)
    while part := list(islice(compatible, PART)):
        probabilities = model.probabilities(np.stack([values.T for _, values in part]))
        finite = np.asarray(np.isfinite(probabilities).all(axis=1))
        for (key, _), is_finite in zip(part, finite, strict=True):
            if is_finite:
                keys.append(key)
            else:
                unfit[key] = (
                    "its values are far outside those of the train split: the probabilities are not finite"
                )
        found.append(probabilities[finite])
    probabilities = np.concatenate(found)
    return Predicted(tuple(keys), probabilities, model.decide(probabilities), unfit)


def _compatible(
    model: Classifier, recordings: Iterable[tuple[str, Recording]], unfit: dict[str, str]
) -> Iterator[tuple[str, Recording]]:
    """Those that the model can predict; the reasons for the others go to `unfit`."""
    for key, values in recordings:
        why = why_unfit(values, model.length)
        if why:
            unfit[key] = why
        else:
            yield key, values


def with_truth(model: Classifier, found: Predicted, index: Index) -> LabeledPredictions:
    """Predictions of labeled series with their true classes."""
    rows = [[label in index.series[key].choices for label in index.labels] for key in found.keys]
    truth = np.array(rows, np.bool_).reshape(-1, len(index.labels))
    return LabeledPredictions(model.spec.task, index.labels, truth, found.decided, found.probabilities)


def predict(model: Checkpoint, name: str, keys: Sequence[str]) -> tuple[Iterator[Prediction], dict[str, str]]:
    """One prediction by the model with this hash for each series; and the reason for each that has none."""
    classifier = Classifier.from_checkpoint(model)
    found = predict_recordings(classifier, ((key, arrays.values(key)) for key in track(keys, "predicting")))
    return predictions_of(classifier, name, found), found.unfit


def predictions_of(model: Classifier, name: str, found: Predicted) -> Iterator[Prediction]:
    """One prediction for each series, with scores to four digits, of each choice and of all choices together."""
    labels = model.spec.labels
    confidences = confidence(found.decided, found.probabilities, model.spec.independent)
    for row, key in enumerate(found.keys):
        probabilities, decided = found.probabilities[row], found.decided[row]
        choices = tuple(
            PredictedChoice(labels[k], round(float(probabilities[k]), 4))
            for k in np.flatnonzero(decided).tolist()
        )
        entropy = uncertainty(probabilities, model.spec.independent)
        yield Prediction(key, name, round(float(confidences[row]), 4), round(entropy, 4), (), choices)


def uncertainty(probabilities: NDArray[np.float32], independent: bool) -> float:
    """Entropy of probabilities (classes,), 0 to 1; of independent classes the mean of theirs."""
    p = np.clip(probabilities.astype(np.float64), 1e-9, 1 - 1e-9)
    if independent:
        return float(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)).mean())
    return float(-(p * np.log(p)).sum() / np.log(len(p)))
