"""Odd labels and odd keys on the real servers: what can be kept is kept, what cannot is named, the rest goes on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.sync import apply, push_labels
from pipelines.sync.result import Options, SyncResult
from pipelines.sync.sync import sync
from storage import worktree
from storage.errors import InputError, NotFoundError
from storage.labels import snapshot
from storage.labels.snapshot import Record
from storage.project import Project
from storage.project_files import tasks_file
from storage.remote.remote import Remote
from storage.s3.keys import key_problem, shard_name
from storage.text.json_text import parse_json
from tests.conftest import Lab, recording, result
from tests.storage.labels.test_annotation_merge import choice, region, relation, text

ODD = 'ünï čödé 走る 🏃 \u2028 \x85 " \\ \n'


def records(lab: Lab, series: str = "one") -> list[Record]:
    return lab.labels().get(series, [])


def key(lab: Lab, name: object) -> str:
    return f"{lab.project.remote.annotations_prefix}{name}"


def held(lab: Lab, number: int) -> dict[str, Any]:
    """An annotation's object in the bucket."""
    found: dict[str, Any] = json.loads(lab.project.bucket.get(key(lab, number))[0])
    return found


def named(lab: Lab, *numbers: int) -> SyncResult:
    """A sync that looks at these annotations only."""
    lab.project = Project(lab.project.root)
    return sync(lab.project, Options(annotations=numbers))


def goes_back_and_forth(lab: Lab) -> None:
    """A second sync finds nothing; without the labels and with them again, every byte is as it was."""
    folder, git = lab.project.root / "data/labels", lab.project.repository.git.run
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert lab.sync().commit == ""
    head = lab.project.repository.git.head()
    git("checkout", "HEAD~1", "--", "data/labels.dvc")
    lab.sync(yes=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} != before
    git("checkout", head, "--", "data/labels.dvc")
    lab.sync()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert lab.sync().commit == ""


def test_whatever_label_studio_stores_is_kept_to_the_byte(lab: Lab) -> None:
    lab.sync()
    many = [region(f"r{n}", n / 1000, end=(n + 1) / 1000) for n in range(10_000)]
    odd = [
        region("a") | {"meta": {"text": ["unsure", ODD]}, "origin": "manual", "score": 0.5, "mood": {"x": [1]}},
        region("b", 3),
        region("b", 3),
        choice("a", "good"),
        choice("q", ODD),
        text("b", "first", "second"),
        relation("a", "b", "causes"),
        region("s") | {"value": {"start": "2026-01-02 03:04", "end": "0NaN-NaN-NaN NaN:NaN:NaN"}},
        region("n") | {"value": {"start": 1e-8, "end": None, "timeserieslabels": ["walk", ODD], "big": 10**30}},
        {"from_name": "label"},
    ]  # fmt: skip
    numbers = [lab.project.studio.annotate(lab.tasks()["one"], items) for items in (many, odd)]
    done = lab.sync()
    assert done.aside == []
    assert [record["result"] for record in records(lab)] == [many, odd]
    for path in (lab.project.root / "data/labels").iterdir():
        for line in path.read_bytes().splitlines():
            json.loads(line, parse_constant=pytest.fail)
    goes_back_and_forth(lab)
    again = [a["result"] for a in lab.project.studio.annotations(lab.tasks()["one"])]
    assert again in ([many, odd], [odd, many])
    assert numbers[0] not in [a["id"] for a in lab.project.studio.annotations(lab.tasks()["one"])]


