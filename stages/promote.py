"""Reads data/candidate, data/dataset, data/arrays and the previous data/best; writes data/best, reports/promote.json.

The gate is `stages/gate.py`; here is what it measures: how well regions are found in the labeled test series.
"""

from __future__ import annotations

from typing import Any

from stages import gate, params
from stages.compatibility import misfit
from stages.run import run
from stages.segmentation.model import Segmenter
from stages.timeseries.gaps import stretches
from storage.artifacts import dataset
from storage.artifacts.checkpoint import Checkpoint

# What promotion goes by where params.yaml leaves it open.
METRIC = "event_f1"


def main() -> None:
    """Candidate to best."""
    gate.conclude(rules(params.load(), dataset.read_index()))


def rules(settings: params.Params, index: dataset.Index) -> gate.Rules:
    """The gate for segmenters."""
    metric = settings.promote.metric or METRIC
    test = load(index, settings.ingest.gap)
    evaluate = settings.evaluate

    def measure(model: Checkpoint) -> float | None:
        if not test:
            return None
        scores = Segmenter.from_checkpoint(model).score(test, evaluate.iou, evaluate.instant_tolerance)
        events = {"event_f1": scores.event["f1"], "event_macro_f1": scores.event["macro_f1"]}
        return gate.pick(metric, {**events, **scores.timepoint})

    return gate.Rules(
        metric,
        settings.promote.min_gain,
        len(test),
        measure,
        lambda best: misfit(best, index.channels, index.labels, index.sampling_rate),
    )


def load(index: dataset.Index, gap: float) -> dict[str, Any]:
    """Of each labeled test series what `Segmenter.judge` takes."""
    found = {}
    for key in index.of("test"):
        values, times, target = dataset.labeled(key, index)
        found[key] = (values, target, index.series[key].regions, stretches(values, times, gap))
    return found


if __name__ == "__main__":
    run(main, whole="stages.classification.promote")
