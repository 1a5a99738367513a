"""Classification of whole recordings: one choice or several (`<Choices>`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages import params
from stages.classification import dataset
from stages.compatibility import check, other_task
from storage.artifacts.checkpoint import Checkpoint, Scorer
from storage.artifacts.dataset import Index, Inputs
from storage.artifacts.predictions import Prediction
from storage.artifacts.reports import Evaluation
from storage.label_studio.label_config import LabelConfig
from storage.paths import BEST


@dataclass(frozen=True)
class ClassificationTask:
    """A `LearningTask`. torch takes seconds to import: modules that need it are imported where they are used."""

    config: LabelConfig
    name = "classification"
    metric = "macro_f1"
    tunable = True

    def build_dataset(self, inputs: Inputs, settings: params.Params, folder: Path) -> tuple[Index, str]:
        return dataset.build(inputs, self.config, settings)

    def fit(self, index: Index, settings: params.Params) -> tuple[Checkpoint, list[str]]:
        from stages.classification import candidate

        return candidate.fit(index, settings, self.config)

    def trains_on_validation(self, settings: params.Params) -> bool:
        return False

    def cannot_start_from(self, kind: str, labels: Sequence[str]) -> str:
        from stages.classification.model import KIND

        if kind != KIND:
            return f"it is of kind {kind!r}; whole recordings are classified by {KIND!r}"
        if tuple(labels) != self.config.labels:
            return f"its labels are {', '.join(labels)}; the project's are {', '.join(self.config.labels)}"
        return ""

    def evaluate(
        self, model: Checkpoint, index: Index, splits: Sequence[str], settings: params.Params
    ) -> Evaluation:
        from stages.classification import evaluation

        return evaluation.evaluate(model, index, splits)

    def scorer(self, index: Index, settings: params.Params) -> Scorer:
        from stages.classification import evaluation

        return evaluation.scorer(index)

    def incompatibility(self, best: Checkpoint, candidate: Checkpoint, index: Index) -> str:
        length = best.network.get("length")
        if why := other_task(best, candidate.postprocess.get("task", "")):
            return why
        if length != index.window.size:
            return f"it takes series of {length} timepoints; the project's have {index.window.size}"
        return ""

    def predict(
        self, model: Checkpoint, name: str, keys: Sequence[str], settings: params.Params
    ) -> tuple[Iterator[Prediction], Mapping[str, str]]:
        from stages.classification import inference

        check(other_task(model, self.config.task), BEST, "project")
        return inference.predict(model, name, keys)
