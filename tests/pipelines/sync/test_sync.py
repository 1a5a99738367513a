"""Sync on the real Label Studio, MinIO, git and DVC: every change becomes a label commit, and none is lost."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from pipelines.sync import sync as syncing
from storage.errors import ConflictError, InputError, NotFoundError
from storage.project import Project
from storage.repo import git_hooks
from tests.conftest import CONFIG, Lab, clone, recording, result


def test_a_branch_without_a_project_says_what_to_do(empty: Project) -> None:
    (empty.root / "data").mkdir(exist_ok=True)
    (empty.root / "data/label_config.xml").write_text(CONFIG, encoding="utf-8")
    with pytest.raises(NotFoundError) as caught:
        syncing.sync(empty)
    assert str(caught.value) == (
        "branch 'main' has no Label Studio project yet\n"
        f"  why: there is no s3://{empty.bucket.name}/main/sync.json\n"
        "  next: labeltrail import PATH"
    )


def test_labels_become_label_commits_in_words(lab: Lab) -> None:
    first = lab.annotate("one", (0.1, 0.5, "walk"), (0.6, 0.6, "knock"))
    lab.annotate("two", (0.2, 0.4, "run"))
    done = lab.sync()
    assert done.subject == "labels: +3 in 2 series; series: +3"
    message = lab.project.repository.git.run("show", "--no-patch", "--format=%b", done.commit).strip()
    assert message.splitlines() == [
        "Annotations: +2",
        "Label: knock +1",
        "Label: run +1",
        "Label: walk +1",
        f"Annotator: {lab.project.studio.whoami()} +3",
    ]
    assert lab.sync().commit == ""

    lab.project.studio.update_annotation(first, result=result((0.1, 0.7, "walk"), (0.6, 0.6, "knock")))
    edited = lab.sync()
    assert edited.subject == "labels: ~1 in 1 series"
    assert "ingest" not in edited.runs
    assert edited.runs["window"] == "data/labels"
    assert edited.runs["train"] == "data/dataset"
    lab.project.studio.delete_annotation(first)
    assert lab.sync().subject == "labels: -2 in 1 series"
    lab.annotate("three")
    assert lab.sync().subject == "labels: 1 annotation without a label changed in 1 series"
    lab.annotate("one", was_cancelled=True)
    lab.sync()
    records = {
        series: [(r["was_cancelled"], len(r["result"])) for r in rs] for series, rs in lab.labels().items()
    }
    assert records == {"one": [(True, 0)], "three": [(False, 0)], "two": [(False, 1)]}
    assert lab.project.repository.git.run("status", "--porcelain") == ""


def test_saving_without_a_change_is_no_change(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"))
    labels = lab.sync().labels
    lab.project.studio.update_annotation(made, result=result((0.1, 0.5, "walk")), lead_time=99.0)
    again = lab.sync()
    assert (again.commit, again.labels) == ("", labels)


def test_the_ground_truth_star_is_a_change(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    lab.project.studio.update_annotation(made, ground_truth=True)
    assert lab.sync().commit
    assert [r["ground_truth"] for r in lab.labels()["one"]] == [True]


def test_an_annotation_that_the_bucket_missed_is_found_and_written(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"))
    key = f"{lab.project.remote.annotations_prefix}{made}"
    lab.project.bucket.delete([key])
    done = lab.sync()
    assert (done.healed, len(lab.labels()["one"])) == (1, 1)
    assert json.loads(lab.project.bucket.get(key)[0])["result"] == result((0.1, 0.5, "walk"))
    assert lab.sync().commit == ""


def test_an_edit_that_the_bucket_missed_is_found(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    key = f"{lab.project.remote.annotations_prefix}{made}"
    old, _ = lab.project.bucket.get(key)
    time.sleep(0.5)  # an edit in the same quarter of a second as the one before it is not a person's
    lab.project.studio.update_annotation(made, result=result((0.1, 0.9, "run")))
    lab.project.bucket.put(key, old)
    done = lab.sync()
    assert (done.healed, done.subject) == (1, "labels: ~1 in 1 series")
    assert lab.labels()["one"][0]["result"] == result((0.1, 0.9, "run"))


def test_an_object_that_outlived_its_annotation_is_removed(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.annotate("two", (0.1, 0.5, "walk"))
    lab.sync()
    key = f"{lab.project.remote.annotations_prefix}{made}"
    data, _ = lab.project.bucket.get(key)
    lab.project.studio.delete_annotation(made)
    lab.project.bucket.put(key, data)
    assert lab.sync().subject == "labels: -1 in 1 series"
    assert list(lab.labels()) == ["two"]
    assert [o.key for o in lab.project.bucket.objects(key)] == []


STRAY = [
    (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
    (
        b"{not json",
        "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    ),
    (b"[]", "it does not say which task it belongs to"),
    (
        b'{"id": 1, "task": {"id": 1, "data": {"csv": "elsewhere"}}}',
        "its task shows no recording of this bucket",
    ),
    (b'{"id": 1, "task": {"data": {"series": "one"}}}', "it lacks `id`, `created_at` or `updated_at`"),
    (
        b'{"id": 1, "created_at": "", "updated_at": "", "task": {"data": {"series": "one"}}, "result": {}}',
        "`result` is not a list of regions",
    ),
]


def test_objects_that_are_no_annotations_are_set_aside_and_named(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    expected = []
    for number, (data, problem) in enumerate(STRAY):
        expected.append((f"{lab.project.remote.annotations_prefix}stray{number}", problem))
        lab.project.bucket.put(expected[-1][0], data)
    assert sorted(lab.sync().aside) == expected
    assert list(lab.labels()) == ["one"]
    left = lab.project.bucket.objects(f"{lab.project.remote.annotations_prefix}stray")
    assert [o.key for o in left] == [key for key, _ in expected], "they are left where they are"


def test_every_cache_can_be_deleted(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    labels = lab.sync().labels
    (lab.project.root / ".labeltrail/mirror.sqlite").write_bytes(b"not a database")
    assert lab.sync().commit == ""
    lab.project.root.joinpath("data/labels").rename(lab.project.root / "away")
    lab.project.root.joinpath(".dvc/cache").rename(lab.project.root / "away-too")
    (lab.project.root / ".labeltrail/mirror.sqlite").unlink()
    again = lab.sync()
    assert (again.commit, again.labels) == ("", labels)
    assert list(lab.labels()) == ["one"]


def test_another_clone_goes_on_where_the_first_one_stopped(lab: Lab, tmp_path: Path) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    root = tmp_path / "second"
    other = Lab(clone(root, lab.project.settings, lab.project.bucket.name), lab.number)
    other.project.repository.git.run("pull", "--quiet", str(lab.project.root), "main")
    assert other.sync().commit == ""
    other.annotate("two", (0.1, 0.5, "run"))
    assert other.sync().subject == "labels: +1 in 1 series"
    assert lab.sync().subject == "labels: +1 in 1 series"
    assert lab.labels() == other.labels()


def test_labels_that_git_brought_back_go_back_into_label_studio(lab: Lab) -> None:
    kept = lab.annotate("one", (0.1, 0.5, "walk"))
    gone = lab.annotate("two", (0.2, 0.4, "run"), ground_truth=True)
    good = lab.sync()
    lab.project.studio.update_annotation(kept, result=result((0.1, 0.9, "run")))
    lab.project.studio.delete_annotation(gone)
    lab.annotate("three", (0.3, 0.3, "knock"))
    lab.sync()
    before = lab.project.repository.git.run("show", f"{good.commit}:data/labels.dvc")
    lab.project.repository.git.run("checkout", good.commit, "--", "data/labels.dvc")

    done = lab.sync()
    assert done.pushed == 3
    assert lab.project.repository.git.run("show", "HEAD:data/labels.dvc") == before, (
        "byte for byte the old one"
    )
    held = {s: lab.project.studio.annotations(task) for s, task in lab.tasks().items()}
    assert [(a["id"], a["result"]) for a in held["one"]] == [(kept, result((0.1, 0.5, "walk")))]
    assert [(a["result"], a["ground_truth"]) for a in held["two"]] == [(result((0.2, 0.4, "run")), True)]
    assert held["three"] == []
    assert lab.sync().commit == ""


def test_what_both_sides_changed_is_a_conflict_and_nothing_is_written(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"))
    good = lab.sync()
    lab.project.studio.update_annotation(made, result=result((0.1, 0.9, "run")))
    lab.sync()
    lab.project.repository.git.run("checkout", good.commit, "--", "data/labels.dvc")
    lab.project.studio.update_annotation(made, result=result((0.4, 0.9, "run")))
    head, state = lab.project.repository.git.head(), lab.project.bucket.get(lab.project.remote.state_key)
    with pytest.raises(ConflictError) as caught:
        lab.sync()
    assert caught.value.what == "1 conflict: changed on both sides"
    assert "/a in one (" in caught.value.where
    assert caught.value.where.endswith(
        "here walk 0.1 to 0.5; in Label Studio run 0.4 to 0.9; before run 0.1 to 0.9"
    )
    assert caught.value.why == "nothing was written"
    assert (lab.project.repository.git.head(), lab.project.bucket.get(lab.project.remote.state_key)) == (
        head,
        state,
    )


def test_the_label_config_goes_both_ways(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    path = lab.project.root / "data/label_config.xml"
    path.write_text(CONFIG.replace('value="run"', 'value="sprint"'), encoding="utf-8")
    lab.sync()
    held = lab.project.studio.projects.get(lab.number)["label_config"]
    assert 'value="sprint"' in held
    lab.project.studio.projects.update(lab.number, label_config=held.replace("sprint", "dash"))
    lab.sync()
    assert 'value="dash"' in path.read_text(encoding="utf-8")
    lab.project.studio.projects.update(lab.number, label_config=held.replace("sprint", "rush"))
    path.write_text(held.replace("sprint", "race"), encoding="utf-8")
    with pytest.raises(ConflictError, match="the label config was changed here and in Label Studio"):
        lab.sync()


def test_a_recording_that_appears_in_the_bucket_becomes_a_task(lab: Lab) -> None:
    lab.sync()
    lab.project.bucket.put("series/late/four.csv", recording(seed=4))
    assert lab.sync().subject == "series: +1"
    assert "late/four" in lab.tasks()
    assert (lab.project.root / "data/series/late/four.csv").read_bytes() == recording(seed=4)
    lab.project.bucket.put("series/late/four.csv", recording(seed=5))
    assert lab.sync().subject == "series: ~1"
    assert (lab.project.root / "data/series/late/four.csv").read_bytes() == recording(seed=5)


def test_folders_that_git_left_behind_are_put_right(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    git = lab.project.repository.git.run
    git("switch", "--quiet", "--create", "other")
    (lab.project.root / "data/labels.dvc").unlink()
    git("commit", "--quiet", "--all", "--message", "another branch")
    git("switch", "--quiet", "main")
    (shard,) = (lab.project.root / "data/labels").iterdir()
    data = shard.read_bytes()
    lab.project.studio.update_annotation(made, result=result((0.1, 0.9, "run")))
    lab.sync()
    git("switch", "--quiet", "--detach", "HEAD~1")
    git("switch", "--quiet", "main")
    shard.unlink()
    shard.write_bytes(data)  # as after a git switch without dvc checkout
    assert lab.sync().commit == ""
    assert lab.labels()["one"][0]["result"] == result((0.1, 0.9, "run"))


def test_bytes_that_are_in_no_label_commit_are_not_given_up_without_a_word(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    (shard,) = (lab.project.root / "data/labels").iterdir()
    edited = shard.read_bytes().replace(b'"walk"', b'"run"')
    shard.unlink()
    shard.write_bytes(edited)
    with pytest.raises(InputError) as caught:
        lab.sync()
    assert str(caught.value) == (
        "data/labels holds changes that are in no label commit\n"
        f"  where: data/labels/{shard.name}\n"
        "  why: they would be lost\n"
        "  next: keep them: dvc add data/labels; or give them up: dvc checkout --force data/labels.dvc; "
        "then labeltrail sync"
    )
    assert shard.read_bytes() == edited
    lab.project.repository.add("data/labels")
    assert lab.sync().pushed == 1
    held = lab.project.studio.annotations(lab.tasks()["one"])
    assert held[0]["result"] == result((0.1, 0.5, "run"))


def test_the_hook_brings_the_folders_along(lab: Lab) -> None:
    git_hooks.install(lab.project.repository.git)
    lab.annotate("one", (0.1, 0.5, "walk"))
    first = lab.sync()
    lab.annotate("two", (0.1, 0.5, "run"))
    lab.sync()
    lab.project.repository.git.run("switch", "--quiet", "--detach", first.commit)
    assert list(lab.labels()) == ["one"]
    lab.project.repository.git.run("switch", "--quiet", "main")
    assert list(lab.labels()) == ["one", "two"]
