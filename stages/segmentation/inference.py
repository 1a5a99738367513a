"""Predictions for recordings: regions with scores, split at gaps, and uncertainty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from stages.segmentation.model import Segmentation, Segmenter
from stages.timeseries.gaps import split_at_gaps, stretches
from stages.timeseries.times import Times, row_to_time
from storage.artifacts import arrays
from storage.artifacts.checkpoint import Checkpoint
from storage.artifacts.predictions import PredictedRegion, Prediction
from storage.label_studio.label_config import LabelConfig
from storage.progress import track


def predict(
    model: Checkpoint, name: str, keys: Sequence[str], config: LabelConfig, gap: float
) -> Iterator[Prediction]:
    """One prediction for each series, computed lazily; the model is loaded at once."""
    segmenter, index = Segmenter.from_checkpoint(model), arrays.read_index()

    def predictions() -> Iterator[Prediction]:
        for key in track(keys, "predicting"):
            values, times = arrays.of(key, index)
            found, known = segmenter.segment(values), stretches(values, times, gap)
            regions = tuple(split_at_gaps(found.regions, known))
            yield to_prediction(key, name, replace(found, regions=regions), arrays.shown_times(key), config)

    return predictions()


def to_prediction(
    series: str, model: str, found: Segmentation, times: Times, config: LabelConfig
) -> Prediction:
    """The prediction with times in place of timepoints, and scores to four digits."""
    regions = tuple(
        PredictedRegion(
            start=row_to_time(times, region.start, config.time_format),
            end=row_to_time(times, region.end, config.time_format),
            start_row=region.start,
            end_row=region.end,
            label=region.label,
            instant=region.instant,
            score=round(score, 4),
        )
        for region, score in found.regions
    )
    return Prediction(series, model, round(found.score, 4), round(found.uncertainty, 4), regions)
