"""Segmentation of recordings into regions, one label a timepoint (`<TimeSeriesLabels>`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages import params
from stages.segmentation import dataset
from storage.artifacts.checkpoint import Checkpoint, Scorer
from storage.artifacts.dataset import Index, Inputs
from storage.artifacts.predictions import Prediction
from storage.artifacts.reports import Evaluation
from storage.label_studio.label_config import LabelConfig


@dataclass(frozen=True)
class SegmentationTask:
    """A `LearningTask`. torch takes seconds to import: modules that need it are imported where they are used."""

    config: LabelConfig
    name = "segmentation"
    metric = "event_f1"
    tunable = False

    def build_dataset(self, inputs: Inputs, settings: params.Params, folder: Path) -> tuple[Index, str]:
        return dataset.build(inputs, self.config, settings, folder)

    def fit(self, index: Index, settings: params.Params) -> tuple[Checkpoint, list[str]]:
        from stages.segmentation import candidate

        return candidate.fit(index, settings)

    def trains_on_validation(self, settings: params.Params) -> bool:
        return settings.train.refit

    def cannot_start_from(self, kind: str, labels: Sequence[str]) -> str:
        whole = "only classifiers of whole recordings (<Choices>) can be trained from an earlier model"
        return f"the label config asks for regions; {whole}"

    def evaluate(
        self, model: Checkpoint, index: Index, splits: Sequence[str], settings: params.Params
    ) -> Evaluation:
        from stages.segmentation import evaluation

        return evaluation.evaluate(model, index, splits, settings)

    def scorer(self, index: Index, settings: params.Params) -> Scorer:
        from stages.segmentation import evaluation

        return evaluation.scorer(index, settings)

    def incompatibility(self, best: Checkpoint, candidate: Checkpoint, index: Index) -> str:
        return ""

    def predict(
        self, model: Checkpoint, name: str, keys: Sequence[str], settings: params.Params
    ) -> tuple[Iterator[Prediction], Mapping[str, str]]:
        from stages.segmentation import inference

        return inference.predict(model, name, keys, self.config, settings.ingest.gap), {}
