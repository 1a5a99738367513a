"""Labels, keys and people with characters that delimit, move a cursor or forge a line: on the real servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.history.log import log
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage import printable, process
from storage.project import Project
from storage.remote import remote
from storage.remote.sync_state import DamagedStateError, State, parse
from tests.conftest import Lab, result
from tests.pipelines.test_cli import labeltrail
from tests.support.history_project import Past, record

# A record separator, which once delimited git's log; a forged trailer; escapes; bidi; NUL; separators of lines.
HOSTILE = [
    "a\x1eb\x1fc",
    "walk +1\n\nAnnotator: ben@example.com +99",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m\x85\u2028\u2029",
    "\u202eklaw\u2066",
    "nul\x00nul",
    "half \ud83d",
    "-rf, walk +9; by ben@example.com",
    "#comment",
    "🏃\U000e0041",
    "x" * 1000,
]
# Label Studio itself answers 500 to these; an object in the bucket may hold them.
NOT_STORED = ("nul\x00nul", "half \ud83d")
COMMANDS = (
    ["log"], ["log", "--json"], ["show"], ["show", "--json"], ["diff", "HEAD~1", "HEAD"],
    ["diff", "HEAD~1", "HEAD", "--stat"], ["diff", "HEAD~1", "HEAD", "--json"], ["tag", "hostile"], ["tag"],
    ["trace", "HEAD"], ["trace", "one"], ["status"], ["gc", "--dry-run"], ["undo", "--dry-run"],
    ["rollback", "HEAD~1", "--dry-run"], ["sync", "--dry-run"], ["fsck"], ["branches"],
)  # fmt: skip


def raw(text: str) -> list[str]:
    """Characters of an output that a terminal would act on."""
    return sorted(set(printable.UNSAFE.findall(text)) - {"\n"})


@pytest.fixture
def hostile(lab: Lab) -> Lab:
    """A label commit without and one with a region of each hostile label."""
    lab.annotate("one", (0.1, 0.2, "walk"))
    lab.sync()
    for number, label in enumerate(HOSTILE):
        start = number / 10
        regions = result((start, start + 0.05, "walk" if label in NOT_STORED else label))
        made = lab.project.studio.annotate(lab.tasks()["two"], regions)
        if label in NOT_STORED:
            key = lab.project.remote.annotations.key(made)
            value = json.loads(lab.project.bucket.get(key)[0]) | {
                "result": result((start, start + 0.05, label))
            }
            lab.project.bucket.put(key, json.dumps(value).encode())
    lab.sync()
    return lab


def test_every_label_is_kept_and_no_command_is_fooled(hostile: Lab) -> None:
    found = [r["result"][0]["value"]["timeserieslabels"][0] for r in hostile.labels()["two"]]
    assert sorted(found) == sorted(HOSTILE)
    assert [entry.commit.subject for entry in log(hostile.project.repository)] == [
        f"labels: +{len(HOSTILE)} in 1 series",
        "labels: +1 in 1 series; series: +3",
    ]
    newest = next(log(hostile.project.repository))
    assert newest.counts is not None
    assert dict(newest.counts.annotators) == {hostile.project.studio.whoami(): {"+": len(HOSTILE)}}
    body = hostile.project.repository.git.run("show", "--no-patch", "--format=%B", "HEAD")
    assert raw(body) == []
    for words in COMMANDS:
        text = labeltrail(hostile.project.root, *words)
        assert raw(text) == [], words
        if "--json" in words:
            assert json.loads(text)["version"] == 1
    undone = sync(Project(hostile.project.root), Options(dry_run=True))
    assert (undone.subject, undone.pushed) == ("", 0)


def test_gits_own_log_and_diff_are_not_fooled(hostile: Lab) -> None:
    root = hostile.project.root
    labeltrail(root, "git-setup")
    for words in (
        ["log", "-p", "--", "data/labels.dvc"],
        ["diff", "HEAD~1", "HEAD", "--", "data/labels.dvc"],
    ):
        assert raw(process.run(["git", *words], cwd=root)) == []


def test_a_label_of_any_length_and_very_many_labels(lab: Lab) -> None:
    lab.sync()
    long = lab.annotate("one", (0.1, 0.2, "x" * 200_000))
    lab.project.studio.annotate(
        lab.tasks()["two"],
        [{**result((0.1, 0.2, f"label {number:05}"))[0], "id": f"r{number}"} for number in range(3000)],
    )
    done = lab.sync()
    key = lab.project.remote.annotations.key(long)
    assert done.aside == [(key, "a label has 200,000 characters, 1000 at most")]
    assert done.subject == "labels: +3000 in 1 series"
    body = lab.project.repository.git.run("show", "--no-patch", "--format=%b", "HEAD").splitlines()
    assert "Labels: 2800 more" in body
    assert len(body) < 300
    assert lab.sync().commit == ""


def test_a_repository_that_has_such_a_commit_already_is_read(tmp_path: Any) -> None:
    """Older versions put labels into messages as they are."""
    past = Past(tmp_path / "past")
    past.label([record("one", 1, (0.1, 0.5, "walk"))])
    message = (
        "labels: +1 in 1 series\n\nAnnotations: +1\nLabel: a\x1eb\x1fc +1\nAnnotator: ann@example.com +1"
    )
    past.label([record("one", 1, (0.1, 0.5, "a\x1eb\x1fc"))], message=message)
    past.label([record("one", 1, (0.1, 0.6, "walk"))])
    subjects = [commit.subject for commit in past.repository.git.label_commits()]
    assert subjects == ["labels: ~1 in 1 series", "labels: +1 in 1 series", "labels: +1 in 1 series"]
    for words in (
        ["log"],
        ["show", "HEAD~1"],
        ["diff", "HEAD~2", "HEAD"],
        ["tag", "kept", "HEAD~1"],
        ["trace", "HEAD"],
    ):
        assert raw(labeltrail(past.root, *words)) == []


ODD_OBJECTS: dict[str, tuple[dict[str, Any], str]] = {
    "a number that is true": ({"id": True}, "its `id` is no number"),
    "a moment that is none": ({"updated_at": "yesterday"}, "`updated_at` is no valid time: 'yesterday'"),
    "half a character in a moment": (
        {"created_at": "2026-01-02\ud83d03:04:05"},
        "`created_at` is no valid time: '2026-01-02\\ud83d03:04:05'",
    ),
    "a flag that is text": ({"was_cancelled": "no"}, "`was_cancelled` is neither true nor false"),
    "nobody": ({"completed_by": ["ann"]}, "it does not say who made it: `completed_by` is no account"),
    "a series that leads elsewhere": (
        {"task": {"id": 1, "data": {"series": "../../x"}}},
        "it shows no recording: its name leads out of its folder, or has an empty part",
    ),
}


def test_odd_objects_are_set_aside_and_the_rest_goes_on(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    data = json.loads(lab.project.bucket.get(lab.project.remote.annotations.key(number))[0])
    expected = []
    for stray, (change, why) in enumerate(ODD_OBJECTS.values(), 9000):
        key = lab.project.remote.annotations.key(stray)
        lab.project.bucket.put(key, json.dumps(data | {"id": stray} | change).encode())
        expected.append((key, why))
    lab.annotate("two", (0.1, 0.5, "run"))
    for subject in ("labels: +1 in 1 series", ""):
        done = lab.sync()
        assert (done.subject, sorted(done.aside)) == (subject, expected)


def test_json_that_is_nested_very_deep_is_set_aside(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    data = lab.project.bucket.get(lab.project.remote.annotations.key(number))[0]
    for depth, stray in ((980, "9001"), (99_999, "9002")):
        deep = data.replace(b'"lead_time": null', b'"lead_time": ' + b"[" * depth + b"]" * depth)
        assert deep != data
        lab.project.bucket.put(f"{lab.project.remote.annotations_prefix}{stray}", deep)
    done = lab.sync()
    assert len(done.aside) == 2
    assert done.aside[0][1] == "lists and objects are nested more than 100 deep"
    assert done.aside[1][1].startswith("not JSON: ")


SYNC_JSON = [
    {"project": "1"}, {"project": True}, {"project": -1}, {"labels": 5}, {"labels": "../x.dir"}, {"series": None},
    {"history": "abc"}, {"history": [["a"]]}, {"history": 7}, {"ids": []}, {"ids": {"x": "y"}}, {"ids": {"7": 7}},
    {"pushing": ["x"]}, {"label_config": 1}, {"commit": "HEAD"}, {"version": "3"}, {"version": None}, {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("change", SYNC_JSON, ids=str)
def test_a_sync_json_of_wrong_types_is_damaged(change: dict[str, Any]) -> None:
    right = State(project=7).dump()
    assert parse(right, "e", "sync.json") == State(project=7, etag="e")
    with pytest.raises(DamagedStateError):
        parse(json.dumps(json.loads(right) | change).encode(), "e", "sync.json")


def test_a_damaged_sync_json_is_an_error_with_a_cure(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    key = lab.project.remote.state_key
    lab.project.bucket.put(
        key, json.dumps(json.loads(lab.project.bucket.get(key)[0]) | SYNC_JSON[0]).encode()
    )
    with pytest.raises(process.ProgramError) as caught:
        labeltrail(lab.project.root, "sync")
    assert (caught.value.returncode, caught.value.stderr.splitlines()[0]) == (3, "sync.json is damaged")
    labeltrail(lab.project.root, "restore")
    assert lab.sync().commit == ""
    assert list(lab.labels()) == ["one"]
    monkeypatch.setattr(remote, "LARGEST", 5)
    with pytest.raises(DamagedStateError, match="is damaged") as large:
        lab.project.remote.state()
    assert large.value.why.endswith("bytes, and 5 at most are read")
    assert large.value.etag == lab.project.bucket.get(key)[1]


def test_an_object_of_very_many_bytes_is_not_read(lab: Lab) -> None:
    lab.sync()
    key = lab.project.remote.annotations.key(9000)
    lab.project.bucket.put(key, b" " * 16_000_001)
    done = lab.sync()
    assert done.aside == [(key, "it has 16,000,001 bytes, and 16,000,000 at most are read")]
    done = sync(Project(lab.project.root), Options(annotations=(9000,)))
    assert done.aside == [(key, "it has 16,000,001 bytes, and 16,000,000 at most are read")]


def test_a_key_with_control_characters_is_named_on_one_line_and_a_branch_with_it_can_be_dropped(
    lab: Lab,
) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    labeltrail(lab.project.root, "branch", "idea")
    odd = "idea/annotations/9\nnext: rm -rf ~\x1b[2J\r\x01"
    lab.project.bucket.put(odd, b"{}")
    text = labeltrail(lab.project.root, "drop", "idea", "--yes")
    assert raw(text) == []
    assert list(lab.project.bucket.objects("idea/")) == []
