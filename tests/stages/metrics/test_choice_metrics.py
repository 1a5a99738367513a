"""Scores of answers about whole series, against hand-worked examples and brute force."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from stages.metrics import classification, roc_curves
from stages.metrics.classification import LabeledPredictions
from storage.label_studio.label_config import Task


def answers(task: Task, truth: ArrayLike, probabilities: ArrayLike) -> LabeledPredictions:
    """A model that says the likeliest, or of independent classes all over a half."""
    p, true = np.asarray(probabilities, np.float32), np.asarray(truth, np.bool_)
    alone = task == "multilabel" or p.shape[1] == 1
    said = p >= 0.5 if alone else np.arange(p.shape[1]) == p.argmax(1)[:, None]
    return LabeledPredictions(task, tuple("abcdefg"[: p.shape[1]]), true, said, p)


def one_of(classes: list[int], k: int) -> NDArray[np.bool_]:
    return np.asarray(np.arange(k) == np.array(classes)[:, None])


THREE = answers(
    "multiclass",
    one_of([0, 0, 1, 1, 2], 3),
    [[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.5, 0.3, 0.2]],
)
TWO = answers(
    "binary", one_of([0, 0, 0, 1, 1], 2), [[0.95, 0.05], [0.6, 0.4], [0.2, 0.8], [0.6, 0.4], [0.05, 0.95]]
)
MANY = answers(
    "multilabel",
    [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]],
    [[0.9, 0.2, 0.1], [0.8, 0.3, 0.1], [0.6, 0.1, 0.1], [0.1, 0.7, 0.2]],
)


def test_one_among_many_by_hand() -> None:
    """Said: a b b b a. a: 1 of 2 found, 2 said; b: 2 of 2, 3 said; c: 0 of 1, none said."""
    found = classification.score(THREE)
    assert found.confusion.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert [(c.precision, c.recall, c.series, c.predicted) for c in found.classes] == [
        (1 / 2, 1 / 2, 2, 2),
        (2 / 3, 1, 2, 3),
        (0, 0, 1, 0),
    ]
    assert [c.f1 for c in found.classes] == pytest.approx([0.5, 0.8, 0])
    assert found.series["count"] == 5
    assert found.series["accuracy"] == pytest.approx(0.6)
    assert found.series["balanced_accuracy"] == pytest.approx(0.5)
    assert found.series["macro_f1"] == pytest.approx(1.3 / 3)
    assert found.series["worst_f1"] == 0
    losses = [-math.log(p) for p in (0.7, 0.3, 0.8, 0.5, 0.2)]
    assert found.series["log_loss"] == pytest.approx(sum(losses) / 5, abs=1e-6)


def test_of_two_classes_the_curves_are_of_the_second() -> None:
    """Probabilities of b: .95 yes, .8 no, .4 yes and no, .05 no. Of six pairs 4 are in order and one is even."""
    found = classification.score(TWO)
    assert found.series["roc_auc"] == pytest.approx(4.5 / 6)
    # .95: recall 1/2 at precision 1; .4: the other half at 2 of 4.
    assert found.series["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 0.5)
    assert found.classes[1].average_precision == found.series["average_precision"]
    assert found.series["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert roc_curves.roc_points(TWO.truth[:, 1], TWO.probabilities[:, 1]) == (
        (0, 0), (0, 0.5), (0.3333, 0.5), (0.6667, 1), (1, 1),
    )  # fmt: skip
    assert roc_curves.precision_points(TWO.truth[:, 1], TWO.probabilities[:, 1]) == (
        (0.5, 1), (0.5, 0.5), (1, 0.5), (1, 0.4),
    )  # fmt: skip


def test_several_at_a_time_by_hand() -> None:
    """Said: a / a / a / b. a: 2 of 2 found, 3 said; b: 1 of 2, 1 said; c is never true and never said."""
    found = classification.score(MANY)
    assert found.series["accuracy"] == pytest.approx(2 / 4)  # the first and the last
    assert found.confusion.tolist() == [[[1, 1], [0, 2]], [[2, 0], [1, 1]], [[4, 0], [0, 0]]]
    assert found.series["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert found.series["worst_f1"] == pytest.approx(2 / 3)
    assert found.series["balanced_accuracy"] == pytest.approx(((1 + 1 / 2) / 2 + (1 / 2 + 1) / 2 + 1) / 3)
    assert (found.classes[2].roc_auc, found.classes[2].average_precision) == (None, None)
    assert found.series["roc_auc"] == pytest.approx((1 + 1) / 2)
    first = -(math.log(0.9) + math.log(0.8) + math.log(0.9)) / 3
    alone = answers("multilabel", [[1, 0, 0]], [[0.9, 0.2, 0.1]])
    assert classification.score(alone).series["log_loss"] == pytest.approx(first, abs=1e-6)
    assert classification.score(alone).series["roc_auc"] is None


def test_how_sure_and_how_often_right() -> None:
    assert TWO.confidence == pytest.approx([0.95, 0.6, 0.8, 0.6, 0.95])
    assert TWO.right.tolist() == [True, True, False, False, True]
    # .95: 2 of 2 right; .8: 0 of 1; .6: 1 of 2.
    assert classification.score(TWO).calibration == pytest.approx((0.1 + 0.8 + 0.2) / 5)
    # Of several answers each is one; all of them together are as sure as their product.
    assert MANY.confidence[0] == pytest.approx(0.9 * 0.8 * 0.9)
    assert classification.score(MANY).bins[:, 0].sum() == 12


def test_a_single_class_is_a_question_of_yes_or_no() -> None:
    one = answers("multiclass", [[1], [0], [1]], [[0.9], [0.2], [0.4]])
    found = classification.score(one)
    assert found.confusion.tolist() == [[[1, 0], [1, 1]]]
    assert found.series["accuracy"] == pytest.approx(2 / 3)
    assert found.series["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    assert found.series["roc_auc"] == 1


def test_a_chance_of_nothing_has_a_finite_loss() -> None:
    sure = answers("binary", one_of([0], 2), [[0.0, 1.0]])
    assert classification.score(sure).series["log_loss"] == pytest.approx(-math.log(2**-23))


@pytest.mark.parametrize("seed", range(20))
def test_areas_are_those_of_all_pairs(seed: int) -> None:
    """The area under ROC is the share of pairs in order; average precision the mean over right ones, one by one."""
    rng = np.random.default_rng(seed)
    truth, probabilities = rng.random(30) < 0.3, rng.integers(0, 8, 30) / 8
    truth[:2] = True, False
    yes, no = probabilities[truth], probabilities[~truth]
    pairs = [float(a > b) + 0.5 * float(a == b) for a, b in product(yes, no)]
    precise = [(truth & (probabilities >= p)).sum() / (probabilities >= p).sum() for p in yes]
    taken = roc_curves.steps(truth, probabilities, np.ones((1, 30)))
    assert roc_curves.roc_areas(taken)[0] == pytest.approx(np.mean(pairs))
    assert roc_curves.average_precisions(taken)[0] == pytest.approx(np.mean(precise))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_a_weight_is_as_often_as_that(task: Task) -> None:
    """A draw that takes series twice or not at all scores as the series that it took."""
    rng = np.random.default_rng(1)
    k = 2 if task == "binary" else 3
    truth = rng.random((40, k)) < 0.4 if task == "multilabel" else one_of(list(rng.integers(0, k, 40)), k)
    every = answers(task, truth, rng.random((40, k)))
    taken = rng.integers(0, 40, 40)
    some = every.take(list(taken))
    drawn = classification._means(every, np.bincount(taken, minlength=40)[None].astype(np.float64))
    again = classification.score(some).series
    assert {name: float(v[0]) for name, v in drawn.items()} == pytest.approx(
        {name: v for name, v in again.items() if name != "count"}
    )


def test_intervals_hold_the_score_and_are_drawn_by_group() -> None:
    rng = np.random.default_rng(2)
    truth = one_of(list(rng.integers(0, 2, 60)), 2)
    some = answers("binary", truth, 0.6 * truth + rng.random((60, 2)))
    groups = [f"p{i % 6}" for i in range(60)]
    found, scores = classification.intervals(some, groups), classification.score(some).series
    assert set(found) == set(scores) - {"count"}
    assert all(low <= scores[name] <= high for name, (low, high) in found.items() if name != "worst_f1")
    assert found == classification.intervals(some, groups)
    assert found != classification.intervals(some, [str(i) for i in range(60)])
    assert classification.intervals(answers("binary", one_of([0], 2), [[1, 0]]), ["a"]) == {}


def test_the_interval_of_a_share_is_as_wide_as_theory_says() -> None:
    some = answers("binary", one_of([0, 1] * 50, 2), [[0.9, 0.1]] * 100)
    low, high = classification.intervals(some, [str(i) for i in range(100)])["accuracy"]
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05), abs=0.015)


def test_curves_are_short_and_keep_their_ends() -> None:
    rng = np.random.default_rng(3)
    truth, probabilities = rng.random(5000) < 0.5, rng.random(5000)
    for points in (
        roc_curves.roc_points(truth, probabilities),
        roc_curves.precision_points(truth, probabilities),
    ):
        assert len(points) == roc_curves.POINTS
    roc = roc_curves.roc_points(truth, probabilities)
    assert (roc[0], roc[-1]) == ((0, 0), (1, 1))
    assert roc_curves.roc_points(truth, truth.astype(float)) == ((0, 0), (0, 1), (1, 1))
    assert roc_curves.roc_points(np.ones(3, np.bool_), probabilities[:3]) == ()
    assert roc_curves.precision_points(np.zeros(3, np.bool_), probabilities[:3]) == ()
