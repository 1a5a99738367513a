"""The geometry of the report: every peak, every gap, the right place."""

from __future__ import annotations

import re

import numpy as np
import pytest

from stages.metrics.segmentation import LabeledPrediction
from stages.reporting import figures, tables
from stages.reporting.figures import chart
from stages.reporting.recording_plot import Recording, Scale, envelope, longest_difference, series_plot, trace


def test_numbers_that_are_missing_leave_the_line_open() -> None:
    scale = Scale.of(np.arange(5.0))
    path = envelope(scale, np.array([1.0, 2.0, np.nan, 3.0, 4.0]), 100)
    assert path.count("M") == 2 and path.count("L") == 2
    lonely = envelope(scale, np.array([np.nan, np.nan, 3.0, np.nan, np.nan]), 100)
    assert re.fullmatch(r"M[\d.]+ 3h0", lonely)


def test_a_pause_leaves_the_line_open() -> None:
    path = envelope(Scale.of(np.array([0.0, 1.0, 2.0, 9.0, 10.0])), np.zeros(5), 100)
    assert path.count("M") == 2


def test_the_envelope_keeps_every_peak() -> None:
    y = np.zeros(100_000)
    y[[777, 50_001]] = 9.0, -9.0
    path = envelope(Scale.of(np.arange(100_000.0)), y, 960)
    heights = [float(v) for v in re.findall(r"V(-?[\d.]+)|[ML][\d.]+ (-?[\d.]+)", path) for v in v if v]
    assert max(heights) == 9 and min(heights) == -9
    assert path.count("M") == 1 and len(path) < 20_000


def test_no_difference_no_closer_look() -> None:
    same = np.zeros(10, np.int16)
    recording = Recording(
        np.zeros((10, 1)), np.arange(10.0), ("x",), LabeledPrediction(same, same, (), ()), ("a",)
    )
    assert longest_difference(recording) is None
    assert series_plot(recording, 0.5, 10).differences == ()


def test_a_channel_without_numbers() -> None:
    nothing, values = np.zeros(4, np.int16), np.array([[np.nan, 1.0]] * 4, np.float32)
    judged = LabeledPrediction(nothing - 1, nothing, (), ())
    recording = Recording(values, np.arange(4.0), ("x", "y"), judged, ("a",))
    plot = series_plot(recording, 0.5, 10)
    assert plot.traces[0].path == "" and plot.traces[1].path.startswith("M")
    assert len(plot.unknown) == 1 and plot.differences == ()


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [
        (-1.0, 1.5, ("−1.00", "1.50")),
        (19.97, 20.04, ("19.9700", "20.0400")),
        (3.0, 3.0, ("3", "")),
        (0.0, 4e6, ("0", "4e+06")),
    ],
)
def test_the_ends_of_a_scale_can_be_told_apart(low: float, high: float, ends: tuple[str, str]) -> None:
    drawn = trace(np.array([low, high]), Scale.of(np.arange(2.0)), "x", 0.0, 64.0, 1)
    assert (drawn.low, drawn.high) == ends


def test_best_median_and_worst_are_each_drawn_once() -> None:
    def of(n: int) -> list[tuple[str, str]]:
        scores = [tables.SeriesScore(f"s{i}", "", 9, 1, 1, 0, i / 9, 0.5) for i in range(n)]
        return [(rank, s.series) for rank, s in tables.ranked(tables.ordered(scores))]

    assert of(1) == [("the only one", "s0")]
    assert of(2) == [("best", "s1"), ("worst", "s0")]
    assert of(5) == [("best", "s4"), ("median", "s2"), ("worst", "s0")]


def test_intervals_are_wilsons() -> None:
    assert [round(x, 3) for x in tables.interval(0, 4)] == [0.0, 0.49]
    assert [round(x, 3) for x in tables.interval(76, 80)] == [0.878, 0.98]
    assert tables.interval(0, 0) == (0.0, 1.0)


def test_ticks() -> None:
    def texts(ticks: tuple[figures.Tick, ...]) -> list[str]:
        return [tick.text for tick in ticks]

    assert texts(figures.number_ticks(-1.0, 1.0, 4)) == ["−1", "−0.5", "0", "0.5", "1"]
    assert texts(figures.number_ticks(5.0, 5.0, 4)) == ["5"]
    epoch = texts(figures.number_ticks(1_700_000_000.0, 1_700_000_020.0, 2))
    assert epoch == ["1700000000", "1700000010", "1700000020"]
    day = 86400 * figures.SECOND
    minute = texts(figures.time_ticks(5 * figures.SECOND, 90 * figures.SECOND, 3))
    assert minute == ["00:00:30", "00:01:00", "00:01:30"]
    assert texts(figures.time_ticks(0, 3 * day, 3)) == [
        "1970-01-01",
        "1970-01-02",
        "1970-01-03",
        "1970-01-04",
    ]
    assert texts(figures.time_ticks(5, figures.SECOND + 5, 4)) == ["+0 s", "+0.5 s", "+1 s"]


def test_curves_mark_the_best_epoch() -> None:
    drawn = chart("Loss", {"training": [2.0, 1.0, 1.5]}, best=2)
    (curve,) = drawn.curves
    assert curve.best is not None and curve.best.value == 1.0 and curve.best.x == drawn.best_x
    assert chart("Loss", {"training": [0.0]}, best=1).curves[0].path.endswith("h0")
