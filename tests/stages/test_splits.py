"""Sets: by group, seeded, stable when data is added, and the file they rest in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.timeseries.splits import assign
from storage.errors import InputError
from storage.project_files import splits_file

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def people(n: int, each: int = 2) -> dict[str, str]:
    return {f"s{i:02d}_{j}": f"p{i:02d}" for i in range(n) for j in range(each)}


def test_three_groups_fill_all_sets():
    groups = people(3, 1)
    assert sorted(assign({}, groups, set(groups), SHARES, 0).values()) == ["test", "train", "validation"]


def test_shares_are_met_and_groups_stay_whole():
    groups = people(40)
    splits = assign({}, groups, set(groups), SHARES, 0)
    assert Counter(splits.values()) == {"train": 64, "validation": 8, "test": 8}
    assert all(splits[f"s{i:02d}_0"] == splits[f"s{i:02d}_1"] for i in range(40))


def test_another_seed_deals_otherwise():
    groups = people(40)
    assert assign({}, groups, set(groups), SHARES, 0) != assign({}, groups, set(groups), SHARES, 1)


def test_unlabeled_series_are_unassigned_until_labeled_and_then_follow_their_group():
    groups = {"a1": "ann", "a2": "ann", "b": "bob"}
    first = assign({}, groups, {"a1"}, SHARES, 0)
    assert first == {"a1": "train", "a2": "unassigned", "b": "unassigned"}
    assert assign(first, groups, {"a1", "a2"}, SHARES, 0)["a2"] == "train"


def test_a_set_given_by_hand_is_kept():
    assert assign({"a": "test"}, {"a": "ann"}, set(), SHARES, 0) == {"a": "test"}


def test_a_series_that_is_gone_is_left_out():
    assert assign({"gone": "test"}, {"a": "ann"}, {"a"}, SHARES, 0) == {"a": "train"}


@given(
    groups=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.sampled_from("UVWXYZ"), max_size=12),
    cut=st.integers(0, 12),
    seed=st.integers(0, 3),
)
def test_nothing_moves_when_data_is_added(groups: dict[str, str], cut: int, seed: int):
    labeled = set(sorted(groups)[:cut])
    before = assign({}, groups, labeled, SHARES, seed)
    after = assign(before, {**groups, "new": "U"}, set(groups) | {"new"}, SHARES, seed)
    assert all(after[s] == name for s, name in before.items() if name != "unassigned")
    homes: dict[str, set[str]] = {}
    for series, name in after.items():
        homes.setdefault({**groups, "new": "U"}[series], set()).add(name)
    assert all(len(names) == 1 for names in homes.values())


def test_the_file_reads_back_and_is_sorted(tmp_path: Path):
    rows = {"b": splits_file.Row("p,1", "test"), "a": splits_file.Row("p2", "train")}
    path = tmp_path / "splits.csv"
    splits_file.write(rows, path)
    assert path.read_text() == 'series,group,split\na,p2,train\nb,"p,1",test\n'
    assert splits_file.read(path) == rows
    assert splits_file.read(tmp_path / "none.csv") == {}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("series,set\n", 1, "the header must be series,group,split"),
        ("series,group,split\na,p,training\n", 2, "cannot read 'a,p,training'"),
        ("series,group,split\na,p,train\na,p,train\n", 3, "series 'a' is there twice"),
    ],
)
def test_a_line_edited_wrongly_is_named(tmp_path: Path, text: str, line: int, what: str):
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        splits_file.read(path)
    assert (caught.value.what, caught.value.where) == (what, f"{path}:{line}")


def test_a_group_in_two_sets_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "splits.csv"
    path.write_text("series,group,split\na,p,train\nb,p,unassigned\nc,p,test\n")
    rows = {"a": splits_file.Row("p", "train"), "c": splits_file.Row("p", "test")}
    for refused in (lambda: splits_file.read(path), lambda: splits_file.write(rows, path)):
        with pytest.raises(InputError) as caught:
            refused()
        assert caught.value.what == "group 'p' is in two splits"
        assert caught.value.why == "a is in train, c in test: a model trained on one would know the other"
