"""The candidate, awake, and what it says of the labeled series of a set."""

from __future__ import annotations

from stages.classification.inference import Asked, ask
from stages.classification.model import Classifier
from stages.compatibility import refuse
from storage.artifacts import arrays, dataset
from storage.artifacts.checkpoint import Checkpoint
from storage.paths import CANDIDATE
from storage.progress import track


def wake(resting: Checkpoint, index: dataset.Index) -> Classifier:
    """The candidate as a model that can be asked.

    Raises:
        InputError: it was made with other channels or labels than the dataset has, so its classes mean others.
    """
    refuse(resting, CANDIDATE, "dataset", index.channels, index.labels, index.sampling_rate)
    return Classifier.from_checkpoint(resting)


def answer(model: Classifier, index: dataset.Index, name: str) -> Asked:
    """Ask about each labeled series of a set."""
    return ask(model, ((key, arrays.values(key)) for key in track(index.of(name), f"asking about {name}")))
