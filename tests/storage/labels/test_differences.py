"""What differs between two versions of an annotation, and that it is all that differs."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage.labels import diff, snapshot
from storage.labels.annotation_merge import NOT_FIELDS, item_name, items
from storage.labels.diff import Difference, DiffFilter, difference
from storage.labels.snapshot import Record
from storage.labels.three_way import changes_between
from tests.support.history_project import record


def region(**value: Any) -> dict[str, Any]:
    facts = {"start": 1, "end": 2, "instant": False, "timeserieslabels": ["walk"], **value}
    return {"id": "x1", "from_name": "label", "to_name": "ts", "type": "timeserieslabels", "value": facts}


def test_what_happened_to_a_region() -> None:
    def kinds(after: dict[str, Any]) -> list[str]:
        return diff.ItemChange("x1", region(), after).kinds

    assert kinds(region(end=3)) == ["moved"]
    assert kinds(region(timeserieslabels=["run"])) == ["relabeled"]
    assert kinds(region(start=0, timeserieslabels=["walk", "run"])) == ["moved", "relabeled"]
    assert kinds(region(instant=True)) == ["changed"]
    assert kinds(region(end=3) | {"meta": {"text": ["?"]}}) == ["moved", "changed"]
    assert diff.ItemChange("x1", None, region()).kinds == ["added"]
    assert diff.ItemChange("x1", region(), None).kinds == ["removed"]


def test_what_happened_to_an_annotation() -> None:
    before = record("one", 1, (1, 2, "walk"))
    assert difference(None, record("one", 1)).words == ["new annotation", "empty: nothing here"]
    assert difference(before, None).words == ["annotation deleted"]
    assert difference(before, before | {"was_cancelled": True}).words == ["skipped"]
    assert difference(before, before | {"result": []}).words == ["empty: nothing here"]
    assert difference(before | {"ground_truth": True}, before).words == ["no longer ground truth"]
    assert difference(before, before | {"annotator": "ben@example.com"}).words == ["annotator changed"]
    two = record("one", 1, (1, 2, "walk"), (3, 4, "run"))
    assert difference(two, two | {"result": two["result"][::-1]}).words == ["order of regions changed"]


def test_odd_items_have_no_labels_and_break_nothing() -> None:
    odd = [{"type": "relation", "from_id": "a", "to_id": "b"}, {"id": "c", "type": "choices", "value": ["x"]}]
    found = difference(record("one", 1), record("one", 1) | {"result": odd})
    assert [(item.name, item.labels, item.kinds) for item in found.items] == [
        ("a-b:relation", set(), ["added"]),
        ("c:choices", set(), ["added"]),
    ]


def test_a_series_key_is_a_pattern_and_itself() -> None:
    changes = changes_between(
        {}, {key: record(key, n) for n, key in enumerate(("a[1]", "a1", "b"), 1)}, snapshot.same
    )
    assert [d.series for d in DiffFilter(series="a[1]").differences(changes)] == ["a1", "a[1]"]
    assert [d.series for d in DiffFilter(series="a?").differences(changes)] == ["a1"]
    assert DiffFilter().is_empty
    assert not DiffFilter(label="walk").is_empty


VALUES = st.one_of(
    st.fixed_dictionaries(
        {"start": st.integers(0, 3), "end": st.integers(0, 3), "timeserieslabels": st.just(["a"])}
    ),
    st.fixed_dictionaries({"choices": st.lists(st.sampled_from("gb"), max_size=2)}),
    st.none(),
)
ITEMS = st.one_of(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from("xyz"),
            "type": st.sampled_from(["timeserieslabels", "choices"]),
            "value": VALUES,
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("relation"), "from_id": st.sampled_from("xy"), "to_id": st.just("z")}
    ),
)
RECORDS = st.builds(
    lambda number, items, **fields: record(f"series {number}", number, **fields) | {"result": items},
    st.integers(1, 6),
    st.lists(ITEMS, max_size=4),
    was_cancelled=st.booleans(),
    ground_truth=st.booleans(),
    something=st.sampled_from([None, 1, "x"]),
)
SNAPSHOTS = st.lists(RECORDS, max_size=5).map(lambda found: {r["id"]: r for r in found})


def applied(before: Record | None, found: Difference) -> Record | None:
    """The version after, made of the version before and the difference alone."""
    if found.sign == "-":
        return None
    record = {**(before or {}), **{name: new for name, (_, new) in found.fields.items()}}
    kept = {item_name(key): item for key, item in items((before or {}).get("result", [])).items()}
    kept |= {item.name: item.after for item in found.items if item.after is not None}
    gone = {item.name for item in found.items if item.after is None}
    record["result"] = [item for name, item in kept.items() if name not in gone]
    return {name: value for name, value in record.items() if value is not None}


def whole(record: Record) -> tuple[dict[str, Any], dict[tuple[str, ...], Any]]:
    """A record without times and parents, its items by name."""
    return {k: record[k] for k in record.keys() - NOT_FIELDS}, items(record["result"])


@given(SNAPSHOTS, SNAPSHOTS)
def test_a_diff_applied_forwards_gives_the_after_side(
    before: dict[str, Record], after: dict[str, Record]
) -> None:
    result = dict(before)
    for found in DiffFilter().differences(changes_between(before, after, snapshot.same)):
        record = applied(before.get(found.id), found)
        if record is None:
            del result[found.id]
        else:
            result[found.id] = record
    assert {name: whole(r) for name, r in result.items()} == {name: whole(r) for name, r in after.items()}
