"""Reads data/arrays, data/best, data/candidate, data/dataset, data/labels, data/predictions and reports/; writes
reports/index.html.

One page that a person can look at, without a network: where the model comes from, the verdict, scores, training
curves, what is odd about the data, and for some recordings the signal with true and predicted regions above each
other. Dataset and candidate must be there; what else is missing is named on the page with the command that makes it.
Markup and style are in report.html and report.css, which Jinja fills and escapes.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages import params
from stages.run import run
from stages.timeseries import counts, tables
from stages.timeseries.axes import axis_note
from stages.timeseries.curves import Chart, chart
from stages.timeseries.metrics import Judged
from stages.timeseries.plots import Recording, SeriesPlot, longest_difference, series_plot
from stages.timeseries.regions import classes_of, paint
from stages.timeseries.reliability import diagrams
from stages.timeseries.tables import SeriesScore
from storage import arrays, checkpoint, dataset, label_config, predictions, provenance, snapshot
from storage.checkpoint import Checkpoint
from storage.files import write_bytes
from storage.label_config import LabelConfig
from storage.provenance import Provenance
from storage.regions import Region

PAGE = Path("reports/index.html")
VERDICT = Path("reports/promote.json")
SCORES = Path("reports/evaluate.json")
CLASSES = Path("reports/classes.csv")
SUBJECTS = Path("reports/subjects.csv")
CONFUSION = Path("reports/confusion.csv")
CALIBRATION = Path("reports/calibration.csv")
CURVES = Path("reports/train/plots/metrics")
QUALITY = arrays.PATH / "quality.json"
HELD_OUT = ("test", "validation")


@dataclass(frozen=True)
class Inputs:
    """All that the page is made of; None or empty: the stage that writes it has not run."""

    config: LabelConfig
    params: params.Params
    index: dataset.Index
    model: Checkpoint
    provenance: Provenance
    best: str | None
    annotators: dict[str, str]
    verdict: dict[str, Any] | None
    scores: dict[str, Any]
    classes: list[dict[str, str]]
    subjects: list[dict[str, str]]
    calibration: list[dict[str, str]]
    confusion: list[dict[str, str]]
    curves: dict[str, list[float]]
    quality: dict[str, Any] | None


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
    """The recordings of a held-out set that the best model predicted, and those of them that are drawn."""

    set: str
    model: str
    series: tuple[SeriesScore, ...]
    figures: tuple[Figure, ...]


def main() -> None:
    """Everything to one page."""
    found = load()
    page = render(found, draw_examples(found))
    write_bytes(PAGE, page.encode())
    print(f"{PAGE}: {len(page.encode()) / 1024:,.0f} KiB")


def load() -> Inputs:
    """Read what there is.

    Raises:
        InputError: there is no dataset, candidate, label config or params yet.
    """
    best = provenance.BEST.exists()
    return Inputs(
        config=label_config.load(),
        params=params.load(),
        index=dataset.read_index(),
        model=checkpoint.read(provenance.CANDIDATE),
        provenance=provenance.read(provenance.CANDIDATE),
        best=provenance.read(provenance.BEST).model if best else None,
        annotators={
            record["id"]: str(record.get("annotator", ""))
            for records in snapshot.read().values()
            for record in records
        },
        verdict=read_json(VERDICT),
        scores=read_json(SCORES) or {},
        classes=read_csv(CLASSES),
        subjects=read_csv(SUBJECTS),
        calibration=read_csv(CALIBRATION),
        confusion=read_csv(CONFUSION),
        curves={
            p.relative_to(CURVES).with_suffix("").as_posix(): read_curve(p) for p in CURVES.rglob("*.tsv")
        },
        quality=read_json(QUALITY),
    )


def read_json(path: Path) -> Any:
    """What another stage wrote; None where it has not run."""
    return json.loads(path.read_bytes()) if path.exists() else None


def read_csv(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Rows by column name; none where the file is not there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def read_curve(path: Path) -> list[float]:
    """Values by epoch; the column is named after the file."""
    return [float(row[path.stem]) for row in read_csv(path, "\t")]


def draw_examples(found: Inputs) -> Examples | None:
    """Score each recording of the test set (without one: validation) and draw the best, median and worst."""
    predicted = set(predictions.keys())
    for name in HELD_OUT:
        keys = [key for key in found.index.of(name) if key in predicted]
        if not keys:
            continue
        scores = tables.ordered(score(found, key) for key in keys)
        figures = [draw(found, rank, item) for rank, item in tables.ranked(scores)]
        return Examples(name, predictions.read(keys[0]).model, tuple(scores), tuple(figures))
    return None


def score(found: Inputs, key: str) -> SeriesScore:
    """How well one recording was predicted."""
    rules, recording = found.params.evaluate, recall(found.index, key)
    group = found.index.series[key].group
    return tables.series_score(
        key, group, recording.judged, recording.labels, rules.iou, rules.instant_tolerance
    )


def recall(index: dataset.Index, key: str) -> Recording:
    """One recording with what is true and what was predicted."""
    regions = [as_region(region) for region in predictions.read(key).regions]
    # An older best model may know a label that the label config has lost since.
    labels = tuple(dict.fromkeys([*index.labels, *(region.label for region in regions)]))
    target = dataset.target(key)
    classes = classes_of(paint(regions, len(target), labels, index.instant_tolerance), labels)
    judged = Judged(target, classes, index.series[key].regions, regions)
    return Recording(arrays.values(key), arrays.times(key), index.channels, judged, labels)


def as_region(region: predictions.PredictedRegion) -> Region:
    """A predicted region in timepoints."""
    return Region(region.start_row, region.end_row, region.label, region.instant)


def draw(found: Inputs, rank: str, item: SeriesScore) -> Figure:
    """Lay out one recording."""
    rules, recording = found.params.evaluate, recall(found.index, item.series)
    plot = series_plot(recording, rules.iou, rules.instant_tolerance)
    rows = longest_difference(recording)
    closer = series_plot(recording, rules.iou, rules.instant_tolerance, rows) if rows else None
    return Figure(rank, item, plot, closer, axis_note(recording.times))


def draw_training(found: Inputs) -> list[Chart]:
    """A chart for the loss, one for what was checked on the validation set, one for the learning rate."""
    best, curves = found.model.training["best_epoch"], dict(found.curves)
    validation = {name: curves.pop(name) for name in sorted(curves) if name.startswith("validation/")}
    charts = [chart("Loss", {"training": curves.pop("train/loss")}, best)] if "train/loss" in curves else []
    if validation:
        names = {in_words(name): values for name, values in validation.items()}
        charts.append(chart("On the validation set", names, best, top=1.0))
    others = [chart(in_words(name).capitalize(), {"training": curves[name]}, best) for name in sorted(curves)]
    return charts + others


def in_words(metric: str) -> str:
    """The name of a curve: `validation/worst_f1` is worst F1."""
    return metric.rpartition("/")[2].replace("_", " ").replace(" f1", " F1")


def render(found: Inputs, examples: Examples | None) -> str:
    """Values to HTML: the same values, the same text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": "{:,}".format,
        "share": tables.share,
        "colour": label_config.colour,
        "ink": ink,
    }
    return environment.get_template("report.html").render(
        found=found,
        # Where times are plain numbers, only the project knows their unit.
        hertz=found.index.sampling_rate if found.config.time_format else None,
        origin=counts.origin(found.index, found.annotators, found.provenance.annotations),
        classes=tables.class_rows(found.classes),
        subjects=tables.subject_rows(found.subjects),
        drawn={name: tables.drawn(groups) for name, groups in held_out(found.index).items()},
        reliability=diagrams(found.calibration, calibration_errors(found.scores)),
        confusion=tables.confusions(found.confusion),
        charts=draw_training(found),
        quality=counts.quality(found.quality) if found.quality else None,
        examples=examples,
    )


def held_out(index: dataset.Index) -> dict[str, list[str]]:
    """Groups of the labeled series of each set that is scored."""
    return {name: [index.series[key].group for key in index.of(name)] for name in HELD_OUT}


def calibration_errors(scores: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Expected calibration error by set and level, timepoints first."""
    return {
        name: dict(sorted(scores[name].get("calibration", {}).items(), reverse=True))
        for name in HELD_OUT
        if name in scores
    }


def ink(index: int) -> str:
    """Black or white, whichever is read more easily on the colour of the class with this index."""
    red, green, blue = (int(label_config.colour(index)[i : i + 2], 16) / 255 for i in (1, 3, 5))
    light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "#fff" if light < 0.18 else "#111"


if __name__ == "__main__":
    run(main, whole="stages.classification.report")
