"""Recordings cut at the borders of regions and put together in random order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.models.recordings import Recording, by_group, labels_of, load, nearest
from benchmarks.models.shuffled import borders, reorder, shuffle
from storage.artifacts.region import Region


@st.composite
def labeled(draw: st.DrawFn) -> tuple[np.ndarray, list[Region]]:
    """Values that are their own row numbers, so that a row is known again, and regions anywhere on them."""
    rows = draw(st.integers(1, 60))
    regions = []
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, rows - 1))
        instant = draw(st.booleans())
        end = start if instant else draw(st.integers(start, rows - 1))
        regions.append(Region(start, end, draw(st.sampled_from("abc")), instant))
    return np.arange(rows, dtype=np.float32)[:, None], regions


@given(labeled(), st.integers(0, 2**32))
def test_every_timepoint_stays_and_every_region_keeps_its_rows(given_, seed):
    values, regions = given_
    moved, there = reorder(values, regions, seed)
    assert sorted(moved[:, 0]) == list(values[:, 0])

    def seen(values, regions):
        return Counter(
            (r.label, r.instant, values[r.start : r.end + 1, 0].tobytes(), r.rows) for r in regions
        )

    assert seen(moved, there) == seen(values, regions)
    assert there == sorted(there)


@given(labeled(), st.integers(0, 2**32))
def test_the_seed_alone_decides(given_, seed):
    values, regions = given_
    once, again = reorder(values, regions, seed), reorder(values, regions[::-1], seed)
    assert np.array_equal(once[0], again[0])
    assert once[1] == again[1]


@given(labeled())
def test_no_cut_goes_through_a_region(given_):
    values, regions = given_
    cuts = borders(regions, len(values))
    assert cuts == sorted(set(cuts))
    assert not [(c, r) for c in cuts for r in regions if r.start < c <= r.end]


def test_the_unlabeled_time_between_two_regions_is_halved():
    regions = [Region(3, 4, "a"), Region(8, 8, "b", instant=True), Region(9, 11, "a")]
    assert borders(regions, 15) == [0, 6, 9, 15]  # 0-2 and 12-14 go whole with the first and the last
    assert borders([], 15) == [0, 15]


def test_an_order_written_out():
    values = np.arange(9, dtype=np.float32)[:, None]
    regions = [Region(0, 1, "a"), Region(4, 5, "b"), Region(6, 8, "c")]
    moved, there = reorder(values, regions, 0)  # pieces 0-2, 3-5, 6-8
    assert moved[:, 0].tolist() == [6, 7, 8, 0, 1, 2, 3, 4, 5]
    assert there == [Region(0, 2, "c"), Region(3, 4, "a"), Region(7, 8, "b")]


def test_each_recording_has_its_own_order():
    regions = tuple(Region(k, k, str(k)) for k in range(20))
    values = np.zeros((20, 1), np.float32)
    one = Recording("one", "p", np.arange(20.0), values, regions)
    two = Recording("two", "p", np.arange(20.0), values, regions)
    order = shuffle(one, 1).regions
    assert order == shuffle(one, 1).regions
    assert order not in (regions, shuffle(one, 2).regions, shuffle(two, 1).regions)
    assert shuffle(one, 1).times is one.times


def test_a_folder_is_read(tmp_path: Path):
    (tmp_path / "series").mkdir()
    for key in "ba":
        (tmp_path / f"series/{key}.csv").write_text("time,x,y\n0.0,1,2\n0.1,3,4\n0.2,5,6\n")
    value = {"start": 0.08, "end": 0.2, "instant": False, "timeserieslabels": ["run"]}
    tasks = [
        {
            "data": {"csv": f"series/{key}.csv", "subject": f"p{key}"},
            "annotations": [{"result": [{"value": value}]}],
        }
        for key in "ba"
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    a, b = load(tmp_path)
    assert (a.key, a.group, b.key) == ("a", "pa", "b")
    assert a.values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert a.regions == (Region(1, 2, "run"),)
    assert labels_of([a, b]) == ["run"]
    assert [[r.key for r in test] for _, test in by_group([a, b], 2)] == [["b"], ["a"]]


def test_a_time_goes_to_the_nearest_timepoint():
    assert nearest(np.array([0.5]), 0.0) == 0
    times = np.array([0.0, 0.1, 0.2])
    assert [nearest(times, t) for t in (-1, 0.04, 0.06, 0.16, 9)] == [0, 0, 1, 2, 2]
