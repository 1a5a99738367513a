"""The history of labels in words: log, show, diff and tag, on real git with snapshots written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.history.diff import diff, side
from pipelines.history.log import log
from pipelines.history.show import show
from pipelines.history.tag import tag, tags
from storage import process
from storage.errors import InputError, NotFoundError
from storage.labels.diff import DiffFilter
from storage.repo.git import GIT
from storage.repo.repository import Repository
from tests.pipelines.test_cli import labeltrail
from tests.support.history_project import Past, record

BEN = "ben@example.com"


@pytest.fixture
def past(tmp_path: Path) -> Past:
    """Three label commits: two annotations; one edited, one deleted, an empty one added; one skipped."""
    past = Past(tmp_path / "past")
    past.label(
        [record("one", 1, (0.1, 0.5, "walk"), (0.9, 0.9, "knock")), record("two", 2, (1, 2, "run"), by=BEN)]
    )
    edited = record("one", 1, (0.1, 0.7, "walk"), (0.9, 0.9, "run"))
    past.label([edited, record("three", 3)])
    past.label([edited | {"was_cancelled": True}, record("three", 3)])
    return past


def told(past: Past, **wanted: str) -> list[str]:
    entries = log(past.repository, "HEAD", DiffFilter(**wanted))
    return [
        line.partition("  ")[2] if line[0] != " " else line for entry in entries for line in entry.lines()
    ]


def test_the_log_tells_what_the_data_tell(past: Past) -> None:
    assert told(past) == [
        "2026-02-01 10:04  Tester",
        "    labels: -2 in 1 series",
        "    run -1, walk -1; by ann@example.com -2",
        "    in one",
        "2026-02-01 10:03  Tester",
        "    labels: ~2 -1 in 3 series",
        "    run ~1 -1, walk ~1; by ann@example.com ~2, ben@example.com -1",
        "    in one, three, two",
        "2026-02-01 10:02  Tester",
        "    labels: +3 in 2 series",
        "    knock +1, run +1, walk +1; by ann@example.com +2, ben@example.com +1",
        "    in one, two",
    ]


def test_a_message_that_was_changed_changes_no_count(past: Past) -> None:
    forged = "labels: +9 in 1 series\n\nAnnotations: +9\nLabel: walk +9\nAnnotator: ben@example.com +9"
    past.git("commit", "--quiet", "--amend", "--allow-empty", "-m", forged)
    assert told(past)[1:4] == [
        "    labels: +9 in 1 series",
        "    run -1, walk -1; by ann@example.com -2",
        "    in one",
    ]


def test_the_log_by_series_label_and_annotator(past: Past) -> None:
    assert told(past, series="t*")[2:] == [
        "    run -1; by ben@example.com -1",
        "    in three, two",
        "2026-02-01 10:02  Tester",
        "    labels: +3 in 2 series",
        "    run +1; by ben@example.com +1",
        "    in two",
    ]
    assert told(past, label="knock")[2::4] == [
        "    run ~1; by ann@example.com ~1",
        "    knock +1; by ann@example.com +1",
    ]
    assert told(past, annotator=BEN)[1::4] == ["    labels: ~2 -1 in 3 series", "    labels: +3 in 2 series"]
    assert told(past, series="nowhere") == []


def test_the_log_by_time_number_branch_and_range(past: Past) -> None:
    repository = past.repository
    subjects = [
        entry.commit.subject
        for entry in log(repository, "HEAD", DiffFilter(), "--since=2026-02-01T10:03:00Z")
    ]
    assert subjects == ["labels: -2 in 1 series", "labels: ~2 -1 in 3 series"]
    assert [e.commit.subject for e in log(repository, "HEAD~1", most=1)] == ["labels: ~2 -1 in 3 series"]
    assert [e.commit.subject for e in log(repository, "HEAD~1..main")] == ["labels: -2 in 1 series"]
    assert len(list(log(repository, "HEAD", DiffFilter(series="one"), most=2))) == 2
    with pytest.raises(NotFoundError, match="there is no revision 'nowhere' here"):
        log(repository, "nowhere..main")


def test_a_commit_without_counts_in_its_message_is_looked_into(past: Past) -> None:
    past.label([record("one", 1, (0.1, 0.7, "walk"), (0.9, 0.9, "run"))], message="by hand")
    entry = next(log(past.repository))
    assert entry.lines()[1:] == [
        "    by hand",
        "    run +1, walk +1; by ann@example.com +2",
        "    in one, three",
    ]


def test_a_snapshot_that_is_gone_is_named_and_not_left_out(past: Past) -> None:
    lost = next(past.repository.git.label_commits("HEAD~1")).labels
    (past.root / ".dvc/cache/files/md5" / lost[:2] / lost[2:]).unlink()
    unknown = [entry.unknown for entry in log(past.repository, "HEAD", DiffFilter(series="two"))]
    assert [bool(text) for text in unknown] == [True, True, False]
    assert [bool(entry.unknown) for entry in log(past.repository)] == [True, True, False]


def test_one_git_for_the_commits_and_one_for_their_pointers(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    real = process.output

    def counted(args: list[str], **options: Any) -> bytes:
        started.append(args[len(GIT)])
        return real(args, **options)

    monkeypatch.setattr(process, "output", counted)
    found = list(past.repository.git.label_commits())
    assert started == ["log", "cat-file"]
    texts = [past.repository.git.show(each.commit, "data/labels.dvc") for each in found]
    assert [each.labels for each in found] == [yaml.safe_load(str(text))["outs"][0]["md5"] for text in texts]
    assert [each.before for each in found] == [*[each.labels for each in found[1:]], ""]
    assert [len(each.parents) for each in found] == [1, 1, 1]


def test_both_sides_of_a_merge_and_no_merge_that_changed_nothing(past: Past) -> None:
    before = past.git("rev-parse", "HEAD~1").strip()
    past.git("switch", "--quiet", "--create", "walks", before)
    walks = past.label([record("one", 1, (0.1, 0.8, "walk"))])
    past.git("switch", "--quiet", "main")
    past.git("merge", "--quiet", "--strategy=ours", "--no-edit", "walks")
    commits = [found.commit for found in past.repository.git.label_commits()]
    assert walks in commits
    assert past.repository.git.head() not in commits
    made = past.repository.git.label_commit_at()
    assert made is not None
    assert made.commit == past.git("rev-parse", "HEAD~1").strip()
    assert show(past.repository).commit == made


def test_show_names_every_region(past: Past) -> None:
    assert show(past.repository, "HEAD~1").lines()[4:] == [
        "one",
        "  ~ walk  0.1 .. 0.5 -> 0.1 .. 0.7       ann@example.com  1-4c63c0/a",
        "  ~ knock -> run  at 0.9                 ann@example.com  1-4c63c0/b",
        "three",
        "  * new annotation, empty: nothing here  ann@example.com  3-f67da9",
        "two",
        "  * annotation deleted                   ben@example.com  2-373870",
        "  - run  1 .. 2                          ben@example.com  2-373870/a",
        "~2 -1 labels in 3 annotations of 3 series",
    ]


def test_show_of_a_later_commit_is_that_of_its_labels(past: Past) -> None:
    labels = past.repository.git.head()
    files = {
        "provenance.json": {"model": "abc", "labels": "x", "series": "", "params": {}, "annotations": {}}
    }
    files["model.json"] = {"kind": "lstm"}
    best = past.repository.cache.store({name: json.dumps(value).encode() for name, value in files.items()})
    lock = {"stages": {"promote": {"outs": [{"path": "data/best", "md5": best}]}}}
    (past.root / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    made = past.save("model: promoted")
    shown = show(past.repository)
    assert (shown.commit.commit, shown.lines()[3]) == (
        labels,
        f"  best model abc; it was best at that label commit, which nobody trained on ({made[:12]})",
    )
    assert show(past.repository, "HEAD~2").best is None
    with pytest.raises(NotFoundError, match="HEAD~4 has no labels yet"):
        show(past.repository, "HEAD~4")


def test_diff_of_the_work_tree(past: Past) -> None:
    assert diff(past.repository).lines() == ["no difference in labels between HEAD and work tree"]
    past.point(
        [record("one", 1, (0.1, 0.7, "walk"), (0.9, 0.9, "run")), record("three", 3, ground_truth=True)]
    )
    assert diff(past.repository).lines() == [
        "one",
        "  * no longer skipped  ann@example.com  1-4c63c0",
        "three",
        "  * ground truth       ann@example.com  3-f67da9",
        "+2 labels in 2 annotations of 2 series",
    ]
    assert diff(past.repository, "HEAD~1").lines()[-1] == "no label in 1 annotation of 1 series"


def test_diff_counted_and_filtered(past: Past) -> None:
    found = diff(past.repository, "HEAD~2", "HEAD~1")
    assert found.lines(stat=True) == [
        "  one              ~2",
        "  three            no label",
        "  two              -1",
        "by label",
        "  run              ~1 -1",
        "  walk             ~1",
        "by annotator",
        "  ann@example.com  ~2",
        "  ben@example.com  -1",
        "~2 -1 labels in 3 annotations of 3 series",
    ]
    by_label = diff(past.repository, "HEAD~2..HEAD~1", filters=DiffFilter(label="knock"))
    assert by_label.lines() == [
        "one",
        "  ~ knock -> run  at 0.9  ann@example.com  1-4c63c0/b",
        "~1 label in 1 annotation of 1 series",
    ]
    by_person = diff(past.repository, "HEAD~2", "HEAD~1", DiffFilter(annotator="ben@*"))
    assert [found.series for found in by_person.differences] == ["two"]


def test_diff_reads_the_shards_that_differ_and_no_others(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [record(f"series {number}", number, (0, 1, "walk")) for number in range(10, 200)]
    past.label(many)
    past.label([record("series 50", 50, (0, 2, "walk")), *(r for r in many if r["series"] != "series 50")])
    read: list[str] = []
    real = Repository.read

    def counted(self: Repository, hashes: Any) -> dict[str, bytes]:
        found = real(self, hashes)
        read.extend(found)
        return found

    monkeypatch.setattr(Repository, "read", counted)
    assert len(diff(past.repository, "HEAD~1", "HEAD").differences) == 1
    assert len(read) == 4  # two listings, one shard of each
    read.clear()
    assert len(list(log(past.repository, "HEAD", DiffFilter(series="series 50"), most=1))) == 1
    assert len(read) == 4


def test_test_scores_stand_side_by_side(past: Past) -> None:
    for score in (0.5, 0.75):
        md5 = past.repository.cache.store(
            {"x": (text := json.dumps({"test": {"event": {"f1": score, "true": 4}}})).encode()}
        )
        inner = past.repository.folder(md5)["x"]
        lock = {"stages": {"evaluate": {"outs": [{"path": "reports/evaluate.json", "md5": inner}]}}}
        (past.root / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
        past.save(f"model of {text}")
    assert diff(past.repository, "HEAD~1", "main").lines()[1:] == [
        "",
        "test scores      HEAD~1        main",
        "event f1          0.500       0.750",
        "event true            4           4",
    ]
    assert len(diff(past.repository, "HEAD~2", "main").lines()) == 1


def test_scores_are_those_of_the_table_where_there_is_one(past: Past) -> None:
    """Before 0.2.0 evaluate.json held all scores; since then it has a headline, and scores.csv has all."""
    table = b"split,level,name,score\ntest,event,f1,0.75\ntest,event,true,4\ntest,boundary,end_mean,\n"
    folder = past.repository.cache.store({"scores.csv": table, "classes.csv": b"split,label\n"})
    lock = {"stages": {"evaluate": {"outs": [{"path": "reports/evaluate", "md5": folder}]}}}
    (past.root / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    past.save("model")
    assert side(past.repository, "HEAD").scores == {
        "event f1": 0.75,
        "event true": 4,
        "boundary end mean": None,
    }


def test_tags_name_labels(past: Past) -> None:
    made = tag(past.repository, "before-ben", "HEAD~2")
    assert made.counts == "labels: 3 in 2 annotations of 2 series"
    past.git("tag", "plain", "HEAD")
    past.git("tag", "too-old", "HEAD~3")
    assert [(each.name, each.counts or each.subject) for each in tags(past.repository.git)] == [
        ("before-ben", "labels: 3 in 2 annotations of 2 series"),
        ("plain", "labels: -2 in 1 series"),
    ]
    body = past.git("tag", "--list", "--format=%(contents:body)", "before-ben").split("\n")
    assert body[:4] == ["Label: knock 1", "Label: run 1", "Label: walk 1", "Annotator: ann@example.com 2"]
    assert "(before-ben)" in told(past)[8]
    for name, revision in (("x", "HEAD~3"), ("before-ben", "HEAD"), ("no name", "HEAD")):
        with pytest.raises(InputError):
            tag(past.repository, name, revision)


def test_the_commands(past: Past) -> None:
    assert labeltrail(past.root, "tag", "first", "HEAD~2").splitlines()[-1] == "next: git push --tags"
    words = labeltrail(past.root, "log", "-n", "1").splitlines()
    assert words[-1] == f"next: labeltrail show {past.repository.git.head()[:12]}"
    value = json.loads(labeltrail(past.root, "log", "--json", "--label", "knock"))
    assert [each["counts"]["series"] for each in value["commits"]] == [{"one": {"~": 1}}, {"one": {"+": 1}}]
    assert value["commits"][1]["tags"] == ["first"]
    value = json.loads(labeltrail(past.root, "diff", "HEAD~2", "HEAD~1", "--json"))
    assert [item["kinds"] for item in value["differences"][0]["items"]] == [["moved"], ["relabeled"]]
    assert "\x1b" not in labeltrail(past.root, "show", "HEAD~1")
