"""Tables for people: no cell is a formula, and what is read back is what was written."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.artifacts import reports
from storage.errors import InputError
from storage.labels import git_drivers
from storage.labels.three_way import Settlement
from storage.project_files import splits_file
from storage.text import csv_text

FORMULAS = [
    "=1+2",
    "+1-2",
    "-1+2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    '=HYPERLINK("x")',
    "＝1",
    "'=1",
    "''=1",
]
ODD = [
    "",
    "'",
    "'x",
    "-",
    "a,b",
    'a"b',
    "a\r\nb",
    "a\nb",
    "\u2028",
    "x\u2029y",
    "a\u0085b",
    "走る",
    " =1",
    "\ufeff",
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(FORMULAS + ODD)


@given(st.lists(st.lists(TEXT, min_size=1, max_size=4), max_size=4))
def test_every_text_comes_back(rows: list[list[str]]) -> None:
    rows = [["first", "line"], *rows]
    assert [row for _, row in csv_text.parse(csv_text.dump(rows).decode())] == rows


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula(text: str) -> None:
    [cell] = next(csv.reader(io.StringIO(csv_text.line([text]), newline="")))
    assert cell.startswith("'")


def test_numbers_are_no_formulas_and_other_cells_are_as_ever() -> None:
    row = [-1, -0.5, "-12", "+1.5e-3", None, "plain", "a b", True]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    assert csv_text.line(row) == text.getvalue() == "-1,-0.5,-12,+1.5e-3,,plain,a b,True\n"


def test_sets_of_people_and_series_of_any_name(tmp_path: Path) -> None:
    rows = {name: splits_file.Row(f"{name} of", "train") for name in FORMULAS + ODD if name}
    path = tmp_path / "splits.csv"
    splits_file.write(rows, path)
    assert splits_file.read(path) == rows


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"series,group,split\nx\xff,a,train\n", "the file is not in UTF-8"),
        (b"series,group,split\na,b,train\na,b,train\n", "series 'a' is there twice"),
        (b"series,group,split\na,b\n", "cannot read 'a,b'"),
        (b'series,group,split\n"a,b,' + b"x" * 140_000, "not a row"),
        (b"a\x1b[2J,b\n", "the header must be series,group,split"),
    ],
)
def test_a_table_of_sets_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    splits_file.PATH.parent.mkdir()
    splits_file.PATH.write_bytes(data)
    with pytest.raises(InputError) as caught:
        splits_file.read()
    assert caught.value.what == what and "\x1b" not in str(caught.value) and caught.value.cure


def test_a_table_of_a_report_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    reports.write_csv(path, ("split", "label", "f1"), [("test", name, -0.25) for name in FORMULAS])
    assert [row["label"] for row in reports.read_csv(path)] == FORMULAS
    assert {row["f1"] for row in reports.read_csv(path)} == {"-0.25"}


# -- git's merge driver ---------------------------------------------------------------------------


def merged(tmp_path: Path, path: str, base: bytes, ours: bytes, theirs: bytes) -> git_drivers.Merged:
    places = [tmp_path / name for name in ("base", "ours", "theirs")]
    for place, data in zip(places, (base, ours, theirs), strict=True):
        place.write_bytes(data)
    repository: Any = SimpleNamespace(git=SimpleNamespace(run=lambda *_: ""))
    found = git_drivers.merge_files(repository, *places, path)
    assert places[1].read_bytes() == found.text.encode()
    return found


def table(**rows: str) -> bytes:
    return splits_file.dump({name: splits_file.Row(group, "train") for name, group in rows.items()})


@pytest.mark.parametrize(
    "group", ["two\nlines", "two\r\nlines", "a\rb", "U\u2028U", "x\u0085y", "=1", 'q"q', "a,b"]
)
def test_git_merges_sets_by_rows_whatever_is_in_a_cell(tmp_path: Path, group: str) -> None:
    base = table(a=group, b="b")
    found = merged(
        tmp_path, "data/splits.csv", base, table(a=group, b="b", c="c"), table(a=group, b="b", d=f"{group}2")
    )
    assert not found.open
    assert found.text.encode() == table(a=group, b="b", c="c", d=f"{group}2")


def test_git_merges_sets_that_an_editor_saved_with_other_line_ends(tmp_path: Path) -> None:
    theirs = b"\xef\xbb\xbf" + table(a="a", d="d").replace(b"\n", b"\r\n")
    found = merged(tmp_path, "data/splits.csv", table(a="a"), table(a="a", c="c"), theirs)
    assert found.text.encode() == table(a="a", c="c", d="d")


def test_a_series_of_two_sets_is_a_conflict_of_whole_rows(tmp_path: Path) -> None:
    base, ours = table(a="x\ny"), table(a="x\nz")
    found = merged(tmp_path, "data/splits.csv", base, ours, table(a="x\nw"))
    assert len(found.open) == 1
    assert found.text.count('"x\nz",train\n') == found.text.count('"x\nw",train\n') == 1


def test_a_side_that_is_no_table_loses_nothing(tmp_path: Path) -> None:
    for path, broken in (
        ("data/splits.csv", b"series,group,split\na,a,train\na,a,test\n"),
        ("data/tasks.jsonl", b"[]\n"),
    ):
        found = merged(tmp_path, path, b"", b"", broken)
        assert found.open and broken.decode() in found.text


def test_settlements_count_for_rows(tmp_path: Path) -> None:
    repository: Any = None
    texts = (table(a="x").decode(), table(a="y").decode(), table(a="z").decode())
    found = git_drivers.merge(repository, "data/splits.csv", texts, Settlement("theirs"))
    assert (found.text, len(found.open)) == (texts[2], 0)


def test_half_a_character_is_written_as_one_that_utf_8_has() -> None:
    assert csv_text.dump([["a\ud83d", 1], ["🏃", None]]) == "a\ufffd,1\n🏃,\n".encode()
