"""The learning task of a project, segmentation or classification, chosen by its label config.

The stages call its methods and never look at the kind. Another kind is a package with a class that has these methods,
and a line in `TASKS`; docs/architecture.md says what else there may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from stages import params
from stages.classification.task import ClassificationTask
from stages.segmentation.task import SegmentationTask
from storage.artifacts.checkpoint import Checkpoint, Scorer
from storage.artifacts.dataset import Index, Inputs
from storage.artifacts.predictions import Prediction
from storage.artifacts.reports import Evaluation
from storage.label_studio.label_config import LabelConfig


class LearningTask(Protocol):
    """One kind of task, with the label config of a project.

    Attributes:
        name: of the kind.
        metric: by which models are compared where `promote.metric` is null.
        tunable: `labeltrail classify tune` can search its params.
    """

    name: str
    metric: str
    tunable: bool

    def build_dataset(self, inputs: Inputs, settings: params.Params, folder: Path) -> tuple[Index, str]:
        """Build a dataset from labels.

        Args:
            inputs: recordings, splits and annotations.
            settings: all params.
            folder: for what does not fit the index.

        Returns:
            The index, and a one-line summary.

        Raises:
            InputError: there is nothing to train on.
        """

    def fit(self, index: Index, settings: params.Params) -> tuple[Checkpoint, list[str]]:
        """Train on the dataset, write learning curves; returns the model and a summary in lines.

        Raises:
            InputError: the dataset, or the model that `train.start` names, cannot be used.
        """

    def trains_on_validation(self, settings: params.Params) -> bool:
        """Whether the candidate is trained on the validation split too, where there is a test split."""

    def cannot_start_from(self, kind: str, labels: Sequence[str]) -> str:
        """Why training cannot start from a model of this kind with these labels; "" where it can."""

    def evaluate(
        self, model: Checkpoint, index: Index, splits: Sequence[str], settings: params.Params
    ) -> Evaluation:
        """Score a model on splits of the dataset.

        Raises:
            UnusableError: the model cannot be loaded.
        """

    def scorer(self, index: Index, settings: params.Params) -> Scorer:
        """A function that scores a model on the test split, by the names that `promote.metric` may have.

        A score is None where the split has nothing to score by.
        """

    def incompatibility(self, best: Checkpoint, candidate: Checkpoint, index: Index) -> str:
        """Why the best model cannot be compared with a candidate of the same kind, channels, labels and sampling
        rate; "" where it can."""

    def predict(
        self, model: Checkpoint, name: str, keys: Sequence[str], settings: params.Params
    ) -> tuple[Iterator[Prediction], Mapping[str, str]]:
        """Predictions for the series with these keys, and the reason for each that has none; `name` is the hash of
        the model, which is loaded at once.

        Raises:
            InputError: the model is not of this task.
            UnusableError: it cannot be loaded.
        """


TASKS: Mapping[str, Callable[[LabelConfig], LearningTask]] = {
    "regions": SegmentationTask,
    "choices": ClassificationTask,
}


def of(config: LabelConfig) -> LearningTask:
    """The task of a project with this label config."""
    return TASKS[config.result_kind](config)
