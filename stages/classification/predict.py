"""Reads data/best, data/arrays, the label config and data/sets.csv; writes data/predictions.

The best model says what it takes every series for, labeled or not, with the chance that it is, and how unsure it is:
what to label next is ordered by that.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stages import params
from stages.classification.compatibility import refuse_other_task
from stages.classification.inference import Asked, ask
from stages.classification.model import Classifier
from stages.compatibility import refuse
from stages.metrics.classification import confidence
from storage.artifacts import arrays, checkpoint, predictions, provenance
from storage.artifacts.predictions import PredictedChoice, Prediction
from storage.label_studio import label_config
from storage.paths import BEST
from storage.printable import say
from storage.progress import track
from storage.project_files import splits_file


def main() -> None:
    """Best to predictions."""
    config, settings = label_config.load(), params.load()
    resting = checkpoint.read(BEST)
    rate = arrays.read_index().sampling_rate
    refuse(resting, BEST, "project", config.channels, config.labels, rate)
    refuse_other_task(resting, config.task)
    model = Classifier.from_checkpoint(resting)
    name = provenance.read(BEST).model
    keys = splits_file.of_interest(sorted(arrays.read_index().series), settings.predict.series)
    asked = ask(model, ((key, arrays.values(key)) for key in track(keys, "predicting")))
    count = predictions.write(predictions_of(model, name, asked))
    say(f"{count} series predicted by model {name[:8]}")
    for key, why in asked.unfit.items():
        say(f"warning: {key} is not predicted: {why}")


def predictions_of(model: Classifier, name: str, asked: Asked) -> Iterator[Prediction]:
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
