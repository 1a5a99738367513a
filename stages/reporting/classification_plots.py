"""Where things lie in the report's drawings of answers on whole series: values in, coordinates out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.metrics import ranking
from stages.metrics.classification import LabeledPredictions
from stages.reporting.figures import Tick, number_ticks, x_of, y_of
from stages.reporting.recording_plot import LEFT, POINTS, RIGHT, WIDTH, Scale, Trace, Values, time_axis, trace
from stages.timeseries.times import Times

EACH = 3  # examples of each kind
SHOWN = 4  # classes of an example that are listed, at most, but for those that are true or said
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
    """Curves in a square of shares; ticks are in x and y, `base` is the path of what says nothing."""

    title: str
    across: str
    up: str
    lines: tuple[Line, ...]
    base: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def squares(answers: LabeledPredictions) -> list[Square]:
    """ROC and precision-recall of each class that is a question of its own; none of many that exclude each other."""
    asked = [(k, answers.truth[:, k], answers.probabilities[:, k]) for k in answers.curves]
    if not asked:
        return []
    roc = [(k, ranking.roc_points(truth, chances)) for k, truth, chances in asked]
    precise = [(k, ranking.precision_points(truth, chances)) for k, truth, chances in asked]
    # Before anything is taken recall is 0, at the precision of what is taken first.
    begun = [(k, ((0.0, points[0][1]), *points) if points else ()) for k, points in precise]
    level = y_of(float(asked[0][1].mean()))
    share = f"M{x_of(0)} {level}H{x_of(1)}" if len(asked) == 1 else ""
    diagonal = f"M{x_of(0)} {y_of(0)}L{x_of(1)} {y_of(1)}"
    return [
        _square("ROC", ("others taken for it", "found"), roc, answers, diagonal),
        _square("Precision and recall", ("found", "right of those said"), begun, answers, share),
    ]


def _square(
    title: str,
    names: tuple[str, str],
    curves: Sequence[tuple[int, ranking.Points]],
    answers: LabeledPredictions,
    base: str,
) -> Square:
    ticks = number_ticks(0.0, 1.0, 5)
    lines = (
        Line(answers.labels[k], k + 1, "M" + "L".join(f"{x_of(x)} {y_of(y)}" for x, y in points))
        for k, points in curves
        if points
    )
    return Square(
        title,
        *names,
        tuple(lines),
        base,
        tuple(Tick(x_of(tick.value), tick.text) for tick in ticks),
        tuple(Tick(y_of(tick.value), tick.text) for tick in ticks),
    )


def examples(answers: LabeledPredictions) -> list[tuple[str, list[int]]]:
    """Rows worth a look, each once: the surest that are right and wrong, and of the others the least sure."""
    sure, right = answers.confidence, answers.right
    order = sorted(range(len(sure)), key=lambda row: (-sure[row], row))
    best = [row for row in order if right[row]][:EACH]
    wrong = [row for row in order if not right[row]][:EACH]
    others = [row for row in reversed(order) if row not in best and row not in wrong][:EACH]
    kinds = [
        ("the surest that are right", best),
        ("the least sure of the others", others),
        ("the surest that are wrong", wrong),
    ]
    return [(kind, rows) for kind, rows in kinds if rows]


@dataclass(frozen=True)
class Chance:
    """What was said of one class for one series, and whether it is true."""

    label: str
    number: int
    chance: float
    true: bool
    said: bool


def chances(answers: LabeledPredictions, row: int) -> list[Chance]:
    """What was said of one series: what is true or was said first, then the likeliest."""
    found = [
        Chance(label, k + 1, float(answers.probabilities[row, k]), bool(answers.truth[row, k]), bool(said))
        for k, (label, said) in enumerate(zip(answers.labels, answers.decided[row], strict=True))
    ]
    found.sort(key=lambda c: (not (c.true or c.said), -c.chance, c.number))
    told = sum(c.true or c.said for c in found)
    return found[: max(told, SHOWN)]


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
