"""Reads data/candidate, data/dataset and data/arrays; writes reports/evaluate.json, classes.csv, confusion.csv.

Scores the candidate on the validation and the test set, per timepoint and per event. Nothing is chosen here, and
nothing anywhere is chosen by what is written here about the test set but promotion itself.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from stages import params
from stages.model.segmenter import Segmenter
from stages.run import run
from stages.timeseries.metrics import BACKGROUND, Scores
from storage import arrays, checkpoint, dataset, provenance
from storage.files import write_bytes, write_json

METRICS = Path("reports/evaluate.json")
CLASSES = Path("reports/classes.csv")
CONFUSION = Path("reports/confusion.csv")
SETS = ("validation", "test")


def main() -> None:
    """Candidate to scores."""
    settings, index = params.load().evaluate, dataset.read_index()
    model = Segmenter.from_checkpoint(checkpoint.read(provenance.CANDIDATE))
    scores = {
        name: model.score(load(index, name), settings.iou, settings.instant_tolerance)
        for name in SETS
        if index.of(name)
    }
    write_json(METRICS, {name: summary(found) for name, found in scores.items()})
    write_bytes(CLASSES, table(CLASS_HEADER, class_rows(scores)))
    write_bytes(CONFUSION, table(CONFUSION_HEADER, confusion_rows(scores, index.labels)))
    for name, found in scores.items():
        timepoint = f"balanced accuracy {found.timepoint['balanced_accuracy']:.3f}"
        print(f"{name}: {timepoint}, event F1 {found.event['f1']:.3f} of {found.event['true']} events")
    for name in SETS:
        if name not in scores:
            print(f"warning: no {name} set: no scores for it")


def load(index: dataset.Index, name: str) -> dict[str, Any]:
    """Values, targets and true regions of each labeled series in a set."""
    return {
        key: (arrays.values(key), dataset.target(key), index.series[key].regions) for key in index.of(name)
    }


CLASS_HEADER = (
    "set", "label", "timepoints", "precision", "recall", "f1",
    "events", "events_predicted", "events_matched", "event_f1",
)  # fmt: skip
CONFUSION_HEADER = ("set", "actual", "predicted", "timepoints", "share")


def summary(scores: Scores) -> dict[str, Any]:
    """What `dvc metrics` shows: rounded, so that a difference in the table is a difference."""
    return {
        "timepoint": {name: round(value, 4) for name, value in scores.timepoint.items()},
        "event": {name: round(value, 4) for name, value in scores.event.items()},
    }


def class_rows(scores: dict[str, Scores]) -> list[list[Any]]:
    """A row for each set and class."""
    return [
        [name, *(round(v, 4) if isinstance(v, float) else v for v in vars(score).values())]
        for name, found in scores.items()
        for score in found.classes
    ]


def confusion_rows(scores: dict[str, Scores], labels: tuple[str, ...]) -> list[list[Any]]:
    """A row for each set, true class and predicted class; `share` is of the true class."""
    names = [BACKGROUND, *labels]
    return [
        [name, actual, predicted, int(n), round(float(n) / max(int(found.confusion[i].sum()), 1), 4)]
        for name, found in scores.items()
        for i, actual in enumerate(names)
        for predicted, n in zip(names, found.confusion[i], strict=True)
    ]


def table(header: tuple[str, ...], rows: list[list[Any]]) -> bytes:
    """A CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


if __name__ == "__main__":
    run(main)
