"""Two people's changes of one annotation come together by region; what both changed differently is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.labels.annotation_merge import items, merge_records, region_ids
from storage.labels.snapshot import Record, same
from storage.labels.three_way import OPEN, Conflict, Settlement

Item = dict[str, Any]
OURS, THEIRS = Settlement("ours"), Settlement("theirs")


def region(name: str, start: float = 1, label: str = "walk", **more: Any) -> Item:
    value = {"start": start, "end": start + 1, "instant": False, "timeserieslabels": [label]}
    return {
        "id": name, "from_name": "label", "to_name": "ts", "type": "timeserieslabels", "value": value, **more
    }  # fmt: skip


def choice(name: str, word: str, control: str = "quality") -> Item:
    return {
        "id": name, "from_name": control, "to_name": "ts", "type": "choices", "value": {"choices": [word]}
    }  # fmt: skip


def text(name: str, *words: str) -> Item:
    return {
        "id": name, "from_name": "note", "to_name": "ts", "type": "textarea", "value": {"text": list(words)}
    }  # fmt: skip


def relation(start: str, end: str, *labels: str) -> Item:
    return {
        "type": "relation", "from_id": start, "to_id": end, "direction": "right", "labels": list(labels)
    }  # fmt: skip


def record(*result: Item, **fields: Any) -> Record:
    facts = {
        "id": "7-abcdef", "series": "one", "annotator": "ann@example.com", "was_cancelled": False,
        "ground_truth": False, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return facts | {"result": list(result)} | fields


def merged(base: list[Item], ours: list[Item], theirs: list[Item]) -> tuple[list[Item], list[str]]:
    """The merged items and the names of the conflicts, the same with the sides swapped."""
    found, conflicts = merge_records(record(*base), record(*ours), record(*theirs))
    swapped, again = merge_records(record(*base), record(*theirs), record(*ours))
    assert found is not None
    assert swapped is not None
    names = [conflict.name for conflict in conflicts]
    assert names == [conflict.name for conflict in again]
    assert names or found == swapped
    return found["result"], names


A, B, C = region("a"), region("b", 3), region("c", 5)
A2, A3, B2 = region("a", 1.5), region("a", 1.7, "run"), region("b", 3.5)
WORD, WORDS, MAYBE = (choice("q", word) for word in ("good", "bad", "maybe"))
AGAIN, ANEW = (
    choice("r", "good"),
    choice("r", "maybe"),
)  # taken back in Label Studio, and chosen again or otherwise


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "result", "conflicts"),
    [
        pytest.param([A, B], [A2, B], [A, B2], [A2, B2], [], id="another region on each side"),
        pytest.param([A, B], [A2, B], [A2, B2], [A2, B2], [], id="the same move on both"),
        pytest.param([A, B], [A2, B], [A3, B], [A2, B], ["7-abcdef/a"], id="the same region"),
        pytest.param([A, B], [B], [A3, B], [B], ["7-abcdef/a"], id="deleted and edited"),
        pytest.param([A, B], [A3, B], [B], [A3, B], ["7-abcdef/a"], id="edited and deleted"),
        pytest.param([A, B], [B], [A], [], [], id="deleted, another on each side"),
        pytest.param([A, B], [B], [A, B2], [B2], [], id="one deleted, another one moved"),
        pytest.param([A], [A, B], [A, C], [A, B, C], [], id="added, another on each side"),
        pytest.param([A], [A, C], [A, B], [A, B, C], [], id="what is new stands by its name"),
        pytest.param([], [A], [A3], [A], ["7-abcdef/a"], id="added on both under one id"),
        pytest.param([A, B], [B, A], [A, B], [B, A], [], id="put in another order by one"),
        pytest.param([A, B], [B, A], [A2, B], [B, A2], [], id="reordered here, moved there"),
        pytest.param([A, WORD], [A2, WORD], [A, WORDS], [A2, WORDS], [], id="a region and a choice"),
        pytest.param([A, WORD], [A, WORDS], [A], [A, WORDS], ["7-abcdef/quality:choices"], id="a choice"),
        pytest.param([WORD], [WORD], [WORDS], [WORDS], [], id="a choice, on one side"),
        pytest.param([WORD], [WORDS], [MAYBE], [WORDS], ["7-abcdef/quality:choices"], id="a choice, on both"),
        pytest.param([], [WORD], [ANEW], [WORD], ["7-abcdef/quality:choices"], id="chosen on both"),
        pytest.param([WORD], [ANEW], [WORDS], [ANEW], ["7-abcdef/quality:choices"], id="chosen anew, and another"),
        pytest.param([WORD], [AGAIN], [WORDS], [WORDS], [], id="taken back and chosen again, and another"),
        pytest.param([WORD], [ANEW], [ANEW | {"id": "p"}], [ANEW | {"id": "p"}], [], id="the same on both, anew"),
        pytest.param([WORD], [AGAIN], [], [], [], id="chosen again, and taken back"),
        pytest.param(
            [WORD], [WORDS], [WORD, choice("m", "gay", "mood")], [WORDS, choice("m", "gay", "mood")],
            [], id="two tags",
        ),
        pytest.param(
            [A, text("n", "x")], [A, text("n", "x", "y")], [A, text("n", "z")],
            [A, text("n", "x", "y")], ["7-abcdef/n:textarea"], id="a text",
        ),
        pytest.param(
            [A, choice("a", "good")], [A2, choice("a", "good")], [A, choice("a", "bad")],
            [A2, choice("a", "bad")], [], id="a region and what is chosen for it",
        ),
        pytest.param(
            [A, choice("a", "x"), choice("a", "x", "mood")], [A, choice("a", "y"), choice("a", "x", "mood")],
            [A, choice("a", "x"), choice("a", "y", "mood")], [A, choice("a", "y"), choice("a", "y", "mood")],
            [], id="two things chosen for one region",
        ),
        pytest.param(
            [A, B], [A, B, relation("a", "b")], [A2, B], [A2, B, relation("a", "b")], [], id="a relation"
        ),
        pytest.param(
            [A, B, relation("a", "b")], [A, B, relation("a", "b", "causes")], [A, B],
            [A, B, relation("a", "b", "causes")], ["7-abcdef/a-b:relation"], id="a relation that is gone",
        ),
        pytest.param(
            [A, B], [B], [A, B, choice("a", "bad")], [B], ["7-abcdef/a"], id="deleted, and chosen for"
        ),
        pytest.param(
            [A, choice("a", "good"), B], [B], [A, choice("a", "bad"), B], [B], ["7-abcdef/a"],
            id="deleted with its choice, and chosen for anew",
        ),
        pytest.param(
            [A, B], [B], [A, B, relation("a", "b")], [B], ["7-abcdef/a"], id="deleted, and related to"
        ),
        pytest.param([A, A], [A, A2], [A, A], [A, A2], [], id="an id twice"),
        pytest.param([A, A], [A], [A, A, B], [A, B], [], id="one of two of one id deleted"),
        pytest.param([A], [A | {"meta": {"text": ["?"]}}], [A, B], [A | {"meta": {"text": ["?"]}}, B], [], id="meta"),
    ],
)  # fmt: skip
def test_items(
    base: list[Item], ours: list[Item], theirs: list[Item], result: list[Item], conflicts: list[str]
) -> None:
    assert merged(base, ours, theirs) == (result, conflicts)


def test_the_star_on_one_side_and_a_region_on_the_other() -> None:
    base, later = record(A), "2026-01-02T00:00:00Z"
    starred = record(A, ground_truth=True)
    moved = record(A2, updated_at=later)
    for found, conflicts in (merge_records(base, starred, moved), merge_records(base, moved, starred)):
        assert (found, conflicts) == (record(A2, ground_truth=True, updated_at=later), [])
    skipped, _ = merge_records(base, record(was_cancelled=True), record(A, ground_truth=True))
    assert skipped == record(was_cancelled=True, ground_truth=True)


def test_an_unknown_field_that_both_changed() -> None:
    base, ours, theirs = record(A, mood="dull"), record(A, mood="gay"), record(A2, mood={"sad": 1})
    found, conflicts = merge_records(base, ours, theirs)
    assert found == record(A2, mood="gay")
    assert [(c.name, c.base, c.ours, c.theirs) for c in conflicts] == [
        ("7-abcdef.mood", "dull", "gay", {"sad": 1})
    ]
    settled = Settlement.parse("", ["7-abcdef.mood=theirs"])
    assert merge_records(base, ours, theirs, settled) == (theirs, [])


@pytest.mark.parametrize("edited", [record(A2), record(A, was_cancelled=True)])
def test_an_annotation_deleted_on_one_side_and_edited_on_the_other(edited: Record) -> None:
    base = record(A)
    for ours, theirs in ((None, edited), (edited, None)):
        found, conflicts = merge_records(base, ours, theirs)
        assert found == ours
        expected = Conflict(
            "7-abcdef", "one", "annotation", base, ours, theirs, ("ann@example.com",)
        )  # fmt: skip
        assert conflicts == [expected]
        assert merge_records(base, ours, theirs, OURS) == (ours, [])
        assert merge_records(base, ours, theirs, Settlement("", {"7-abcdef": "theirs"})) == (theirs, [])


def test_conflicts_are_settled_all_or_by_name() -> None:
    base, ours, theirs = [A, B], [A2, B2], [A3, region("b", 9)]
    sides = record(*base), record(*ours), record(*theirs)
    assert merge_records(*sides, OURS) == (sides[1], [])
    assert merge_records(*sides, THEIRS) == (sides[2], [])
    found, conflicts = merge_records(*sides, Settlement("", {"7-abcdef/b": "theirs"}))
    assert found == record(A2, region("b", 9))
    assert [conflict.name for conflict in conflicts] == ["7-abcdef/a"]
    found, conflicts = merge_records(*sides, Settlement("ours", {"7-abcdef/b": "theirs"}))
    assert (found, conflicts) == (record(A2, region("b", 9)), [])


def test_a_deleted_region_that_the_other_side_went_on_with_is_settled_whole() -> None:
    ours, theirs = record(B), record(A, choice("a", "bad"), B, relation("a", "b"))
    base = record(A, B)
    named = {side: Settlement("", {"7-abcdef/a": side}) for side in ("ours", "theirs")}
    assert merge_records(base, ours, theirs, named["ours"]) == (ours, [])
    assert merge_records(base, ours, theirs, named["theirs"]) == (theirs, [])
    assert merge_records(base, theirs, ours, named["ours"]) == (theirs, [])


# -- whatever two people do ------------------------------------------------------------------------

names = st.sampled_from("abcd")
anything = st.one_of(
    st.builds(region, names, st.integers(0, 3), st.sampled_from(["walk", "run"])),
    st.builds(choice, names, st.sampled_from(["good", "bad"]), st.sampled_from(["quality", "mood"])),
    st.builds(text, names, st.sampled_from(["x", "y"])),
    st.builds(relation, names, names, st.sampled_from(["causes", "ends"])),
)
times = st.sampled_from([f"2026-01-0{day}T00:00:00Z" for day in range(1, 5)])
fields = st.fixed_dictionaries(
    {"ground_truth": st.booleans(), "was_cancelled": st.booleans(), "updated_at": times},
    optional={"lead_time": st.integers(0, 3), "mood": st.integers(0, 3), "parent_annotation": st.integers(1, 2)},
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn, unique: bool = False) -> Record:
    found = draw(st.lists(anything, max_size=6))
    if unique:
        found = [item for key, item in items(found).items() if key[-1] == "0"]
    return record(*draw(st.permutations(found)), **draw(fields))


def dump(found: Record | None) -> str:
    return json.dumps(found, sort_keys=True)


@given(records(), records(), records())
def test_the_merge_is_symmetric_up_to_conflicts(base: Record, a: Record, b: Record) -> None:
    found, conflicts = merge_records(base, a, b)
    swapped, again = merge_records(base, b, a)
    assert [c.name for c in conflicts] == [c.name for c in again]
    assert [(c.base, c.ours, c.theirs) for c in conflicts] == [(c.base, c.theirs, c.ours) for c in again]
    if not conflicts and not same(a, b):
        assert dump(found) == dump(swapped)
    if not same(a, b):
        settled = merge_records(base, a, b, OURS), merge_records(base, b, a, THEIRS)
        assert dump(settled[0][0]) == dump(settled[1][0])
        assert settled[0][1] == settled[1][1] == []


@given(records(), records())
def test_what_one_side_changed_alone_is_taken(base: Record, a: Record) -> None:
    for found, conflicts in (merge_records(base, base, a), merge_records(base, a, base)):
        assert conflicts == []
        assert found is not None
        assert same(found, a)
    found, conflicts = merge_records(base, a, a)
    assert (dump(found), conflicts) == (dump(a), [])


@given(records(unique=True), records(unique=True), records(unique=True))
def test_nothing_is_lost(base: Record, a: Record, b: Record) -> None:
    found, conflicts = merge_records(base, a, b)
    assert found is not None
    regions = region_ids(*(side["result"] for side in (base, a, b)))
    was, ours, theirs, there = (items(side["result"], regions) for side in (base, a, b, found))
    open_ = {conflict.name for conflict in conflicts}
    for key in was.keys() | ours.keys() | theirs.keys():
        one, other = (ours, theirs) if theirs.get(key) == was.get(key) else (theirs, ours)
        if (
            other.get(key) == was.get(key)
            and one.get(key) != was.get(key)
            and key not in there
            and key in one
        ):
            ends = {key[1], key[2]} if key[0] == "relation" else {key[1]}
            assert any(name.partition("/")[2].partition(":")[0] in ends for name in open_), key
        if not open_ and other.get(key) == was.get(key):
            assert there.get(key) == one.get(key)
    assert len(found["result"]) == len({dump(item) for item in found["result"]})


@given(records(), records(), records())
def test_settling_by_name_is_settling_all(base: Record, a: Record, b: Record) -> None:
    _, conflicts = merge_records(base, a, b)
    for side in ("ours", "theirs"):
        named = Settlement("", {conflict.name: side for conflict in conflicts})
        assert merge_records(base, a, b, named) == merge_records(base, a, b, Settlement(side))
    assert merge_records(base, a, b, OPEN)[1] == conflicts
