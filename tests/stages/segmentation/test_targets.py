"""Annotations to targets: who has a say, what an instant teaches, and what is counted instead of lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.segmentation.targets import common, make_targets, vote
from stages.timeseries.times import parse_time, row_to_time, time_to_row
from storage.artifacts.region import Region
from storage.label_studio.label_config import LabelConfig

CONFIG = LabelConfig("segmentation", "ts", "label", "csv", False, "time", None, ",", ("x",), ("A", "B", "I"))
TIMES = np.arange(10) * 0.5  # 0, 0.5, ... 4.5


def region(start: Any, end: Any, *labels: str, instant: bool | None = None, **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "timeserieslabels": list(labels)}
    value["instant"] = start == end if instant is None else instant
    return {
        "id": "r",
        "type": "timeserieslabels",
        "from_name": "label",
        "to_name": "ts",
        "value": value,
        **more,
    }


def record(*result: dict[str, Any], name: str = "1", at: str = "2026-01-01", who: str = "ann", **more: Any):
    return {"id": name, "annotator": who, "updated_at": at, "result": list(result), **more}


def values(*records: dict[str, Any], tolerance: int = 1) -> list[int]:
    return make_targets(records, TIMES, CONFIG, tolerance).values.tolist()


def test_ranges_are_inclusive_and_the_rest_is_background():
    assert values(record(region(0.5, 1.5, "A"), region(3, 4.5, "B"))) == [0, 1, 1, 1, 0, 0, 2, 2, 2, 2]


def test_an_instant_is_the_nearest_timepoint_and_taught_with_its_tolerance():
    found = make_targets([record(region(2.2, 2.2, "I"))], TIMES, CONFIG, 1)
    assert found.regions == (Region(4, 4, "I", instant=True),)
    assert found.values.tolist() == [0, 0, 0, 3, 3, 3, 0, 0, 0, 0]


def test_a_range_of_one_timepoint_stays_a_range():
    found = make_targets([record(region(2.1, 2.2, "A"))], TIMES, CONFIG, 1)
    assert found.regions == (Region(4, 4, "A", instant=False),)


def test_skipped_says_nothing_and_empty_says_background():
    skipped = make_targets([record(region(0, 1, "A"), was_cancelled=True)], TIMES, CONFIG, 1)
    assert skipped.values.tolist() == [-1] * 10
    assert skipped.annotations == ()
    assert skipped.left_out == {"skipped annotation": 1}
    assert values(record()) == [0] * 10


def test_a_ground_truth_wins_alone_even_when_it_is_older_or_empty():
    truth = record(at="2025-01-01", name="1", ground_truth=True)
    others = [record(region(0, 1, "A"), name=str(n), who=str(n)) for n in (2, 3)]
    assert values(truth, *others) == [0] * 10


def test_the_newest_of_each_annotator_votes():
    old = record(region(0, 4.5, "B"), name="1", at="2026-01-01")
    new = record(region(0, 1, "A"), name="2", at="2026-01-02")
    assert values(old, new) == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_tie_goes_to_the_newest():
    first = record(region(0, 1, "A"), name="1", who="ann", at="2026-01-01")
    second = record(region(0, 1, "B"), name="2", who="bob", at="2026-01-02")
    assert values(first, second) == values(second, first) == [2, 2, 2, 0, 0, 0, 0, 0, 0, 0]


def test_the_majority_decides_each_timepoint():
    ballots = [
        record(region(0, 2, "A"), name="1", who="ann", at="2026-01-01"),
        record(region(1, 3, "A"), name="2", who="bob", at="2026-01-02"),
        record(region(1, 2, "B"), name="3", who="cat", at="2026-01-03"),
    ]
    found = make_targets(ballots, TIMES, CONFIG, 1)
    assert found.values.tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
    assert found.regions == (Region(2, 4, "A"),)
    assert found.annotations == ("1", "2", "3")


def test_the_newest_alone_by_param():
    ballots = [record(region(0, 2, "A"), name=str(n), who=str(n), at=f"2026-01-0{n}") for n in (1, 2)] + [
        record(region(3, 4, "B"), name="3", who="3", at="2026-01-03")
    ]
    found = make_targets(ballots, TIMES, CONFIG, 1, "newest")
    assert found.values.tolist() == [0, 0, 0, 0, 0, 0, 2, 2, 2, 0]
    assert found.annotations == ("3",)
    truth = record(name="0", at="2025-01-01", ground_truth=True)
    assert make_targets([*ballots, truth], TIMES, CONFIG, 1, "newest").annotations == ("0",)


def test_only_what_all_agree_on_by_param():
    ballots = [
        record(region(0, 2, "A"), name="1", who="ann", at="2026-01-01"),
        record(region(1, 3, "A"), name="2", who="bob", at="2026-01-02"),
    ]
    found = make_targets(ballots, TIMES, CONFIG, 1, "agree")
    assert found.values.tolist() == [-1, -1, 1, 1, 1, -1, -1, 0, 0, 0]
    assert found.regions == (Region(2, 4, "A"),)
    assert found.notes == {"timepoint on which annotators disagree: not trained on": 4}
    alone = make_targets(ballots[:1], TIMES, CONFIG, 1, "agree")
    assert alone.values.tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert not alone.notes


def test_voted_instants_are_instants_again():
    ballots = [
        record(region(2, 2, "I"), name="1", who="ann", at="2026-01-01"),
        record(region(2, 2, "I"), name="2", who="bob", at="2026-01-02"),
        record(name="3", who="cat", at="2026-01-03"),
    ]
    assert make_targets(ballots, TIMES, CONFIG, 1).regions == (Region(4, 4, "I", instant=True),)


def test_neighbours_of_one_label_stay_two_regions():
    found = make_targets([record(region(0, 0.5, "A"), region(1, 2, "A"))], TIMES, CONFIG, 1)
    assert found.regions == (Region(0, 1, "A"), Region(2, 4, "A"))


def test_the_shorter_of_two_overlapping_regions_is_on_top():
    assert values(record(region(1, 1.5, "B"), region(0, 4, "A"))) == [1, 1, 2, 2, 1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("end", [None, "0NaN-NaN", float("nan")])
def test_a_region_without_an_end_ends_with_the_series(end: Any):
    found = make_targets([record(region(4, end, "A", instant=False))], TIMES, CONFIG, 1)
    assert found.regions == (Region(8, 9, "A"),)
    assert found.notes == {"region without an end: ends with the series": 1}


def test_a_time_in_another_form_is_left_out_and_never_taken_for_the_end():
    stamped = replace(CONFIG, time_format="%H:%M:%S")
    times = np.arange(10) * 10**9
    found = make_targets(
        [record(region("00:00:01", "2026-01-02 00:00:02", "A"), region("1.5", "00:00:02", "A"))],
        times - 70 * 365 * 86400 * 10**9,
        stamped,
        1,
    )
    assert found.regions == ()
    assert found.left_out == {
        "region whose end is not in the timeFormat '%H:%M:%S'": 1,
        "region whose start is not in the timeFormat '%H:%M:%S'": 1,
    }


def test_up_to_an_interval_outside_belongs_to_the_nearest_timepoint():
    found = make_targets([record(region(4.9, 4.9, "I"), region(-0.2, -0.1, "A"))], TIMES, CONFIG, 1)
    assert found.regions == (Region(0, 0, "A"), Region(9, 9, "I", instant=True))
    assert make_targets([record(region(5.1, 5.1, "I"))], TIMES, CONFIG, 1).regions == ()


def test_milliseconds_since_1970_are_exact():
    assert parse_time(1767225600000.000001, "%Y") == 1767225600000 * 10**6
    assert parse_time(1767225600001, "%Y") == 1767225600001 * 10**6
    assert parse_time(1767225600000.25, "%Y") == 1767225600000250000


def test_numbers_may_be_text():
    assert values(record(region("1", "1.5", "A", instant=False))) == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("value", [10**400, -(10**400), True, [1], {}, "1e999"])
@pytest.mark.parametrize("time_format", [None, "%Y-%m-%d"])
def test_what_is_no_time_is_none(value: object, time_format: str | None):
    assert parse_time(value, time_format) is None


def test_what_cannot_be_used_is_counted():
    result = [
        {"id": "x", "type": "relation", "from_id": "a", "to_id": "b"},
        {"id": "c", "type": "choices", "from_name": "quality", "value": {"choices": ["good"]}},
        region(0, 1, "Z"),
        region(0, 1),
        region(None, 1, "A"),
        region(90, 99, "A"),
        region(3, 2, "A", "B"),
    ]
    found = make_targets([record(*result)], TIMES, CONFIG, 1)
    assert found.left_out == {
        "result item that is no region of the control tag": 2,
        "region of label 'Z', which the label config lacks": 1,
        "region without a label": 1,
        "region without a start": 1,
        "region outside the recording": 1,
        "second label 'B' of a region: a timepoint has one": 1,
    }
    assert found.notes == {"region that ends before it starts: turned round": 1}
    assert found.regions == (Region(4, 6, "A"),)


def test_nearest_timepoint_to_the_nanosecond():
    start = 1767225600000000001  # as a float, it and its neighbours would be one number
    times = start + np.array([0, 10, 20], np.int64)
    assert [time_to_row(times, start + n) for n in (-5, 0, 5, 6, 14, 16, 99)] == [0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("2026-01-02 03:04:05.678901", "%Y-%m-%d %H:%M:%S.%f"),
        ("2026-01-02 03:04:05.678901234", "%Y-%m-%d %H:%M:%S.%f"),
        ("02.01.2026 03:04:05,678", "%d.%m.%Y %H:%M:%S,%L"),
        ("2026-01-02T03:04:05+0000", "%Y-%m-%dT%H:%M:%S%Z"),
        ("03:04 02-01-2026", "%H:%M %d-%m-%Y"),
        ("1767323045", "%s"),
        ("2/1/2026, 3:04:05 AM", "%-d/%-m/%Y, %-I:%M:%S %p"),
        ("12/11/2026, 12:04:05 PM", "%-d/%-m/%Y, %-I:%M:%S %p"),
        ("2026-01- 2  3:04", "%Y-%m-%e %_H:%M"),
        (" 3:04 on Jan 12, 2026", "%_H:%M on %b %d, %Y"),
        ("2026-033 100%", "%Y-%j 100%%"),
        ("Fri 02 January 26 03:04:00", "%a %d %B %y %H:%M:%S"),
        ("2026-01-02T03:04:05.678+0000", "%Y-%m-%dT%H:%M:%S.%L%Z"),
        ("1767323045678", "%Q"),
    ],
)
def test_a_time_goes_there_and_back(text: str, time_format: str):
    time = parse_time(text, time_format)
    assert isinstance(time, int)
    assert row_to_time(np.array([time]), 0, time_format) == text


@pytest.mark.parametrize(
    ("text", "time_format", "utc"),
    [
        ("2026-01-02T03:04:05+02:00", "%Y-%m-%dT%H:%M:%S%Z", "2026-01-02 01:04:05"),
        ("2026-01-02T03:04:05Z", "%Y-%m-%dT%H:%M:%S%Z", "2026-01-02 03:04:05"),
        ("2026-01-02T03:04:05-0530", "%Y-%m-%dT%H:%M:%S%Z", "2026-01-02 08:34:05"),
        ("02-1-2026", "%-d-%-m-%Y", "2026-01-02 00:00:00"),
    ],
)
def test_zones_and_unpadded_numbers_are_read(text: str, time_format: str, utc: str):
    assert parse_time(text, time_format) == int(np.datetime64(utc, "ns").astype(np.int64))


def test_numbers_come_back_as_they_were():
    assert row_to_time(np.array([0.0, 4.98]), 1, None) == 4.98


TIME = st.one_of(
    st.none(),
    st.floats(-3, 9),
    st.just(float("nan")),
    st.sampled_from(["1", "2.5", "NaN", "", "soon", [], {}]),
)
ITEM = st.builds(
    lambda start, end, labels, instant, kind, tag: {
        "type": kind,
        "from_name": tag,
        "value": {"start": start, "end": end, "instant": instant, "timeserieslabels": labels},
    },
    TIME,
    TIME,
    st.lists(st.sampled_from(["A", "B", "I", "Z"]), max_size=2, unique=True),
    st.sampled_from([True, False, None]),
    st.sampled_from(["timeserieslabels"] * 5 + ["relation"]),
    st.sampled_from(["label"] * 5 + ["other"]),
)


@given(st.lists(ITEM, max_size=6))
def test_every_item_becomes_a_region_or_is_counted(items: list[dict[str, Any]]):
    found = make_targets([record(*items)], TIMES, CONFIG, 1)
    seconds = sum(n for what, n in found.left_out.items() if what.startswith("second label"))
    twice = found.notes["region that is there twice"]
    assert len(items) == len(found.regions) + sum(found.left_out.values()) - seconds + twice
    assert set(found.values.tolist()) <= {-1, 0, 1, 2, 3}
    assert all(0 <= r.start <= r.end <= 9 and (r.start == r.end or not r.instant) for r in found.regions)


@given(st.lists(st.lists(st.sampled_from([0, 1, 2]), min_size=5, max_size=5), min_size=1, max_size=6))
def test_a_vote_is_the_most_named_and_of_those_the_newest(ballots: list[list[int]]):
    codes = [np.array(ballot, np.int16) for ballot in ballots]
    for place, elected in enumerate(vote(codes).tolist()):
        named = [ballot[place] for ballot in ballots]
        most = max(named.count(code) for code in named)
        assert elected == next(code for code in named if named.count(code) == most)
    for place, agreed in enumerate(common(codes).tolist()):
        named = {ballot[place] for ballot in ballots}
        assert agreed == (named.pop() if len(named) == 1 else -1)
