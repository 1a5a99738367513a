"""Layout of a classifier's ROC and precision-recall curves and example recordings: values in, coordinates out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.metrics import roc_curves
from stages.metrics.classification import LabeledPredictions
from stages.reporting.figures import Tick, square_ticks, x_of, y_of
from stages.reporting.recording_plot import LEFT, POINTS, RIGHT, WIDTH, Scale, Trace, Values, time_axis, trace
from stages.timeseries.times import Times

EACH = 3  # examples of each kind
SHOWN = 4  # classes of an example that are listed, at most, but for those that are true or predicted
# A card is as wide as this, with so much to the left of the signal; a trace has one column for each pixel.
CARD, MARGIN, EDGE = 340, 40, 6
COLUMNS = CARD - MARGIN - EDGE


@dataclass(frozen=True)
class Line:
    """A curve of one class; `number` is its place in the label config, from 1."""

    label: str
    number: int
    path: str


@dataclass(frozen=True)
class Square:
    """Curves in a square of shares; ticks are in x and y, `base` is the path of a random model."""

    title: str
    across: str
    up: str
    lines: tuple[Line, ...]
    base: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def squares(predictions: LabeledPredictions) -> list[Square]:
    """ROC and precision-recall curves of the classes that have them."""
    curves = [(k, predictions.truth[:, k], predictions.probabilities[:, k]) for k in predictions.curves]
    if not curves:
        return []
    roc = [(k, roc_curves.roc_points(truth, probabilities)) for k, truth, probabilities in curves]
    precise = [(k, roc_curves.precision_points(truth, probabilities)) for k, truth, probabilities in curves]
    # Before anything is taken recall is 0, at the precision of what is taken first.
    begun = [(k, ((0.0, points[0][1]), *points) if points else ()) for k, points in precise]
    level = y_of(float(curves[0][1].mean()))
    share = f"M{x_of(0)} {level}H{x_of(1)}" if len(curves) == 1 else ""
    diagonal = f"M{x_of(0)} {y_of(0)}L{x_of(1)} {y_of(1)}"
    return [
        _square("ROC", ("false positive rate", "true positive rate"), roc, predictions, diagonal),
        _square("Precision and recall", ("recall", "precision"), begun, predictions, share),
    ]


def _square(
    title: str,
    names: tuple[str, str],
    curves: Sequence[tuple[int, roc_curves.Points]],
    predictions: LabeledPredictions,
    base: str,
) -> Square:
    lines = (
        Line(predictions.labels[k], k + 1, "M" + "L".join(f"{x_of(x)} {y_of(y)}" for x, y in points))
        for k, points in curves
        if points
    )
    return Square(title, *names, tuple(lines), base, *square_ticks())


def examples(predictions: LabeledPredictions) -> list[tuple[str, list[int]]]:
    """Rows worth a look, each once: the most confident right and wrong ones, and the least confident others."""
    sure, right = predictions.confidence, predictions.right
    order = sorted(range(len(sure)), key=lambda row: (-sure[row], row))
    best = [row for row in order if right[row]][:EACH]
    wrong = [row for row in order if not right[row]][:EACH]
    others = [row for row in reversed(order) if row not in best and row not in wrong][:EACH]
    kinds = [
        ("right with the highest confidence", best),
        ("lowest confidence of the others", others),
        ("wrong with the highest confidence", wrong),
    ]
    return [(kind, rows) for kind, rows in kinds if rows]


@dataclass(frozen=True)
class ClassProbability:
    """Probability of one class for one series, and whether it is true and predicted."""

    label: str
    number: int
    probability: float
    true: bool
    predicted: bool


def class_probabilities(predictions: LabeledPredictions, row: int) -> list[ClassProbability]:
    """Probabilities for one series: true and predicted classes first, then the likeliest."""
    found = [
        ClassProbability(
            label,
            k + 1,
            float(predictions.probabilities[row, k]),
            bool(predictions.truth[row, k]),
            bool(decided),
        )
        for k, (label, decided) in enumerate(zip(predictions.labels, predictions.decided[row], strict=True))
    ]
    found.sort(key=lambda c: (not (c.true or c.predicted), -c.probability, c.number))
    listed = sum(c.true or c.predicted for c in found)
    return found[: max(listed, SHOWN)]


@dataclass(frozen=True)
class Card:
    """A recording, drawn small; `shift` and `scale` bring the x of its traces into the card, ticks are in it."""

    traces: tuple[Trace, ...]
    ticks: tuple[Tick, ...]
    shift: float
    scale: float
    bottom: float


def card(values: Values, times: Times, channels: Sequence[str]) -> Card:
    """Lay out one recording, (timepoints, channels)."""
    scale = Scale.of(times)
    height = 72.0 if len(channels) <= 3 else 36.0 if len(channels) <= 9 else 18.0
    shrink = COLUMNS / (WIDTH - LEFT - RIGHT)
    shift = MARGIN - LEFT * shrink
    # As if there were so many channels that each has a column for each pixel of the card, or fewer.
    many = max(len(channels) * EACH * 3, POINTS // COLUMNS)
    ticks = (Tick(round(tick.value * shrink + shift, 1), tick.text) for tick in time_axis(times, scale, 4))
    return Card(
        tuple(trace(values[:, i], scale, name, i * height, height, many) for i, name in enumerate(channels)),
        tuple(ticks),
        round(shift, 3),
        round(shrink, 5),
        len(channels) * height,
    )