def test_nan_is_null_and_fields_that_nobody_knows_are_kept(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    data = json.dumps(held(lab, number) | {"of tomorrow": {"deep": [1, {"x": ODD}]}, "unset": None})
    data = data.replace('"end": 0.5', '"end": NaN, "far": -Infinity, "further": 1e999')
    lab.project.bucket.put(key(lab, number), data.encode())
    assert named(lab, number).subject == "labels: ~1 in 1 series"
    (record,) = records(lab)
    value = {"start": 0.1, "end": None, "far": None, "further": None}
    assert record["result"][0]["value"] | value == record["result"][0]["value"]
    assert record["of tomorrow"] == {"deep": [1, {"x": ODD}]}
    assert "unset" not in record
    assert named(lab, number).commit == ""
    assert lab.sync().aside == []


def test_bytes_that_change_and_mean_the_same_are_no_change(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    labels = lab.sync().labels
    found = held(lab, number)
    again = dict(reversed(found.items())) | {"created_ago": "9 years", "updated_at": "2031-01-01T00:00:00.0Z"}
    lab.project.bucket.put(key(lab, number), json.dumps(again, indent=4).encode("utf-16"))
    done = named(lab, number)
    assert (done.commit, done.labels) == ("", labels)


def test_an_object_in_another_place_than_its_annotation_is_set_aside(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    other = json.dumps(held(lab, number) | {"result": result((0.2, 0.3, "run"))}).encode()
    names = [f"0{number}", f"{number}.json", f"old/{number}", "9999999"]
    for name in names:
        lab.project.bucket.put(key(lab, name), other)
    done = lab.sync()
    assert (done.commit, [name for name, _ in done.aside]) == ("", sorted(key(lab, name) for name in names))
    assert done.aside[0][1] == (
        f"it says that it is annotation {number}, whose place is {key(lab, number)}"
    )  # fmt: skip
    assert records(lab)[0]["result"] == result((0.1, 0.5, "walk"))


def test_an_object_that_can_no_longer_be_read_takes_no_label_away(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    labels = lab.sync().labels
    for data in (b"", b"\xff\xfe{", b"[" * 100_000, b'"' + b"x" * 50_000_000):
        lab.project.bucket.put(key(lab, number), data)
        lab.project.bucket.put(key(lab, "stray"), data)
        done = named(lab, number)
        assert (done.commit, done.labels, done.healed) == ("", labels, 1)
        assert [name for name, _ in done.aside] == [key(lab, "stray")]
    assert held(lab, number)["result"] == result((0.1, 0.5, "walk"))


def test_an_annotation_of_a_task_that_label_studio_does_not_have(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    known = held(lab, number)
    for other, task in ((8001, {"id": 8001}), (8002, {"id": None}), (8003, {"id": "two"})):
        data = json.dumps(known | {"id": other, "task": known["task"] | task}).encode()
        lab.project.bucket.put(key(lab, other), data)
    for _ in range(2):
        done = lab.sync()
        assert (done.commit, dict(done.aside)) == ("", {
            key(lab, 8001): "Label Studio has no such task",
            key(lab, 8002): "it does not say which task it belongs to",
            key(lab, 8003): "it does not say which task it belongs to",
        })  # fmt: skip
    assert held(lab, 8001)["result"] == result((0.1, 0.5, "walk")), "no label commit has it: it is left there"
    assert len(records(lab)) == 1


@pytest.mark.parametrize("ids", [False, True])
def test_an_annotation_that_moves_to_another_series(lab: Lab, ids: bool) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.annotate("three", (0.1, 0.5, "run"))
    lab.sync()
    lab.project.studio.update_annotation(number, task=lab.tasks()["two"])
    assert (named(lab, number) if ids else lab.sync()).subject == "labels: +1 -1 in 2 series"
    assert sorted(lab.labels()) == ["three", "two"]
    for path in (lab.project.root / "data/labels").iterdir():
        for record in snapshot.parse_shard(path.read_bytes(), path.name):
            assert shard_name(record["series"]) == path.name
    assert lab.sync().commit == ""


def test_two_tasks_on_one_recording(lab: Lab) -> None:
    lab.sync()
    address = lab.project.bucket.url("series/one.csv")
    data = {"csv": address, "series": "one"}
    lab.project.studio.session.call("POST", f"/api/projects/{lab.number}/import", json=[{"data": data}])
    first, second = sorted(
        task.id for task in lab.project.studio.tasks(lab.number) if task.data["series"] == "one"
    )
    for task, label in ((first, "walk"), (second, "run")):
        lab.project.studio.annotate(task, result((0.1, 0.5, label)))
    lab.sync()
    assert [record["result"] for record in records(lab)] == [
        result((0.1, 0.5, label)) for label in ("walk", "run")
    ]
    goes_back_and_forth(lab)


GOOD = ["a b/c+d", "100%#1&", "so?", "Case", "case", "ü/走る", "..."]


def test_series_with_odd_names(lab: Lab) -> None:
    lab.sync()
    for number, name in enumerate(GOOD):
        lab.project.bucket.put(f"series/{name}.csv", recording(seed=number))
    assert lab.sync().subject == f"series: +{len(GOOD)}"
    assert sorted(lab.tasks()) == sorted([*GOOD, "one", "two", "three"])
    for name in GOOD:
        lab.annotate(name, (0.1, 0.5, "walk"))
    done = lab.sync()
    assert (done.subject, done.aside) == (f"labels: +{len(GOOD)} in {len(GOOD)} series", [])
    assert sorted(lab.labels()) == sorted(GOOD)
    for number, name in enumerate(GOOD):
        assert (lab.project.root / f"data/series/{name}.csv").read_bytes() == recording(seed=number)
    assert [key for key in GOOD if "?" not in key and not read_by_label_studio(lab, key)] == []
    goes_back_and_forth(lab)


def read_by_label_studio(lab: Lab, series: str) -> bool:
    """Whether Label Studio shows the recording of a series."""
    task = lab.project.studio.task(lab.tasks()[series])
    return lab.project.studio.download(task.data["csv"]).startswith(b"time,acc_x")


BAD = [
    "",
    "..",
    "../escaped",
    "a/../b",
    "/etc/passwd",
    "a//b",
    "./a",
    ".git/x",
    "a/.dvc/b",
    "a\nb",
    "x" * 250,
]
INSIDE = "one.csv/inside"  # of a recording that is a file


def test_series_that_can_be_no_file_are_refused_by_name(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.sync()
    # MinIO does not list what lies below another object, and refuses some of the others: its listing is made up.
    listed = type(lab.project.bucket).objects

    def objects(bucket: Any, prefix: str) -> Any:
        found = list(listed(bucket, prefix))
        if prefix == "series/":
            like = found[0]
            found += [type(like)(f"series/{name}.csv", like.etag, like.size) for name in [*BAD, INSIDE]]
        return iter(found)

    with monkeypatch.context() as patch:
        patch.setattr(type(lab.project.bucket), "objects", objects)
        done = lab.sync()
        assert done.commit == ""
        refused = {name.removeprefix("series/").removesuffix(".csv") for name, _ in done.aside}
        assert refused == {*BAD, INSIDE}
        assert all(why for _, why in done.aside)
        lab.annotate("one", (0.1, 0.5, "walk"))
        assert lab.sync().subject == "labels: +1 in 1 series"
    assert sorted(path.name for path in (lab.project.root / "data/series").rglob("*")) == [
        "one.csv", "three.csv", "two.csv"
    ]  # fmt: skip
    assert not (lab.project.root.parent / "escaped.csv").exists()


def test_names_are_judged() -> None:
    assert [name for name in BAD if not key_problem(name)] == []
    assert [name for name in GOOD if key_problem(name)] == []


def test_task_data_keep_every_letter() -> None:
    known = {ODD: {"subject": ODD}, "": {}}
    assert tasks_file.parse("".join(map(line, sorted(known.items()))), "tasks.jsonl") == known


def line(item: tuple[str, dict[str, Any]]) -> str:
    return json.dumps({"data": item[1], "series": item[0]}, ensure_ascii=False) + "\n"


def test_numbers_that_json_lacks() -> None:
    assert parse_json("k", b"[NaN, Infinity, -Infinity, 1e999, -1e999, 1e308, 1.5]") == [None] * 5 + [
        1e308,
        1.5,
    ]
    assert math.isfinite(parse_json("k", b"0.1"))
    with pytest.raises(InputError, match="cannot be read"):
        Remote.parse_task(None, "k", b"[" * 100_000)  # type: ignore[arg-type]


DEEP = json.dumps({"data": json.loads('{"a":' * 98 + "1" + "}" * 98)})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ('{"data": [[null, 1], ["a", 2]]}', "its data is no JSON object"),  # pairs, which would make a dict
        ('{"data": "subject"}', "its data is no JSON object"),
        ("[]", "its data is no JSON object"),
        ('{"a":' * 100 + "1" + "}" * 100, "nested more than 99 deep"),  # 100 may be read, and 101 be written
        (DEEP, ""),
    ],
)
def test_what_is_taken_of_a_task_can_be_read_again(data: str, why: str, tmp_path: Path) -> None:
    remote = Remote(None, None, None, "main", "csv")  # type: ignore[arg-type]
    path = tmp_path / "tasks.jsonl"
    if not why:
        tasks_file.write({"one": remote.parse_task("main/tasks/one.json", data.encode())}, path)
        assert tasks_file.read(path)["one"] == json.loads(data)["data"]
        return
    with pytest.raises(InputError) as caught:
        remote.parse_task("main/tasks/one.json", data.encode())
    assert why in caught.value.why


def test_a_group_is_no_longer_than_a_name() -> None:
    """A table with a longer cell than 131,072 characters would be written and never be read again."""
    assert apply.group_of("x" * 1000) == "x" * 1000
    assert apply.group_of("x" * 1001) == ""
    assert [apply.group_of(value) for value in (7, "", None, True, ["a"])] == ["7", "", "", "", ""]


def test_labels_for_a_series_without_a_task_are_refused_by_its_name() -> None:
    """A task that somebody deleted in Label Studio, or whose `series` was changed there."""
    studio: Any = SimpleNamespace(tasks=lambda project: [SimpleNamespace(id=5, data={"series": "one"})])
    assert push_labels.tasks_of(studio, 1, {"one"}) == {"one": 5}
    with pytest.raises(NotFoundError, match="no task for them"):
        push_labels.tasks_of(studio, 1, {"one", "two"})


def test_a_link_that_leads_nowhere_beside_recordings_stops_no_sync(tmp_path: Path) -> None:
    """An editor's lock is one."""
    folder = tmp_path / "data/series"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"x")
    repository: Any = SimpleNamespace(root=tmp_path, pointer=lambda name: "md5")
    notes: dict[str, str] = {}
    mirror: Any = SimpleNamespace(note=notes.get, set_note=notes.__setitem__)
    worktree.mark_current(repository, mirror, ["data/series"])
    (folder / ".#a.csv").symlink_to("ann@machine.123:456")
    assert not worktree.is_current(repository, mirror, ["data/series"])
    worktree.mark_current(repository, mirror, ["data/series"])
    assert worktree.is_current(repository, mirror, ["data/series"])
