"""Scores, with expected values written out."""

from __future__ import annotations

import numpy as np
import pytest

from stages.timeseries.metrics import Judged, match, overlap, score, timepoint_scores
from storage.regions import Region

LABELS = ("A", "I")


def judged(target: list[int], classes: list[int], true: list[Region], predicted: list[Region]) -> Judged:
    return Judged(np.array(target, np.int16), np.array(classes, np.int16), true, predicted)


def test_timepoints():
    # True background 4 of which 3 found; A 4 of which 2 found; one row says nothing.
    found = score([judged([0, 0, 0, 0, 1, 1, 1, 1, -1], [0, 0, 0, 1, 1, 1, 0, 0, 1], [], [])], LABELS, 0.5, 1)
    assert found.confusion.tolist() == [[3, 1, 0], [2, 2, 0], [0, 0, 0]]
    assert found.timepoint["balanced_accuracy"] == pytest.approx((0.75 + 0.5) / 2)
    assert found.timepoint["accuracy"] == pytest.approx(5 / 8)
    assert found.timepoint["macro_f1"] == pytest.approx((6 / 9 + 4 / 7) / 2)
    assert found.timepoint["worst_f1"] == pytest.approx(4 / 7)


def test_a_class_that_is_never_predicted_counts_as_0():
    assert timepoint_scores(np.array([[5, 0], [5, 0]]))["worst_f1"] == 0
    assert timepoint_scores(np.array([[5, 0], [5, 0]]))["balanced_accuracy"] == 0.5


def test_nothing_known_is_0():
    assert set(timepoint_scores(np.zeros((2, 2), np.int64)).values()) == {0.0}


def test_events():
    true = [Region(0, 9, "A"), Region(20, 29, "A"), Region(40, 40, "I", True), Region(60, 60, "I", True)]
    predicted = [Region(2, 9, "A"), Region(25, 40, "A"), Region(42, 42, "I", True), Region(70, 70, "I", True)]
    found = score([judged([0] * 80, [0] * 80, true, predicted)], LABELS, 0.5, 2)
    assert (found.event["true"], found.event["predicted"], found.event["matched"]) == (4, 4, 2)
    assert found.event["f1"] == 0.5
    assert found.event["boundary_error"] == pytest.approx((2 + 0 + 2 + 2) / 4)
    assert found.event["fragmentation"] == 1
    assert [(c.label, c.event_f1) for c in found.classes] == [("background", 0), ("A", 0.5), ("I", 0.5)]


def test_each_event_is_matched_once_and_the_best_first():
    true = [Region(0, 9, "A")]
    halves = [Region(0, 5, "A"), Region(0, 8, "A")]
    assert match(true, halves, 0.5, 0) == [(true[0], halves[1])]


def test_overlap_is_inclusive():
    assert overlap(Region(0, 9, "A"), Region(5, 14, "A")) == 5 / 15
    assert overlap(Region(0, 4, "A"), Region(5, 9, "A")) == 0


def test_nothing_to_find_and_nothing_found_is_right():
    assert score([judged([0], [0], [], [])], LABELS, 0.5, 1).event["f1"] == 1
