"""Scores that mean something."""

from __future__ import annotations

import numpy as np
import pytest

from stages.timeseries.calibration import bins, expected_error
from stages.timeseries.confidence import Confidence


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
