"""The label snapshot: the same labels are the same bytes, in whatever order and form they came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InputError
from storage.labels import snapshot
from storage.labels.annotation_merge import combiner
from storage.labels.snapshot import Record
from storage.labels.three_way import three_way
from storage.s3.keys import shard_name

# As Label Studio 1.23.2's target storage writes it.
OBJECT: dict[str, Any] = {
    "id": 12,
    "result": [
        {
            "id": "x1",
            "from_name": "label",
            "to_name": "ts",
            "type": "timeserieslabels",
            "origin": "manual",
            "value": {"start": 1, "end": 2.5, "instant": False, "timeserieslabels": ["GEHEN ü"]},
        },
        {"type": "relation", "from_id": "x1", "to_id": "x1", "direction": "right"},
    ],
    "created_username": " ann@example.com, 1",
    "created_ago": "0 minutes",
    "completed_by": {"id": 1, "first_name": "", "last_name": "", "email": "ann@example.com"},
    "task": {"id": 4, "data": {"csv": "s3://b/series/dir/s 3.csv"}, "total_annotations": 1},
    "was_cancelled": False,
    "ground_truth": False,
    "created_at": "2026-01-02T03:04:05.678901Z",
    "updated_at": "2026-01-02T03:04:05.678933Z",
    "draft_created_at": None,
    "lead_time": 3.2,
    "import_id": None,
    "last_action": None,
    "bulk_created": False,
    "project": 2,
    "updated_by": 1,
    "parent_prediction": None,
    "parent_annotation": 3,
    "last_created_by": None,
    "something_new": {"kept": [1, None]},
}
LINE = (
    '{"annotator":"ann@example.com","created_at":"2026-01-02T03:04:05.678901Z","ground_truth":false,'
    '"id":"12-644f02","lead_time":3.2,"parent_annotation":3,"result":[{"from_name":"label","id":"x1",'
    '"origin":"manual","to_name":"ts","type":"timeserieslabels","value":{"end":2.5,"instant":false,"start":1,'
    '"timeserieslabels":["GEHEN ü"]}},{"direction":"right","from_id":"x1","to_id":"x1","type":"relation"}],'
    '"series":"dir/s 3","something_new":{"kept":[1,null]},"updated_at":"2026-01-02T03:04:05.678933Z",'
    '"was_cancelled":false}\n'
)


def record() -> Record:
    return snapshot.canonical(OBJECT, "dir/s 3", "ann@example.com")


def test_a_record_is_the_annotation_without_what_label_studio_changes_by_itself() -> None:
    assert snapshot.dump_shard([record()]).decode() == LINE
    assert snapshot.parse_shard(LINE.encode(), "x") == [record()]
    api = {**OBJECT, "completed_by": 1, "task": 4, "created_ago": "3 days", "project": 9, "updated_by": 5}
    assert snapshot.canonical(api, "dir/s 3", "ann@example.com") == record()


def test_times_alone_make_no_change() -> None:
    later = {**OBJECT, "updated_at": "2027-01-01T00:00:00.000000Z", "lead_time": 99}
    assert snapshot.same(record(), snapshot.canonical(later, "dir/s 3", "ann@example.com"))
    for change in ({"ground_truth": True}, {"was_cancelled": True}, {"result": []}, {"something_new": 1}):
        assert not snapshot.same(
            record(), snapshot.canonical({**OBJECT, **change}, "dir/s 3", "ann@example.com")
        )
    assert not snapshot.same(record(), snapshot.canonical(OBJECT, "dir/s 3", "ben@example.com"))


def test_an_annotation_made_again_without_its_parents_is_no_change() -> None:
    accepted = snapshot.canonical({**OBJECT, "parent_prediction": 5}, "dir/s 3", "ann@example.com")
    assert accepted["parent_prediction"] == 5
    assert snapshot.same(record(), accepted)


def test_the_same_number_from_a_new_label_studio_is_another_record() -> None:
    again = {**OBJECT, "created_at": "2027-01-02T03:04:05.678901Z"}
    assert snapshot.canonical(again, "dir/s 3", "ann@example.com")["id"] != record()["id"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": None},
        {"id": "12"},
        {"id": True},
        {"id": 0},
        {"id": 2**63},
        {"id": -12},
        {"created_at": None},
        {"created_at": "yesterday"},
        {"updated_at": "2026-13-45T99:00:00Z"},
        {"was_cancelled": "no"},
        {"ground_truth": 1},
        {"result": None},
        {"result": [1]},
        {"result": [{"value": {"timeserieslabels": ["x" * 1001]}}]},
    ],
)
def test_what_is_no_annotation_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="not an annotation") as caught:
        snapshot.canonical({**OBJECT, **wrong}, "s", "a")
    assert caught.value.where == f"annotation {wrong.get('id', 12)} of series 's'"


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "00.jsonl").write_text(LINE + "{broken\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        snapshot.read(tmp_path)
    assert caught.value.where == f"{tmp_path}/00.jsonl:2"


names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
records = st.builds(
    lambda number, series, result, extra: {
        **extra,
        "id": f"{number}-abcdef",
        "series": series,
        "result": result,
        "annotator": "ann@example.com",
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-01-02T03:04:05.678901Z",
        "updated_at": "2026-01-02T03:04:05.678901Z",
    },
    st.integers(1, 10**6),
    names,
    st.lists(st.dictionaries(names, values, max_size=3), max_size=3),
    st.dictionaries(names, values, max_size=3),
)
snapshots = st.dictionaries(st.integers(1, 50), records, max_size=12).map(
    lambda found: {f"{n}-abcdef": {**r, "id": f"{n}-abcdef"} for n, r in found.items()}
)


@given(snapshots, st.randoms())
def test_order_makes_no_difference_and_reading_gives_back_what_was_written(
    found: dict[str, Record], random: Any
) -> None:
    listed = list(found.values())
    shards = snapshot.dump(listed)
    random.shuffle(listed)
    assert snapshot.dump(listed) == shards
    back = [r for name, data in shards.items() for r in snapshot.parse_shard(data, name)]
    assert snapshot.dump(back) == shards
    assert {r["id"]: r for r in back} == found


@given(snapshots, snapshots, snapshots)
def test_a_merge_is_symmetric_up_to_conflicts_and_loses_nothing(
    base: dict[str, Record], ours: dict[str, Record], theirs: dict[str, Record]
) -> None:
    one, other = (
        three_way(*sides, snapshot.same, combiner()) for sides in ((base, ours, theirs), (base, theirs, ours))
    )
    assert [c.name for c in one.conflicts] == [c.name for c in other.conflicts]
    settled = {c.name.partition("/")[0].partition(".")[0] for c in one.conflicts}
    for name in (base.keys() | ours.keys() | theirs.keys()) - settled:
        assert json.dumps(one.merged.get(name), sort_keys=True) == json.dumps(
            other.merged.get(name), sort_keys=True
        )
        if name in ours and name not in base:
            assert name in one.merged
        if name in theirs and name not in base:
            assert name in one.merged


def test_other_shards_are_left_alone(tmp_path: Path) -> None:
    first = [record(), {**record(), "series": "other", "id": "13-aaaaaa"}]
    snapshot.write(tmp_path, snapshot.dump(first))
    (tmp_path / "ab.jsonl.part").write_text("left over", encoding="utf-8")
    same, other = (tmp_path / shard_name(r["series"]) for r in first)
    kept = same.stat().st_mtime_ns
    changed = snapshot.dump_shard([{**first[1], "ground_truth": True}])
    snapshot.write(tmp_path, {other.name: changed})
    assert (other.read_bytes(), same.stat().st_mtime_ns) == (changed, kept)
    snapshot.write(tmp_path, {other.name: b""})
    assert [path.name for path in tmp_path.iterdir()] == [same.name]


@given(snapshots, snapshots, st.sets(st.integers(1, 50)))
def test_editing_a_shard_is_writing_it_anew(
    found: dict[str, Record], changed: dict[str, Record], gone: set[int]
) -> None:
    changes = {**changed, **{f"{n}-abcdef": None for n in gone}}
    data = snapshot.dump_shard(found.values())
    assert snapshot.find(data, changes) == {name: r for name, r in found.items() if name in changes}
    wanted = {name: r for name, r in {**found, **changes}.items() if r is not None}
    edited = snapshot.edit(data, changes)
    assert edited == snapshot.dump_shard(wanted.values())
    assert {name: sides for name, *sides in snapshot.difference(data, edited)} == {
        name: [found.get(name), wanted.get(name)]
        for name in found.keys() | wanted.keys()
        if found.get(name) != wanted.get(name)
    }


@pytest.mark.parametrize(
    "text",
    ["2026-01-02\ud80003:04:05", "2026-01-02\n03:04:05", "2026-01-02\x1b03:04", "2026-01-02\u202803:04"],
)
def test_a_moment_has_no_odd_character_between_date_and_time(text: str) -> None:
    assert snapshot.parse_time(text) is None
    assert snapshot.parse_time(text[:10] + "T" + text[11:]) is not None


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b'{"id":"a"',
        b'{"id":"a"}',
        b'{"id":"7-000001","series":5}',
        b"[]",
        b"\xff",
        b"[" * 20_000,
    ],
)
def test_a_shard_that_is_none_is_refused_by_whatever_reads_it(line: bytes) -> None:
    good = snapshot.dump_shard([_record(7, "one"), _record(8, "one")])
    bad = line + b"\n"
    for read in (
        lambda: list(snapshot.difference(good, bad)),
        lambda: list(snapshot.difference(bad, good)),
        lambda: list(snapshot.difference(good + bad, good)),
        lambda: snapshot.edit(bad, {"9-000009": _record(9, "one")}),
        lambda: snapshot.find(good[:-1], ["8-000008"]),
        lambda: snapshot.edit(good[:-1], {"9-000009": _record(9, "one")}),
    ):
        with pytest.raises(InputError, match="not a label record"):
            read()


def test_two_records_of_one_id_are_refused() -> None:
    first = _record(7, "one")
    twice = snapshot.dump_shard([first, first | {"was_cancelled": True}])
    with pytest.raises(InputError, match="two records have the id 7-000007"):
        snapshot.parse_shard(twice, "data/labels/ab.jsonl")
    with pytest.raises(InputError, match="two records have the id 7-000007"):
        list(snapshot.difference(b"", twice))


def _record(number: int, series: str) -> snapshot.Record:
    fields = {"id": f"{number}-{number:06d}", "series": series, "annotator": "a@x", "result": []}
    times = dict.fromkeys(("created_at", "updated_at"), "2026-01-02T03:04:05.000001Z")
    return {**fields, **times, "was_cancelled": False, "ground_truth": False}
