"""Whole segments: the best sequence of them, what is usual, and how free the order is."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.segmentation import hsmm
from stages.segmentation.hsmm import Grammar, order_entropy, segment
from stages.timeseries.runs import runs


def targets(pairs: list[tuple[int, int]]) -> np.ndarray:
    """Classes and how many timepoints each lasts."""
    return np.concatenate([np.full(n, k, np.int16) for k, n in pairs])


USUAL = Grammar.fit([targets([(0, 40), (1, 40), (2, 8), (1, 40), (0, 40)])] * 3, 3, 4)


def worth(classes: list[int], likely: np.ndarray, evidence: float, order: float) -> float:
    """What the model says of one sequence of segments, by its definition."""
    starts, ends, codes = runs(np.array(classes))
    total = evidence * np.log(np.maximum(likely[np.arange(len(classes)), classes], 1e-9)).sum()
    places, rows = np.arange(len(codes)), ends - starts + 1
    inside, cut_off = (USUAL.lengths(rows, cut)[places, codes] for cut in (False, True))
    total += sum(np.where((starts == 0) | (ends == len(classes) - 1), cut_off, inside))
    total += order * (USUAL.first[codes[0]] + USUAL.last[codes[-1]])
    return float(total + order * sum(USUAL.follows[a][b] for a, b in pairwise(codes)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 1.0]), st.sampled_from([0.0, 1.0]))
def test_no_sequence_is_better(seed: int, evidence: float, order: float) -> None:
    likely = np.random.default_rng(seed).dirichlet([0.4] * 3, 6).astype(np.float32)
    found = segment(likely, USUAL, evidence, order).tolist()
    allowed = {int(cut) for cut in hsmm._candidates(likely)}
    best = max(
        worth(list(classes), likely, evidence, order)
        for classes in product(range(3), repeat=6)
        if {i for i in range(1, 6) if classes[i] != classes[i - 1]} <= allowed
    )
    assert worth(found, likely, evidence, order) == pytest.approx(best, abs=1e-5)


def test_a_dip_does_not_split_a_segment_and_a_long_one_is_kept() -> None:
    likely = np.full((60, 3), 0.05, np.float32)
    likely[:, 1] = 0.9
    likely[30] = [0.5, 0.45, 0.05]
    assert set(segment(likely, USUAL, 0.3, 1.0).tolist()) == {1}


def test_a_segment_may_be_longer_than_what_is_looked_back_on() -> None:
    usual = Grammar.fit([targets([(0, 400), (1, 16_000), (2, 400)])] * 3, 3, 4)
    likely = np.random.default_rng(0).dirichlet([1.0, 3.0, 1.0], 4000).astype(np.float32)
    assert len(hsmm._candidates(likely)) > 2 * hsmm.REACH
    assert (segment(likely, usual, 0.3, 1.0) == 1).mean() > 0.98


def test_what_the_recording_cuts_off_may_be_short() -> None:
    likely = np.full((12, 3), 0.05, np.float32)
    likely[:2, 0] = likely[2:, 1] = 0.9
    assert segment(likely, USUAL, 0.3, 1.0).tolist() == [0] * 2 + [1] * 10


def test_a_class_that_nobody_saw_is_unlikely_and_not_impossible() -> None:
    usual = Grammar.fit([targets([(1, 40), (0, 40)])], 3, 4)
    likely = np.full((30, 3), 0.001, np.float32)
    likely[:, 2] = 0.998
    assert set(segment(likely, usual, 1.0, 1.0).tolist()) == {2}


def test_what_is_unknown_is_no_segment() -> None:
    usual = Grammar.fit([targets([(1, 40), (-1, 40), (2, 40)])], 3, 4)
    assert np.exp(usual.follows[1][2]) == pytest.approx(1 / 3)
    assert Grammar.fit([targets([(-1, 9)])], 3, 4).centre == (2.302585,) * 3


def test_a_protocol_is_not_free_and_chance_is() -> None:
    assert order_entropy(["abcd" * 4] * 5) < 0.1
    rng = np.random.default_rng(0)
    assert order_entropy(rng.choice(list("abc"), 40).tolist() for _ in range(20)) > 0.95
    assert order_entropy(["a", ""]) == 1.0


@pytest.mark.parametrize("steps", [1, 6, 7, 8, 200])
def test_a_long_recording_is_taken_in_parts_with_the_same_result(steps: int, monkeypatch: pytest.MonkeyPatch):
    sure = np.repeat(np.random.default_rng(3).dirichlet([0.3] * 3, 20), 10, 0)[:steps].astype(np.float32)
    whole = segment(sure, USUAL, 0.3, 1.0), hsmm.moving_mean(sure, 5)
    monkeypatch.setattr(hsmm, "BLOCK", 7)
    parts = segment(sure, USUAL, 0.3, 1.0), hsmm.moving_mean(sure, 5)
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])
