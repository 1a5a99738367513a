"""Odd objects among those that Label Studio makes tasks of: they are set aside, and every recording gets its task.

Label Studio 1.23.2 ends at the first object that it cannot use, and fails at its list of tasks after some others.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.branches.restore import restore
from pipelines.import_.import_ import import_recordings
from storage.label_studio.projects import SourceError
from storage.project import Project
from storage.project_files import tasks_file
from tests.conftest import Lab, recording

GOOD = {"note": "by hand"}
ANNOTATION = {"result": [], "completed_by": 99999}
# What an object says, and what is left of its data in the plain one that takes its place.
ODD: dict[str, tuple[str, dict[str, Any]]] = {
    "NaN": ('{"data": {"note": "by hand", "x": NaN}}', GOOD | {"x": None}),
    "a number that is too large": ('{"data": {"note": "by hand", "x": 1e999}}', GOOD | {"x": None}),
    "half a character": ('{"data": {"note": "half \\ud83d"}}', {"note": "half \ufffd"}),
    "half a character in a name": ('{"data": {"half \\ud83d": 1}}', {"half \ufffd": 1}),
    "annotations": (json.dumps({"data": GOOD, "annotations": [ANNOTATION]}), GOOD),
    "annotations that are none": (json.dumps({"data": GOOD, "annotations": 5}), GOOD),
    "predictions": (json.dumps({"data": GOOD, "predictions": [{"result": [{"x": "\ud83d"}]}]}), GOOD),
    "a byte order mark": ("\ufeff" + json.dumps({"data": GOOD}), GOOD),
    "a list": (json.dumps([{"data": GOOD}, {"data": {"csv": "y"}}]), {}),
    "a text": ('{"data": "x"}', {}),
    "too deep": ('{"data": {"x": ' + "[" * 980 + "]" * 980 + "}}", {}),
    "no JSON": ("garbage", {}),
    "nothing": ("", {}),
}


def places(lab: Lab) -> list[str]:
    return [item.key for item in lab.project.bucket.objects("main/set-aside/")]


@pytest.mark.parametrize("name", ODD)
def test_the_tasks_behind_an_odd_object_are_made(lab: Lab, name: str) -> None:
    lab.sync()
    remote, bucket = lab.project.remote, lab.project.bucket
    for series in ("aa", "zz"):
        bucket.put(f"series/{series}.csv", recording())
    odd, left = ODD[name]
    bucket.put(remote.task_key("aa"), odd.encode())
    done = lab.sync()
    assert lab.tasks().keys() == {"one", "two", "three", "aa", "zz"}
    assert done.subject.endswith("series: +2")
    ((key, why),) = done.aside
    (place,) = places(lab)
    assert (key, why.endswith(f"; it is {place} now")) == (remote.task_key("aa"), True)
    assert bucket.get(place)[0] == odd.encode()
    assert json.loads(bucket.get(key)[0]) == {"data": remote.task_data("aa", left)}
    assert tasks_file.read(lab.project.root / tasks_file.PATH).get("aa", {}) == left
    again = lab.sync()
    assert (again.commit, again.aside, places(lab)) == ("", [], [place])


def test_a_dry_run_names_it_and_moves_nothing(lab: Lab) -> None:
    lab.sync()
    key = lab.project.remote.task_key("aa")
    lab.project.bucket.put("series/aa.csv", recording())
    lab.project.bucket.put(key, b"[]")
    done = lab.sync(dry_run=True)
    assert done.aside == [(key, "its data is no JSON object")]
    assert (places(lab), lab.project.bucket.get(key)[0]) == ([], b"[]")


def test_task_data_that_git_knows_take_the_place_of_an_odd_object(lab: Lab) -> None:
    remote = lab.project.remote
    remote.put_task("one", GOOD)
    lab.sync()
    lab.project.bucket.put(remote.task_key("one"), b"garbage")
    assert lab.sync().commit == ""
    assert json.loads(lab.project.bucket.get(remote.task_key("one"))[0])["data"]["note"] == "by hand"


def test_a_key_that_is_no_series_goes_away_and_a_long_one_gets_a_short_name(lab: Lab) -> None:
    lab.sync()
    bucket, long = lab.project.bucket, "x" * 250
    for name in ("no\nseries", "no-recording", long):
        bucket.put(f"main/tasks/{name}.json", b"[]")
    bucket.put("main/tasks/one.json\n", b"[]")  # Label Studio reads this one too
    bucket.put("main/tasks/no-task.txt", b"left alone")
    assert len(lab.sync().aside) == 5
    left = [item.key for item in bucket.objects("main/tasks/")]
    assert left == [f"main/tasks/{name}" for name in ("no-task.txt", "one.json", "three.json", "two.json")]
    assert len(places(lab)) == 4
    assert not any(long in place for place in places(lab))


def test_an_import_and_a_restore_move_it_too(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    remote, bucket = lab.project.remote, lab.project.bucket
    bucket.put(remote.task_key("aa"), b"[]")
    folder = lab.project.root.parent / "more"
    folder.mkdir()
    (folder / "zz.csv").write_bytes(recording())
    import_recordings(lab.project, str(folder))
    assert "set aside: main/tasks/aa.json: its data is no JSON object; it is" in capfd.readouterr().err
    assert "zz" in lab.tasks()
    lab.sync()
    for series in ("bb", "one"):
        bucket.put(remote.task_key(series), b"5")
    lab.project.studio.projects.delete(lab.number)
    lab.project = Project(lab.project.root)
    done = restore(lab.project)
    assert [place.rpartition(".")[0] for place in done.aside] == [
        f"main/set-aside/tasks/{series}.json" for series in ("bb", "one")
    ]
    assert (done.annotations, len(places(lab))) == (1, 3)


def test_what_label_studio_cannot_use_all_the_same_is_said_and_labels_are_synced(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.sync()
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.project.bucket.put("main/tasks/a/b.json", b"5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "storage.remote.task_objects.set_aside", lambda remote, *_: remote.refresh_tasks() or []
        )
        lab.project.bucket.put("series/zz.csv", recording())
        assert lab.sync().subject == "labels: +1 in 1 series; series: +1"
    assert "Label Studio did not make tasks of all objects" in capfd.readouterr().err
    source = lab.project.studio.projects.storages(lab.number)[0][0]["id"]
    with pytest.raises(SourceError, match="did not make tasks"):
        lab.project.studio.projects.sync_source(source)
