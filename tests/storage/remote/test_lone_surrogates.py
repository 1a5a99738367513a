"""Halves of characters (lone surrogates), which Label Studio stores and then responds to with HTTP 500."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from pipelines.branches.create import branch
from pipelines.branches.switch import switch
from stages import publish
from storage.errors import ServiceError
from storage.paths import LABELS
from storage.project import Project
from tests.conftest import Lab, recording, result
from tests.storage.labels.test_annotation_merge import text
from tests.storage.remote.test_odd_records import goes_back_and_forth, held, key, named, records


def test_half_of_a_letter_does_not_stop_a_sync(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    changed = held(lab, number) | {"result": [text("n", "\ud83d")]}
    lab.project.bucket.put(key(lab, number), json.dumps(changed).encode())
    assert named(lab, number).commit
    assert records(lab)[0]["result"] == [text("n", "\ud83d")]
    assert named(lab, number).commit == ""


def test_half_of_a_letter_is_given_to_label_studio_so_that_it_can_show_the_task(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    changed = held(lab, number) | {"result": [text("n", "\ud83d", "🏃")]}
    lab.project.bucket.put(key(lab, number), json.dumps(changed).encode())
    lab.sync()
    labels = lab.project.repository.pointer(LABELS)
    goes_back_and_forth(lab)
    for name in ("main", "another"):
        if name != "main":
            branch(lab.project, name)
            switch(lab.project, name)
        project = lab.project = Project(lab.project.root)
        assert lab.sync().commit == ""
        assert project.repository.pointer(LABELS) == labels
        state = project.remote.state()
        (task,) = [t for t in project.studio.tasks(state.project) if t.data["series"] == "one"]
        assert [a["result"] for a in project.studio.annotations(task.id)] == [[text("n", "\ufffd", "🏃")]]


def test_half_of_a_letter_that_label_studio_holds_is_mended(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    remote, studio = lab.project.remote, lab.project.studio
    lab.sync()
    task = lab.tasks()["one"]
    broken(lab, "POST", f"/api/tasks/{task}/annotations/", {"result": [text("n", "\ud83d")]})
    all_tasks = {"project": lab.number, "fields": "all"}  # as the page of all tasks asks for them
    with pytest.raises(ServiceError, match="Label Studio failed"):
        studio.session.call("GET", "/api/tasks", params=all_tasks)
    lab.annotate("two", (0.1, 0.5, "walk"))
    assert lab.sync().subject == "labels: +1 in 2 series"  # a text is no label
    assert "half a character is U+FFFD now" in capfd.readouterr().err
    assert records(lab)[0]["result"] == studio.annotations(task)[0]["result"] == [text("n", "\ufffd")]
    assert len(studio.session.call("GET", "/api/tasks", params=all_tasks)["tasks"]) == 3
    assert remote.mirror.with_lone_surrogate(remote.annotations_prefix) == []
    assert lab.sync().commit == ""


def broken(lab: Lab, method: str, path: str, body: Any) -> None:
    """Have Label Studio store what it then cannot show: it responds with HTTP 500, and has stored it."""
    studio = lab.project.studio
    headers = {"Authorization": studio.session._authorization, "Content-Type": "application/json"}
    answer = requests.request(
        method, studio.session.url + path, data=json.dumps(body), headers=headers, timeout=30
    )
    assert answer.status_code == 500


HALF = [{"x": "\ud83d"}]
BROKEN: dict[str, Callable[[Lab, int], None]] = {
    "a draft": lambda lab, task: broken(
        lab, "POST", f"/api/tasks/{task}/drafts", {"result": HALF, "lead_time": 1}
    ),
    "meta data": lambda lab, task: broken(lab, "PATCH", f"/api/tasks/{task}/", {"meta": HALF[0]}),
    "a prediction": lambda lab, task: broken(
        lab, "POST", "/api/predictions/", {"task": task, "model_version": "x", "result": HALF}
    ),
    "data": lambda lab, task: broken(
        lab, "PATCH", f"/api/tasks/{task}/", {"data": lab.project.remote.task_data("one", HALF[0])}
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_task_that_label_studio_cannot_show_stops_no_sync(lab: Lab, name: str) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    task, first = lab.tasks()["one"], lab.project.repository.git.head()
    studio = lab.project.studio
    second = studio.annotate(task, result((0.5, 0.9, "run")))
    lab.annotate("two", (0.1, 0.5, "walk"))
    BROKEN[name](lab, task)
    lab.project.bucket.delete([key(lab, second)])  # Label Studio could not write it, say
    done = lab.sync()
    assert (done.subject, done.healed) == ("labels: +2 in 2 series", 1)
    assert lab.sync().commit == ""
    lab.project.repository.git.run("checkout", first, "--", "data/labels.dvc")
    assert lab.sync(yes=True).pushed == 2
    assert [record["result"] for record in records(lab)] == [result((0.1, 0.5, "walk"))]


def test_a_prediction_that_label_studio_cannot_show_stops_no_publishing(lab: Lab) -> None:
    studio, version = lab.project.studio, "lstm-0123456-01234567"
    body = {"task": lab.tasks()["one"], "model_version": version, "result": HALF}
    broken(lab, "POST", "/api/predictions/", body)
    assert publish._send(studio, lab.number, version, [], {}) == 0
    assert (studio.model_versions(lab.number), studio.predictions(lab.number)) == ({}, [])


def half_annotation(lab: Lab, series: str) -> int:
    """An annotation that Label Studio stored and cannot show, and whose object it wrote."""
    there = set(numbers(lab))
    body = {"result": [text("n", "\ud83d")]}
    broken(lab, "POST", f"/api/tasks/{lab.tasks()[series]}/annotations/", body)
    (number,) = set(numbers(lab)) - there
    return number


def numbers(lab: Lab) -> list[int]:
    return [number for task in lab.project.studio.tasks(lab.number) for number in task.annotations]


def test_an_annotation_that_somebody_is_editing_is_not_mended(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.sync()
    number, studio = half_annotation(lab, "one"), lab.project.studio
    edit = {"result": result((0.1, 0.5, "walk")), "lead_time": 1}
    studio.session.call("POST", f"/api/tasks/{lab.tasks()['one']}/annotations/{number}/drafts", json=edit)
    other = lab.annotate("two", (0.1, 0.5, "walk"))
    assert lab.sync().subject == "labels: +1 in 2 series"
    assert "not repaired: an edit that was begun on it would be dropped" in capfd.readouterr().err
    studio.update_annotation(other, result=result((0.2, 0.5, "walk")))
    assert named(lab, other).subject == "labels: ~1 in 1 series"
    (draft,) = studio.drafts(lab.number).begun
    assert (draft["annotation"], draft["result"]) == (number, edit["result"])
    assert records(lab)[0]["result"] == [text("n", "\ud83d")]
    studio.session.call("DELETE", f"/api/drafts/{draft['id']}/")
    lab.sync()
    assert studio.annotation(number)["result"] == [text("n", "\ufffd")]


def test_an_annotation_that_label_studio_can_neither_show_nor_has_written_is_taken_over(lab: Lab) -> None:
    lab.sync()
    number = half_annotation(lab, "one")
    lab.project.bucket.delete([key(lab, number)])  # Label Studio could not write it, say
    lab.annotate("two", (0.1, 0.5, "walk"))
    lab.sync()
    assert {series: len(found) for series, found in lab.labels().items()} == {"one": 1, "two": 1}
    assert lab.project.studio.annotation(number)["result"] == [text("n", "\ufffd")]


def test_what_the_bucket_missed_or_kept_beside_it_is_not_forgotten(lab: Lab) -> None:
    kept, deleted = (lab.annotate(series, (0.1, 0.5, "walk")) for series in ("two", "three"))
    lab.sync()
    remote, studio = lab.project.remote, lab.project.studio
    left = remote.bucket.get(key(lab, deleted))[0]
    number = half_annotation(lab, "one")
    missed = lab.annotate("two", (0.6, 0.9, "run"))
    studio.delete_annotation(deleted)
    remote.bucket.put(key(lab, deleted), left)  # Label Studio could not delete it, say,
    remote.bucket.delete([key(lab, name) for name in (number, missed)])  # or write these
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "storage.label_studio.projects.Projects.sync_target", lambda *_: None
        )  # nor when it is asked to
        lab.sync(yes=True)
    assert {series: len(found) for series, found in lab.labels().items()} == {"two": 2}
    assert lab.sync().commit
    assert {series: len(found) for series, found in lab.labels().items()} == {"one": 1, "two": 2}
    assert sorted(numbers(lab)) == [kept, number, missed]
    assert lab.sync().commit == ""


def test_an_annotation_that_label_studio_cannot_show_is_synced_by_its_number(lab: Lab) -> None:
    lab.sync()
    number = half_annotation(lab, "one")
    lab.project.remote.annotations.refresh()  # so its object is as it was
    assert named(lab, number).commit
    assert [record["result"] for record in records(lab)] == [[text("n", "\ufffd")]]


def test_a_task_made_by_hand_that_label_studio_cannot_show_stops_nothing(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.sync()
    lab.annotate("two", (0.1, 0.5, "walk"))
    body = [{"data": {"csv": f"s3://{lab.project.bucket.name}/series/one.csv"}}]
    lab.project.studio.session.call("POST", f"/api/projects/{lab.number}/import", json=body)
    (number,) = [t.id for t in lab.project.studio.tasks(lab.number) if not t.source]
    broken(lab, "PATCH", f"/api/tasks/{number}/", {"data": {"csv": "\ud83d"}})
    for series in ("aa", "zz"):
        lab.project.bucket.put(f"series/{series}.csv", recording())
    assert lab.sync().subject == "labels: +1 in 1 series; series: +2"
    assert f"task {number}: Label Studio cannot show it" in capfd.readouterr().err
    found = {task.id: task for task in lab.project.studio.tasks(lab.number)}
    assert [task.id for task in found.values() if not task.readable] == [number]
    assert sorted(t.data["series"] for t in found.values() if t.readable) == [
        "aa",
        "one",
        "three",
        "two",
        "zz",
    ]
