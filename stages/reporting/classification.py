"""The report of a classifier: scores, training curves, and some recordings with true and predicted classes.

The markup is in templates/classification.html.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.compatibility import check, incompatibility
from stages.metrics.classification import LabeledPredictions
from stages.reporting import classification_plots, classification_tables, page, tables
from stages.reporting.classification_plots import Card, ClassProbability, Square
from stages.reporting.figures import Chart, axis_note, chart, diagrams
from stages.reporting.page import Inputs
from storage.artifacts import arrays, reports
from storage.paths import CANDIDATE

TEMPLATE = "classification.html"


@dataclass(frozen=True)
class Figure:
    """One recording with its prediction and its drawing."""

    series: str
    group: str
    right: bool
    confidence: float
    probabilities: list[ClassProbability]
    card: Card
    note: str


@dataclass(frozen=True)
class Examples:
    """Predictions of the candidate for a held-out split.

    Attributes:
        split: its name.
        series: number of its series with a prediction.
        figures: example recordings by kind.
        squares: ROC and precision-recall.
        unfit: the reason for each labeled series without a prediction.
    """

    split: str
    series: int
    figures: list[tuple[str, list[Figure]]]
    squares: list[Square]
    unfit: dict[str, str]


def write(found: Inputs) -> None:
    task, labels = found.model.postprocess.get("task"), found.model.labels
    independent = task == "multilabel" or len(labels) == 1
    with reports.translate_table_errors():
        made = {
            "classes": classification_tables.class_rows(found.classes),
            "groups": classification_tables.group_rows(found.subjects),
            "reliability": diagrams(found.calibration, page.calibration_errors(found.scores)),
            "confusion": {} if independent else tables.confusions(found.confusion, "series"),
            "yes_or_no": classification_tables.yes_or_no(found.confusion) if independent else {},
        }
    page.write(
        TEMPLATE,
        found,
        draw_training(found),
        counted="choices",
        # Of two classes the curves are of the second; the log loss is that of uniform probabilities.
        curve_class=labels[1] if task == "binary" and not independent else "",
        uniform_log_loss=math.log(2 if independent else len(labels)),
        examples=draw_examples(found),
        **made,
    )


def draw_examples(found: Inputs) -> Examples | None:
    """Predict the test split, without one the validation split."""
    # Here, for torch takes seconds to import, and the report of a segmenter does without.
    from stages.classification import evaluation
    from stages.classification.inference import with_truth
    from stages.classification.model import Classifier

    index, known = found.index, found.model.training.get("learnt_from", ["train"])
    why = incompatibility(found.model, index.channels, index.labels, index.sampling_rate)
    check(why, CANDIDATE, "dataset")
    model = Classifier.from_checkpoint(found.model)
    for name in tables.HELD_OUT:
        if name in known or not found.index.of(name):
            continue
        predicted = evaluation.predict_split(model, index, name)
        if not predicted.keys:
            continue
        predictions = with_truth(model, predicted, found.index)
        figures = [
            (kind, [draw(found, predictions, row, predicted.keys[row]) for row in rows])
            for kind, rows in classification_plots.examples(predictions)
        ]
        return Examples(
            name, len(predicted.keys), figures, classification_plots.squares(predictions), predicted.unfit
        )
    return None


def draw(found: Inputs, predictions: LabeledPredictions, row: int, key: str) -> Figure:
    """Lay out one recording."""
    times = arrays.times(key)
    return Figure(
        key,
        found.index.series[key].group,
        bool(predictions.right[row]),
        float(predictions.confidence[row]),
        classification_plots.class_probabilities(predictions, row),
        classification_plots.card(arrays.values(key), times, found.index.channels),
        axis_note(times),
    )


def draw_training(found: Inputs) -> list[Chart]:
    """Loss and accuracy, on the train split during each epoch and after it on the validation split."""
    best = found.model.training["best_epoch"]
    return [
        chart(what.capitalize(), curves, best, top)
        for what, top in (("loss", None), ("accuracy", 1.0))
        if (curves := _pair(found.curves, what))
    ]


def _pair(curves: dict[str, list[float]], what: str) -> dict[str, Sequence[float]]:
    splits = (("training", "train"), ("validation", "validation"))
    return {name: curves[f"{folder}/{what}"] for name, folder in splits if f"{folder}/{what}" in curves}
