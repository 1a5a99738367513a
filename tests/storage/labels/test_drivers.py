"""Plain git on labels: what `git diff`, `git log -p` and `git merge` do once the drivers are set, and without."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from storage.labels import git_drivers, label_store, snapshot
from storage.labels.snapshot import Record
from storage.repo import git_hooks
from storage.repo.pointer import parse_pointer
from storage.repo.repository import Repository
from tests.support.history_project import ONE, POINTER, TWO, Past, branched, record

BEN = "ben@example.com"


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return branched(tmp_path / "past")


def held(past: Past, revision: str = "HEAD") -> dict[str, Any]:
    """Regions (start, end, label) of each record in a revision, by series."""
    found = label_store.records(past.repository, past.repository.git.labels_at(revision))
    return {
        r["series"]: [
            (v["start"], v["end"], *v["timeserieslabels"]) for i in r["result"] if (v := i["value"])
        ]
        for r in found
    }


# -- diff -----------------------------------------------------------------------------------------


def test_git_diff_prints_regions(past: Past) -> None:
    starred = record("zwei ü", 2, (1, 2, "run"), by=BEN, ground_truth=True)
    past.point([record("one", 1, (0.1, 0.7, "walk")), starred, record("x", 3, was_cancelled=True)])
    assert past.git("diff").splitlines()[5:] == [
        "-one  ann@example.com  1-4c63c0/a  walk  0.1 .. 0.5",
        "-one  ann@example.com  1-4c63c0/b  knock  at 0.9",
        "+one  ann@example.com  1-4c63c0/a  walk  0.1 .. 0.7",
        "+x  ann@example.com  3-f67da9  * skipped",
        "+zwei ü  ben@example.com  2-373870  * ground truth",
        " zwei ü  ben@example.com  2-373870/a  run  1 .. 2",
    ]
    added = [
        line for line in past.git("log", "-p", "data/labels.dvc").splitlines() if line.startswith("+one")
    ]
    assert len(added) == 2


def test_an_object_that_is_not_there_is_one_line(past: Path, tmp_path: Path) -> None:
    md5 = past.repository.git.labels_at("HEAD")
    shutil.rmtree(past.root / ".dvc/cache")
    past.point([ONE])
    lines = past.git("diff", "--unified=0").splitlines()[5:]
    assert lines[0] == f"-{md5}: not in the DVC cache (dvc fetch --all-commits)"
    shard = next(iter(past.repository.folder(past.repository.pointer("data/labels")).values()))
    (past.root / ".dvc/cache/files/md5" / shard[:2] / shard[2:]).unlink()
    assert "1 shards are not in the DVC cache" in past.git("diff")


def test_too_many_labels_are_compared_by_shard(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_drivers, "LARGEST", 10)
    text = (past.root / "data/labels.dvc").read_text(encoding="utf-8")
    lines = list(git_drivers.textconv(past.repository, text))
    assert [line.partition("  ")[0] for line in lines[1:]] == ["01.jsonl", "f9.jsonl"]


def test_without_the_program_or_the_drivers_git_shows_the_pointer(past: Past) -> None:
    past.point([ONE])
    past.git("config", "diff.labeltrail.textconv", 'f() { /nowhere 2>/dev/null || cat "$1"; }; f')
    assert "+- md5: " in past.git("diff")
    past.git("config", "--remove-section", "diff.labeltrail")
    past.git("config", "--remove-section", "merge.labeltrail")
    assert "+- md5: " in past.git("diff")
    past.git("checkout", "--quiet", "HEAD", "--", "data")
    past.on_walks([ONE])
    past.label([TWO])
    assert past.merge_walks()[0] == 1


# -- merge ----------------------------------------------------------------------------------------


def test_git_merges_labels_by_region(past: Past) -> None:
    past.on_walks(
        [record("one", 1, (0.1, 0.7, "walk"), (0.9, 0.9, "knock")), TWO, record("three", 3, (5, 6, "run"))],
    )
    past.label([record("one", 1, (0.1, 0.5, "walk"), (0.9, 0.9, "run"))])
    status, said = past.merge_walks()
    assert (status, "data/labels.dvc: +1 ~1 labels came in" in said) == (0, True)
    assert held(past) == {"one": [(0.1, 0.7, "walk"), (0.9, 0.9, "run")], "three": [(5, 6, "run")]}
    assert not (past.root / "data/labels").exists()
    there = past.repository.git.labels_at("HEAD")
    past.git("reset", "--quiet", "--hard", "HEAD~1")
    past.git("switch", "--quiet", "walks")
    past.git("merge", "--quiet", "--no-edit", "main")
    assert past.repository.git.labels_at("HEAD") == there


def test_the_pointer_of_a_merge_is_that_of_dvc_and_the_folder_follows(past: Past) -> None:
    (past.root / ".dvc/config").write_text("", encoding="utf-8")
    git_hooks.install(past.project.repository.git)
    past.save("dvc")
    past.on_walks([ONE, TWO, record("three", 3, (5, 6, "run"))])
    past.label([record("one", 1, (0.1, 0.5, "walk"))])
    assert past.merge_walks()[0] == 0
    assert list(snapshot.read(past.root / "data/labels")) == ["one", "three"]
    pointer = past.root / "data/labels.dvc"
    merged = pointer.read_text(encoding="utf-8")
    pointer.unlink()
    Repository(past.root).add("data/labels")
    assert pointer.read_text(encoding="utf-8") == merged


def test_branches_that_merged_each_other_before(past: Past) -> None:
    def ends(first: float, second: float) -> list[Record]:
        return [record("one", 1, (0.1, first, "walk")), record("two", 2, (1, second, "run"))]

    past.label(ends(0.5, 2))
    past.git("branch", "--force", "walks")
    past.on_walks(ends(0.5, 3))
    past.label(ends(0.6, 2))
    past.git("branch", "before")
    past.git("switch", "--quiet", "walks")
    past.git("merge", "--quiet", "--no-edit", "before")
    past.git("switch", "--quiet", "main")
    past.git("merge", "--quiet", "--no-edit", "walks~1")
    past.on_walks(ends(0.6, 4))
    past.label([*ends(0.6, 3), record("three", 3, (5, 6, "run"))])
    status, said = past.merge_walks()
    # The older base knows neither: 3 against 4 looks as if both had changed it.
    assert (status, said.count("data/labels.dvc: ")) == (1, 1)
    past.git("merge", "--abort")
    assert past.merge_walks("-c", "labeltrail.settle=theirs")[0] == 0
    assert held(past) == {"one": [(0.1, 0.6, "walk")], "two": [(1, 4, "run")], "three": [(5, 6, "run")]}


@pytest.fixture
def clash(past: Past) -> Past:
    """Both branches moved region a of series one, and each did something else besides."""
    past.on_walks([record("one", 1, (0.1, 0.7, "walk"), (0.9, 0.9, "run")), TWO])
    past.label(
        [record("one", 1, (0.1, 0.6, "walk"), (0.9, 0.9, "knock")), TWO, record("three", 3, (5, 6, "run"))]
    )
    return past


def test_a_region_moved_on_both_sides_is_a_conflict(clash: Past) -> None:
    status, said = clash.merge_walks()
    assert status == 1
    assert (
        "data/labels.dvc: 1-4c63c0/a in one (ann@example.com): here walk 0.1 to 0.6; there walk 0.1 to 0.7; "
        "before walk 0.1 to 0.5" in said
    )
    assert clash.git("status", "--short") == "UU data/labels.dvc\n"
    text = (clash.root / "data/labels.dvc").read_text(encoding="utf-8")
    ours, theirs = (
        text.removeprefix(git_drivers.MARKS[0]).removesuffix(git_drivers.MARKS[2]).split(git_drivers.MARKS[1])
    )
    both = [{r["series"]: r["result"][0]["value"]["end"] for r in label_store.records(clash.repository, md5)}
            for md5 in map(parse_pointer, (ours, theirs))]  # fmt: skip
    assert both == [{"one": 0.6, "three": 6, "zwei ü": 2}, {"one": 0.7, "three": 6, "zwei ü": 2}]


@pytest.mark.parametrize(("words", "end"), [("theirs", 0.7), ("ours", 0.6), ("1-4c63c0/a=theirs", 0.7)])
def test_conflicts_are_settled_by_an_option_of_git(clash: Past, words: str, end: float) -> None:
    assert clash.merge_walks()[0] == 1
    clash.git("merge", "--abort")
    assert clash.merge_walks("-c", f"labeltrail.settle={words}")[0] == 0
    assert held(clash) == {
        "one": [(0.1, end, "walk"), (0.9, 0.9, "run")],
        "three": [(5, 6, "run")],
        "zwei ü": [(1, 2, "run")],
    }


def test_a_settlement_that_says_nothing_merges_nothing(clash: Past) -> None:
    status, said = clash.merge_walks("-c", "labeltrail.settle=mine")
    assert (status, "cannot settle by 'mine'" in said) == (1, True)
    assert clash.git("status", "--short") == "UU data/labels.dvc\n"


def test_a_side_that_is_no_pointer_deletes_nothing(past: Past) -> None:
    past.on_walks([ONE])
    past.write(labels_dvc="outs: []\n")
    past.save("broken")
    status, said = past.merge_walks()
    assert (status, "ours is no DVC pointer" in said) == (1, True)


def test_labels_that_cannot_be_had_are_a_conflict(past: Past) -> None:
    past.on_walks([ONE])
    past.label([TWO])
    md5 = past.repository.git.labels_at("walks")
    (past.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()
    assert past.merge_walks()[0] == 1


def test_a_merge_reads_the_shards_that_differ(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [record(f"series {number}", number, (0, 1, "walk")) for number in range(10, 200)]
    base = past.point(many)
    ours = past.point([*many[1:], record("series 10", 10, (0, 2, "walk"))])
    theirs = past.point([*many[:-1], record("series 199", 199, (0, 3, "walk"))])
    read: list[str] = []
    real = Repository.read
    monkeypatch.setattr(Repository, "read", lambda self, hashes: _counted(real(self, hashes), read))
    texts = [POINTER.format(md5=md5, size=1, files=1) for md5 in (base, ours, theirs)]
    path = past.root / "x"
    for name, text in zip(("base", "ours", "theirs"), texts, strict=True):
        path.with_name(name).write_text(text, encoding="utf-8")
    merged = git_drivers.merge_files(
        past.repository, *(path.with_name(name) for name in ("base", "ours", "theirs")), "data/labels.dvc"
    )
    assert (merged.open, merged.note) == ({}, "~1 labels came in")
    assert len([md5 for md5 in read if not md5.endswith(".dir")]) == 6


def _counted(found: dict[str, bytes], read: list[str]) -> dict[str, bytes]:
    read.extend(found)
    return found


def test_a_picked_and_a_reverted_label_commit_merge_too(past: Past) -> None:
    past.on_walks([record("one", 1, (0.1, 0.7, "walk"), (0.9, 0.9, "knock")), TWO])
    past.label([ONE, record("zwei ü", 2, (1, 3, "run"), by=BEN)])
    past.git("cherry-pick", "walks")
    assert held(past) == {"one": [(0.1, 0.7, "walk"), (0.9, 0.9, "knock")], "zwei ü": [(1, 3, "run")]}
    past.git("revert", "--no-edit", "HEAD~1")
    assert held(past) == {"one": [(0.1, 0.7, "walk"), (0.9, 0.9, "knock")], "zwei ü": [(1, 2, "run")]}
