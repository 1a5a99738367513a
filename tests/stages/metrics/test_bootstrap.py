"""How far a score may lie off: the intervals hold what they say, and are drawn from what is independent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stages.metrics.bootstrap import intervals, unit
from stages.metrics.segmentation import Tally, total

LABELS = ("a", "b")


def series(right: int, wrong: int, found: int = 5, true: int = 10) -> Tally:
    """A series with `right` and `wrong` timepoints in each class, and events of the first label."""
    confusion = np.full((3, 3), wrong // 2) + np.diag(np.full(3, right - wrong // 2))
    events = np.array([[0] * 5, [true, true, found, 0, 0], [0] * 5])
    none = np.zeros((10, 3))
    return Tally(confusion, events, np.zeros((0, 3), np.int64), None, none, none)


def test_the_same_series_give_the_same_interval() -> None:
    some = [series(90 - i, 10 + i) for i in range(8)]
    groups = [f"p{i}" for i in range(8)]
    assert intervals(some, groups) == intervals(some, groups)


def test_where_all_series_are_alike_nothing_is_left_to_chance() -> None:
    found = intervals([series(90, 10)] * 6, list("abcdef"))
    assert found["balanced_accuracy"] == pytest.approx((0.9, 0.9))
    assert found["event_f1"] == pytest.approx((0.5, 0.5))
    assert found["event_macro_f1"] == pytest.approx((0.5, 0.5))


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    """100 series of which each has all or none of 1 event: 1.96 standard errors of a share of one half."""
    some = [series(9, 1, found=i % 2, true=1) for i in range(100)]
    low, high = intervals(some, [str(i) for i in range(100)])["event_f1"]
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05), abs=0.015)


def test_people_are_drawn_whole() -> None:
    """Ten series of one person say no more than one where they are alike."""
    people = [series(9, 1, found=i % 2, true=1) for i in range(6)]
    often = [one for one in people for _ in range(10)]
    groups = [f"p{i}" for i in range(6) for _ in range(10)]
    assert intervals(often, groups)["event_f1"] == intervals(people, groups[::10])["event_f1"]
    low, high = intervals(often, [str(i) for i in range(60)])["event_f1"]
    assert high - low < 0.3 < np.subtract(*intervals(often, groups)["event_f1"][::-1])


def test_too_few_people_to_draw_from() -> None:
    assert unit(["a", "a", "b", "c", "d"]) == "series"
    assert unit(["a", "b", "c", "d", "e"]) == "group"


def test_one_series_says_nothing_about_others() -> None:
    assert intervals([series(9, 1)], ["a"]) == {}


def test_a_class_that_a_draw_lacks_is_left_out_of_its_mean() -> None:
    both, first = np.diag([0, 4, 4]), np.diag([0, 4, 0])
    tallies = [replace(series(1, 0), confusion=confusion) for confusion in (both, first)]
    assert intervals(tallies, ["a", "b"])["worst_f1"] == (1, 1)


def test_the_interval_surrounds_the_score() -> None:
    rng = np.random.default_rng(0)
    labels = tuple(map(str, range(20)))
    counts = [(rng.integers(0, 100, (21, 21)), rng.integers(0, 5, (21, 5))) for _ in range(300)]
    some = [replace(series(1, 0), confusion=confusion, events=events) for confusion, events in counts]
    found, scores = intervals(some, [str(i) for i in range(300)]), total(some, labels)
    for name in ("balanced_accuracy", "macro_f1"):
        assert found[name][0] < scores.timepoint[name] < found[name][1]
    assert found["event_f1"][0] < scores.event["f1"] < found["event_f1"][1]
