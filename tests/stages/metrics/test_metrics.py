"""Scores, with expected values written out."""

from __future__ import annotations

import numpy as np
import pytest

from stages.metrics.matching import fragmented, match, overlap
from stages.metrics.segmentation import LabeledPrediction, score, timepoint_scores
from storage.artifacts.region import Region

LABELS = ("A", "I")
NOTHING = np.zeros(1, np.int16)


def judged(
    target: list[int], classes: list[int], true: list[Region], predicted: list[Region]
) -> LabeledPrediction:
    return LabeledPrediction(np.array(target, np.int16), np.array(classes, np.int16), true, predicted)


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


def test_nothing_known_has_no_score():
    assert set(timepoint_scores(np.zeros((2, 2), np.int64)).values()) == {None}


def test_events():
    true = [Region(0, 9, "A"), Region(20, 29, "A"), Region(40, 40, "I", True), Region(60, 60, "I", True)]
    predicted = [Region(2, 9, "A"), Region(25, 40, "A"), Region(42, 42, "I", True), Region(70, 70, "I", True)]
    found = score([judged([0] * 80, [0] * 80, true, predicted)], LABELS, 0.5, 2)
    assert (found.event["true"], found.event["predicted"], found.event["matched"]) == (4, 4, 2)
    assert found.event["f1"] == 0.5
    assert found.event["boundary_error"] == pytest.approx((2 + 0 + 2 + 2) / 4)
    assert found.event["fragmentation"] == 1
    assert found.boundary == {"start_mean": 2, "start_median": 2, "end_mean": 1, "end_median": 1}
    assert found.boundary_time == {}
    assert [(c.label, c.event_f1) for c in found.classes] == [("background", None), ("A", 0.5), ("I", 0.5)]


def test_each_event_is_matched_once_and_the_best_first():
    true = [Region(0, 9, "A")]
    halves = [Region(0, 5, "A"), Region(0, 8, "A")]
    assert match(true, halves, 0.5, 0) == [(0, 1)]


def test_events_of_other_labels_are_not_taken_for_it():
    true = [Region(0, 9, "A"), Region(5, 5, "I", True)]
    assert match(true, [Region(5, 5, "A", True), Region(0, 9, "B"), Region(1, 9, "A")], 0.5, 2) == [(0, 2)]


def test_boundaries_in_time_are_each_series_own():
    fast = LabeledPrediction(
        NOTHING, NOTHING, [Region(0, 99, "A")], [Region(10, 99, "A")], sampling_rate=50.0
    )
    slow = LabeledPrediction(NOTHING, NOTHING, [Region(0, 99, "A")], [Region(0, 94, "A")], sampling_rate=10.0)
    found = score([fast, slow], LABELS, 0.5, 1)
    assert found.boundary["start_mean"] == 5 and found.boundary["end_mean"] == 2.5
    assert found.boundary_time == pytest.approx(
        {"start_mean": 0.1, "start_median": 0.1, "end_mean": 0.25, "end_median": 0.25}
    )
    assert (found.classes[1].start_error, found.classes[2].start_error) == (5, None)


def test_what_is_cut_to_pieces_and_what_is_run_together():
    true = [Region(0, 99, "A"), Region(200, 219, "A"), Region(230, 249, "A")]
    predicted = [Region(0, 39, "A"), Region(45, 99, "A"), Region(195, 255, "A"), Region(10, 12, "I")]
    found = score([judged([0], [0], true, predicted)], LABELS, 0.5, 1)
    assert (found.event["fragmented"], found.event["merged"]) == (1, 1)
    assert [(c.fragmented, c.merged) for c in found.classes] == [(0, 0), (1, 1), (0, 0)]


def test_a_neighbour_that_reaches_over_a_border_is_no_piece():
    true = [Region(0, 49, "A"), Region(52, 99, "A")]
    assert fragmented(true, [Region(0, 45, "A"), Region(46, 99, "A")]) == []


def test_many_events_are_matched_as_every_pair_would_be():
    rng = np.random.default_rng(1)
    for _ in range(20):
        true, predicted = some(rng), some(rng)
        pairs = sorted(
            (-value, i, j)
            for i, a in enumerate(true)
            for j, b in enumerate(predicted)
            if a.label == b.label and (value := overlap(a, b)) >= 0.3
        )
        taken: set[tuple[str, int]] = set()
        expected = []
        for _, i, j in pairs:
            if not taken & {("true", i), ("predicted", j)}:
                taken |= {("true", i), ("predicted", j)}
                expected.append((i, j))
        assert match(true, predicted, 0.3, 0) == expected


def some(rng: np.random.Generator) -> list[Region]:
    starts = rng.integers(0, 200, 30)
    return [Region(int(s), int(s + rng.integers(0, 30)), LABELS[int(rng.integers(2))]) for s in starts]


def test_confidence_is_held_against_what_is_right():
    classes = np.array([1, 1, 1, 1, 0], np.int16)
    target = np.array([1, 1, 1, 0, -1], np.int16)
    sure = np.array([0.95, 0.95, 0.95, 0.95, 0.2], np.float32)
    true, predicted = [Region(0, 2, "A")], [Region(0, 2, "A"), Region(20, 29, "A")]
    found = score([LabeledPrediction(target, classes, true, predicted, [0.9, 0.4], sure)], LABELS, 0.5, 1)
    assert found.calibration == pytest.approx({"timepoint": 0.95 - 0.75, "region": (0.1 + 0.4) / 2})
    assert found.bins["timepoint"][9].tolist() == pytest.approx([4, 3.8, 3])
    assert score([judged([0], [0], [], [])], LABELS, 0.5, 1).calibration == {}


def test_overlap_is_inclusive():
    assert overlap(Region(0, 9, "A"), Region(5, 14, "A")) == 5 / 15
    assert overlap(Region(0, 4, "A"), Region(5, 9, "A")) == 0


@pytest.mark.parametrize("predicted", [[], [Region(0, 0, "A")]])
def test_where_there_is_nothing_to_find_there_is_no_score(predicted: list[Region]):
    sure = np.array([0.9], np.float32)
    classes = np.array([len(predicted)], np.int16)
    found = score(
        [LabeledPrediction(NOTHING, classes, [], predicted, [0.9] * len(predicted), sure)], LABELS, 0.5, 1
    )
    assert set(found.timepoint.values()) == {None}
    counts = {"true": 0, "predicted": len(predicted), "matched": 0, "fragmented": 0, "merged": 0}
    assert {name: n for name, n in found.event.items() if n is not None} == counts
    assert found.calibration == {}
    assert {(c.recall, c.f1, c.event_f1) for c in found.classes[1:]} == {(None, None, None)}


def test_a_class_that_is_not_there_has_no_score_and_the_others_have():
    found = score([judged([0, 1, 1], [0, 1, 1], [Region(1, 2, "A")], [Region(1, 2, "A")])], LABELS, 0.5, 1)
    assert found.event["f1"] == found.timepoint["macro_f1"] == 1
    assert [c.event_f1 for c in found.classes] == [None, 1, None]
    assert [c.f1 for c in found.classes] == [1, 1, None]
