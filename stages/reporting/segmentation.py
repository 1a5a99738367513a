"""The report of a segmenter: scores, training curves, and some recordings with true and predicted
regions above each other. The markup is in templates/segmentation.html.
"""

from __future__ import annotations

from dataclasses import dataclass

from stages.metrics.segmentation import LabeledPrediction
from stages.reporting import page, tables
from stages.reporting.figures import Chart, axis_note, chart, diagrams
from stages.reporting.page import Inputs
from stages.reporting.recording_plot import Recording, SeriesPlot, longest_difference, series_plot
from stages.reporting.tables import SeriesScore
from stages.timeseries.runs import classes_of, paint
from storage.artifacts import dataset, predictions, reports
from storage.artifacts.region import Region


@dataclass(frozen=True)
class Figure:
    """One recording to look at: its place among the others (best, median, worst), its scores, its drawing.

    `closer` is a drawing of the longest difference, where the whole is too coarse to show it.
    """

    rank: str
    score: SeriesScore
    plot: SeriesPlot
    closer: SeriesPlot | None
    note: str


@dataclass(frozen=True)
class Examples:
    """The recordings of a held-out split that the best model predicted, and those of them that are drawn."""

    split: str
    model: str
    series: tuple[SeriesScore, ...]
    figures: tuple[Figure, ...]


def write(found: Inputs) -> None:
    with reports.translate_table_errors():
        made = {
            "classes": tables.class_rows(found.classes),
            "subjects": tables.subject_rows(found.subjects),
            "reliability": diagrams(found.calibration, page.calibration_errors(found.scores)),
            "confusion": tables.confusions(found.confusion),
        }
    page.write(
        "segmentation.html",
        found,
        draw_training(found),
        counted="regions",
        examples=draw_examples(found),
        **made,
    )


def draw_examples(found: Inputs) -> Examples | None:
    """Score each recording of the test split (without one: validation) and draw the best, median and worst."""
    predicted = set(predictions.keys())
    for name in tables.HELD_OUT:
        keys = [key for key in found.index.of(name) if key in predicted]
        if not keys:
            continue
        scores = tables.ordered(score(found, key) for key in keys)
        figures = [draw(found, rank, item) for rank, item in tables.ranked(scores)]
        return Examples(name, predictions.read(keys[0]).model, tuple(scores), tuple(figures))
    return None


def score(found: Inputs, key: str) -> SeriesScore:
    """Scores of one recording."""
    rules, recording = found.params.evaluate, read_recording(found.index, key)
    group = found.index.series[key].group
    return tables.series_score(
        key, group, recording.prediction, recording.labels, rules.iou, rules.instant_tolerance
    )


def read_recording(index: dataset.Index, key: str) -> Recording:
    """One recording with what is true and what was predicted."""
    regions = [as_region(region) for region in predictions.read(key).regions]
    # An older best model may know a label that the label config has lost since.
    labels = tuple(dict.fromkeys([*index.labels, *(region.label for region in regions)]))
    values, times, target = dataset.labeled(key, index)
    classes = classes_of(paint(regions, len(target), labels, index.instant_tolerance), labels)
    prediction = LabeledPrediction(target, classes, index.series[key].regions, regions)
    return Recording(values, times, index.channels, prediction, labels)


def as_region(region: predictions.PredictedRegion) -> Region:
    """A predicted region in timepoints."""
    return Region(region.start_row, region.end_row, region.label, region.instant)


def draw(found: Inputs, rank: str, item: SeriesScore) -> Figure:
    """Lay out one recording."""
    rules, recording = found.params.evaluate, read_recording(found.index, item.series)
    plot = series_plot(recording, rules.iou, rules.instant_tolerance)
    rows = longest_difference(recording)
    closer = series_plot(recording, rules.iou, rules.instant_tolerance, rows) if rows else None
    return Figure(rank, item, plot, closer, axis_note(recording.times))


def draw_training(found: Inputs) -> list[Chart]:
    """A chart for the loss, one for what was checked on the validation split, one for the learning rate."""
    best, curves = found.model.training["best_epoch"], dict(found.curves)
    validation = {name: curves.pop(name) for name in sorted(curves) if name.startswith("validation/")}
    charts = [chart("Loss", {"training": curves.pop("train/loss")}, best)] if "train/loss" in curves else []
    if validation:
        names = {in_words(name): values for name, values in validation.items()}
        charts.append(chart("On the validation split", names, best, top=1.0))
    others = [chart(in_words(name).capitalize(), {"training": curves[name]}, best) for name in sorted(curves)]
    return charts + others


def in_words(metric: str) -> str:
    """The name of a curve: `validation/worst_f1` is worst F1."""
    return metric.rpartition("/")[2].replace("_", " ").replace(" f1", " F1")
