"""The report of a model that classifies whole recordings: scores, training curves, and some recordings with what is
true of them and what the candidate predicts. The markup is in templates/classification.html.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.classification import evaluation
from stages.classification.inference import with_truth
from stages.classification.model import Classifier
from stages.compatibility import check, incompatibility
from stages.metrics.classification import LabeledPredictions
from stages.reporting import classification_plots, classification_tables, page, tables
from stages.reporting.classification_plots import Card, Chance, Square
from stages.reporting.figures import Chart, axis_note, chart, diagrams
from stages.reporting.page import Inputs
from storage.artifacts import arrays, reports
from storage.paths import CANDIDATE

TEMPLATE = "classification.html"


@dataclass(frozen=True)
class Figure:
    """One recording to look at: what is true of it, what is said of it, its drawing."""

    series: str
    group: str
    right: bool
    confidence: float
    chances: list[Chance]
    card: Card
    note: str


@dataclass(frozen=True)
class Examples:
    """What the candidate says of a held-out set.

    Attributes:
        set: its name.
        series: how many of it were asked about.
        figures: recordings to look at, by what is to be seen in them.
        squares: ROC and precision-recall.
        unfit: labeled series that it cannot be asked about, with the reason.
    """

    set: str
    series: int
    figures: list[tuple[str, list[Figure]]]
    squares: list[Square]
    unfit: dict[str, str]


def write(found: Inputs) -> None:
    """Everything to one page."""
    task, labels = found.model.postprocess.get("task"), found.model.labels
    independent = task == "multilabel" or len(labels) == 1
    with reports.understood():
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
        # Of two classes the curves are of the second; what a guess of each as likely would cost.
        asked=labels[1] if task == "binary" and not independent else "",
        guess=math.log(2 if independent else len(labels)),
        examples=draw_examples(found),
        **made,
    )


def draw_examples(found: Inputs) -> Examples | None:
    """Ask the candidate about the test set; without one about validation."""
    index, known = found.index, found.model.training.get("learnt_from", ["train"])
    why = incompatibility(found.model, index.channels, index.labels, index.sampling_rate)
    check(why, CANDIDATE, "dataset")
    model = Classifier.from_checkpoint(found.model)
    for name in page.HELD_OUT:
        if name in known or not found.index.of(name):
            continue
        asked = evaluation.predict_split(model, index, name)
        if not asked.keys:
            continue
        answers = with_truth(model, asked, found.index)
        figures = [
            (kind, [draw(found, answers, row, asked.keys[row]) for row in rows])
            for kind, rows in classification_plots.examples(answers)
        ]
        return Examples(name, len(asked.keys), figures, classification_plots.squares(answers), asked.unfit)
    return None


def draw(found: Inputs, answers: LabeledPredictions, row: int, key: str) -> Figure:
    """Lay out one recording."""
    times = arrays.times(key)
    return Figure(
        key,
        found.index.series[key].group,
        bool(answers.right[row]),
        float(answers.confidence[row]),
        classification_plots.chances(answers, row),
        classification_plots.card(arrays.values(key), times, found.index.channels),
        axis_note(times),
    )


def draw_training(found: Inputs) -> list[Chart]:
    """Loss and accuracy, on the train set while it learnt and after each epoch on the validation set."""
    best = found.model.training["best_epoch"]
    return [
        chart(what.capitalize(), curves, best, top)
        for what, top in (("loss", None), ("accuracy", 1.0))
        if (curves := _pair(found.curves, what))
    ]


def _pair(curves: dict[str, list[float]], what: str) -> dict[str, Sequence[float]]:
    sets = (("training", "train"), ("validation", "validation"))
    return {name: curves[f"{folder}/{what}"] for name, folder in sets if f"{folder}/{what}" in curves}
