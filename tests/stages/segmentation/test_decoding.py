"""Probabilities to regions, windows, and what follows from the lengths of regions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.segmentation.decoding import EVIDENCE, ORDER, Decoder, drop_short, tune_decoder
from stages.segmentation.hsmm import Grammar, moving_mean
from stages.timeseries import windows
from stages.timeseries.runs import code_runs, paint, runs
from storage.artifacts.region import Region

USUAL = Grammar.fit([np.repeat(np.array([0, 1, 2, 0, 3, 0], np.int16), (40, 40, 40, 40, 7, 40))] * 3, 4, 4)
PLAIN = Decoder(4, ("A", "B", "I"), ("I",), 3, (0, 40, 40, 7), USUAL, evidence=0.0, smoothing=1, fraction=0.5)
SEGMENTS = Decoder(4, ("A", "B", "I"), ("I",), 3, (0, 40, 40, 7), USUAL)


def certain(classes: list[int], sure: float = 0.9) -> np.ndarray:
    rest = (1 - sure) / 3
    return np.array([[sure if k == c else rest for k in range(4)] for c in classes], np.float32)


def never(probabilities: np.ndarray, code: int) -> np.ndarray:
    """The same with probability 0 of one class."""
    held = probabilities.copy()
    held[:, code] = 0
    return held


def found(classes: list[int], rows: int | None = None, decoder: Decoder = PLAIN) -> list[Region]:
    return [region for region, _ in decoder.decode(certain(classes), rows or 4 * len(classes))]


def test_regions_cover_their_steps():
    assert found([0] * 5 + [1] * 10 + [2] * 10) == [Region(20, 59, "A"), Region(60, 99, "B")]


def test_background_alone_is_no_region():
    assert found([0] * 9) == []


def test_a_blip_is_no_region_and_a_dip_does_not_split_one():
    assert found([0] * 9 + [2] + [0] * 9) == []
    assert found([1] * 10 + [2] + [1] * 10) == [Region(0, 83, "A")]


def test_an_instant_is_one_timepoint_in_the_middle_of_its_probability():
    assert found([0] * 5 + [3, 3, 3] + [0] * 5) == [Region(26, 26, "I", instant=True)]


def test_an_instant_without_any_chance_has_a_place_all_the_same():
    always = np.concatenate([np.repeat(k, n) for k, n in ((1, 80), (3, 8), (2, 80))]).astype(np.int16)
    decoder = replace(SEGMENTS, grammar=Grammar.fit([always] * 50, 4, 4), evidence=0.05)
    classes = decoder.decode(never(certain([1] * 20 + [0] * 2 + [2] * 20), 3), 168)
    assert [(r.label, r.instant) for r, _ in classes] == [("A", False), ("I", True), ("B", False)]
    assert 80 <= classes[1][0].start < 88


def test_an_instant_inside_a_range_does_not_end_it():
    assert found([1] * 10 + [3, 3] + [1] * 10) == [Region(0, 87, "A"), Region(44, 44, "I", instant=True)]


def test_the_tail_is_cut_to_the_recording():
    assert found([1] * 10, rows=38) == [Region(0, 37, "A")]


def test_a_boundary_lies_where_two_classes_are_equally_likely():
    likely = certain([1] * 10 + [2] * 10)
    likely[10] = [0.02, 0.44, 0.52, 0.02]
    regions = [region for region, _ in PLAIN.decode(likely, 80)]
    assert regions[0].end + 1 == regions[1].start
    assert 40 < regions[1].start <= 42


def test_the_score_is_the_mean_probability():
    assert PLAIN.decode(certain([1] * 12, 0.7), 48)[0][1] == pytest.approx(0.7)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 3), st.integers(0, 5))
def test_regions_never_leave_the_recording_nor_overlap(classes: list[int], cut: int, least: int):
    rows = 4 * len(classes) - cut
    smooth = Decoder(4, ("A", "B", "I"), ("I",), 3, (least * 4,) * 4, USUAL, 0.0, 0.0, 3, 0.7)
    regions = found(classes, rows, smooth if least else SEGMENTS)
    assert all(0 <= r.start <= r.end < rows for r in regions)
    ranges = [r for r in regions if not r.instant]
    assert all(a.end < b.start for a, b in pairwise(ranges))
    assert all(r.start == r.end for r in regions if r.instant)


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=50), st.lists(st.floats(0, 6), min_size=3, max_size=3)
)
def test_no_stretch_stays_too_short_unless_it_is_alone(classes: list[int], least: list[float]):
    likely = np.random.default_rng(0).random((len(classes), 3)).astype(np.float32)
    out = drop_short(np.array(classes), likely, np.array(least))
    starts, ends, codes = runs(out)
    assert len(codes) == 1 or all(e - s + 1 >= least[c] for s, e, c in zip(starts, ends, codes, strict=True))


def test_the_moving_mean_takes_what_is_there_at_the_ends():
    values = np.array([[0.0], [3.0], [6.0]], np.float32)
    assert moving_mean(values, 3)[:, 0].tolist() == [1.5, 3.0, 4.5]


def test_painted_instants_are_found_again():
    regions = [Region(0, 3, "A"), Region(10, 10, "I", True), Region(19, 19, "I", True)]
    codes = paint(regions, 20, ("A", "B", "I"), 2)
    assert codes.tolist() == [1] * 4 + [0] * 4 + [6] * 5 + [0] * 4 + [6] * 3
    assert code_runs(codes, ("A", "B", "I"), 2) == regions


def test_windows_cover_the_tail_and_never_leave_the_series():
    assert windows.starts(10, 4, 4) == [0, 4, 6]
    assert windows.starts(8, 4, 4) == [0, 4]
    assert windows.starts(3, 4, 4) == [0]


@given(st.integers(1, 200), st.integers(1, 50), st.integers(1, 50))
def test_every_timepoint_is_in_a_window(rows: int, size: int, stride: int):
    starts = windows.starts(rows, size, min(stride, size))
    covered = {t for s in starts for t in range(s, s + size)}
    assert set(range(rows)) <= covered
    assert rows < size or max(starts) + size == rows


@pytest.mark.parametrize(
    ("lengths", "step"),
    [({"A": [150, 160], "B": [900]}, 16), ({"I": [21], "A": [900] * 99}, 4), ({"A": [3]}, 1), ({}, 16)],
)
def test_the_step_follows_from_the_shortest_label(lengths: windows.Lengths, step: int):
    assert windows.choose_step(lengths) == step


def test_a_window_is_never_longer_than_the_longest_series():
    assert windows.choose_size({"A": [2, 3]}, 3) == 3
    assert windows.choose_size({"A": [150], "B": [1200]}, 10_000) == 4096


def test_widths_are_odd_and_follow_the_regions():
    assert windows.choose_widths({"A": [132] * 2, "B": [627] * 10}) == (1, 5, 25)
    assert windows.choose_widths({"A": [1]}) == windows.choose_widths({}) == (1,)


def test_another_way_than_the_usual_one_has_to_be_better_by_more_than_luck():
    usual = np.repeat(np.tile([0, 1, 0, 2], 5), 20).astype(np.int16)
    grammar = Grammar.fit([usual], 3, 1)
    decoder = Decoder(1, ("A", "B"), (), 0, (20.0, 20.0, 20.0), grammar)
    # Two regions shorter than the grammar thinks they can be, among regions as it knows them.
    target = np.concatenate([np.repeat([0, 1] * 2, 4), usual]).astype(np.int16)
    probabilities = (np.eye(3, dtype=np.float32) * 0.4 + 0.2)[target]
    true = tuple(code_runs(target, ("A", "B"), 0))
    answer = (probabilities, target, true, None)
    few, _ = tune_decoder(decoder, [answer], 0.5, 0)
    many, found = tune_decoder(decoder, [answer] * 100, 0.5, 0)
    assert (few.evidence, few.order) == (EVIDENCE[0], ORDER[0])
    assert (many.evidence, many.order) != (EVIDENCE[0], ORDER[0])
    assert found > 0.9
