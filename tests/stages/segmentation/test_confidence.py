"""Scores that mean something."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics.calibration import bins, expected_error
from stages.segmentation.calibration import Confidence


def test_without_answers_nothing_changes() -> None:
    found = Confidence().fit_steps([]).fit_regions([], [])
    assert found == Confidence()
    assert found.region(0.7) == pytest.approx(0.7)


def test_a_network_that_is_too_sure_is_held_back() -> None:
    rng = np.random.default_rng(0)
    true = rng.dirichlet([0.7] * 3, 4000)
    classes = np.array([rng.choice(3, p=row) for row in true])
    sure = true**3 / (true**3).sum(1, keepdims=True)
    found = Confidence().fit_steps([(sure, classes)])
    assert 2.5 < found.temperature < 3.5
    decided = sure.argmax(1)
    right = decided == classes
    before = expected_error(bins(sure[np.arange(4000), decided], right))
    after = expected_error(bins(found.steps(sure, decided), right))
    assert before is not None
    assert after is not None
    assert after < before / 3


def test_scores_of_regions_are_how_often_they_are_there() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.3, 0.99, 400)
    there = rng.random(400) < scores**3
    found = Confidence().fit_regions(scores.tolist(), there.tolist())
    assert found.region(0.6) == pytest.approx(0.6**3, abs=0.08)
    assert found.region(0.9) == pytest.approx(0.9**3, abs=0.08)
    assert found.region(0.9) > found.region(0.6)


def test_few_regions_that_were_all_right_do_not_make_certainty() -> None:
    found = Confidence().fit_regions([0.8, 0.9], [True, True])
    assert 0.7 < found.region(0.8) < 0.99


@pytest.mark.parametrize(("score", "regions"), [(0.9, 5), (0.97, 20), (0.9999, 1000)])
def test_regions_that_were_sure_and_wrong_turn_no_score_round(score: float, regions: int) -> None:
    found = Confidence().fit_regions([score] * regions, [False] * regions)
    assert found.slope == 0
    assert found.region(0.2) == found.region(score) < 0.4


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40), st.integers(1, 50))
def test_a_surer_region_is_never_the_less_likely(answers: list[tuple[float, bool]], times: int) -> None:
    scores, there = [score for score, _ in answers] * times, [right for _, right in answers] * times
    found = Confidence().fit_regions(scores, there)
    probabilities = [found.region(score) for score in (0.0, 0.2, 0.5, 0.9, 1.0)]
    assert probabilities[0] >= 0
    assert probabilities == sorted(probabilities)
    assert probabilities[-1] <= 1
    if scores and all(0.02 < score < 0.98 for score in scores) and 0 < sum(there) < len(there):
        mean = sum(found.region(score) for score in scores) / len(scores)
        assert mean == pytest.approx(sum(there) / len(there), abs=4 * (1 + abs(found.offset)) / len(scores))
