"""Reads data/best, data/arrays, the label config and data/sets.csv; writes data/predictions.

The best model says what it finds in every series, labeled or not, with a score for each region and for the whole,
and how unsure it is: what to label next is ordered by that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stages import params
from stages.compatibility import refuse
from stages.run import run
from stages.segmentation.model import Segmentation, Segmenter
from stages.timeseries.gaps import cut, stretches
from stages.timeseries.times import Times, row_to_time
from storage.artifacts import arrays, checkpoint, predictions, provenance
from storage.artifacts.predictions import PredictedRegion, Prediction
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.paths import BEST
from storage.printable import say
from storage.progress import track
from storage.project_files import splits_file


def main() -> None:
    """Best to predictions."""
    config, settings = label_config.load(), params.load()
    resting = checkpoint.read(BEST)
    index = arrays.read_index()
    refuse(resting, BEST, "project", config.channels, config.labels, index.sampling_rate)
    name = provenance.read(BEST).model
    keys = splits_file.of_interest(sorted(index.series), settings.predict.series)
    model = Segmenter.from_checkpoint(resting)
    count = predictions.write(predict_all(model, name, keys, index, config, settings.ingest.gap))
    say(f"{count} series predicted by model {name[:8]}")


def predict_all(
    model: Segmenter, name: str, keys: list[str], index: arrays.Index, config: LabelConfig, gap: float
) -> Iterator[Prediction]:
    """One prediction for each series; its regions end at gaps."""
    for key in track(keys, "predicting"):
        values, times = arrays.of(key, index)
        found, known = model.segment(values), stretches(values, times, gap)
        regions = tuple(cut(found.regions, known))
        yield to_prediction(key, name, replace(found, regions=regions), arrays.shown_times(key), config)


def to_prediction(
    series: str, model: str, found: Segmentation, times: Times, config: LabelConfig
) -> Prediction:
    """Timepoints as times, scores to four digits."""
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


if __name__ == "__main__":
    run(main, whole="stages.classification.predict")
