"""A Label Studio that was put back, emptied or exchanged deletes no label; no sync deletes what no commit has."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from pipelines import services
from pipelines.rollback.rollback import undo
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage import settings as project_settings
from storage.errors import ConflictError
from storage.project import Project
from storage.remote import reconcile
from storage.servers import label_studio_server
from storage.settings import LABEL_STUDIO, Settings
from tests.conftest import Lab, clone, imported, result
from tests.support.everywhere import Everywhere

WALK, RUN = (0.1, 0.5, "walk"), (0.8, 1.2, "run")
NAMES = ("one", "three", "two")


@dataclass
class OwnStudio:
    """A Label Studio whose database a test may exchange."""

    root: Path

    @property
    def settings(self) -> Settings:
        return project_settings.load(self.root)

    def backup(self) -> Path:
        """A copy of the database as it is now."""
        path = self.root / f"{uuid4().hex}.sqlite3"
        database = label_studio_server.data_folder(self.root) / label_studio_server.DATABASE
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
        return path

    def put_back(self, path: Path) -> None:
        """Restore an earlier database of Label Studio."""
        services.down(self.root)
        folder = label_studio_server.data_folder(self.root)
        for name in folder.glob(f"{label_studio_server.DATABASE}*"):
            name.unlink()
        shutil.copy(path, folder / label_studio_server.DATABASE)
        services.up(self.root, only=[LABEL_STUDIO])


@pytest.fixture(scope="module")
def studio(minio: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStudio]:
    """One of its own for this file, beside the same MinIO."""
    root = tmp_path_factory.mktemp("own studio")
    names = {
        "AWS_ENDPOINT_URL": minio.s3_endpoint,
        "AWS_ACCESS_KEY_ID": minio.access_key_id,
        "AWS_SECRET_ACCESS_KEY": minio.secret_access_key.get_secret_value(),
    }
    project_settings.write_env_file(root, names)
    services.up(root, only=[LABEL_STUDIO])
    yield OwnStudio(root)
    services.down(root)


@pytest.fixture
def own(studio: OwnStudio, tmp_path: Path) -> Lab:
    """Three recordings on that Label Studio, synced; nobody has labeled yet."""
    lab = imported(clone(tmp_path / "clone", studio.settings, f"own-{uuid4().hex[:12]}"), tmp_path)
    lab.sync()
    return lab


def label_all(lab: Lab) -> list[int]:
    return [lab.annotate(name, WALK) for name in NAMES]


def held(lab: Lab) -> list[tuple[str, list[object]]]:
    """Series and result of all that Label Studio has."""
    tasks = lab.tasks().items()
    return sorted((s, a["result"]) for s, task in tasks for a in lab.project.studio.annotations(task))


def in_bucket(lab: Lab) -> list[int]:
    prefix = lab.project.remote.annotations_prefix
    return sorted(int(item.key.removeprefix(prefix)) for item in lab.project.bucket.objects(prefix))


ALL = [(name, result(WALK)) for name in NAMES]


def is_settled(lab: Lab) -> bool:
    again = lab.sync()
    return (again.commit, again.pushed, again.aside) == ("", 0, [])


@pytest.mark.parametrize("synced", [False, True])
def test_a_label_studio_that_was_put_back_loses_no_label(own: Lab, studio: OwnStudio, synced: bool) -> None:
    before = studio.backup()
    label_all(own)
    if synced:
        own.sync()
    studio.put_back(before)
    assert held(own) == []

    done = own.sync()

    assert done.subject == ("" if synced else "labels: +3 in 3 series")
    assert (done.made_again, done.deletions.labels, done.aside) == (3, 0, [])
    assert any("3 annotations that Label Studio had lost" in line for line in done.lines())
    assert {key: [r["result"] for r in found] for key, found in own.labels().items()} == {
        name: [result(WALK)] for name in NAMES
    }
    assert held(own) == ALL
    assert len(in_bucket(own)) == 3
    assert is_settled(own)


def test_tasks_that_it_lost_too_are_no_deletion(own: Lab, studio: OwnStudio, tmp_path: Path) -> None:
    """It was put back to a time before the last recording was there: its task is made anew under the same number."""
    before = studio.backup()
    folder = tmp_path / "more"
    folder.mkdir()
    shutil.copy(tmp_path / "recordings/one.csv", folder / "four.csv")
    from pipelines.import_.import_ import import_recordings

    import_recordings(own.project, str(folder))
    own.annotate("four", RUN)
    own.sync()
    studio.put_back(before)
    done = own.sync()
    assert (done.subject, done.made_again, done.deletions.labels) == ("", 1, 0)
    assert held(own) == [("four", result(RUN))]
    assert is_settled(own)


def test_a_number_that_is_given_twice_is_two_annotations(own: Lab, studio: OwnStudio) -> None:
    before = studio.backup()
    first = own.annotate("one", WALK)
    own.sync()
    studio.put_back(before)
    assert own.annotate("two", RUN) == first, "the database counts from where it was"
    done = own.sync()
    assert (done.subject, done.made_again) == ("labels: +1 in 1 series", 1)
    assert held(own) == [("one", result(WALK)), ("two", result(RUN))]
    assert sorted(own.labels()) == ["one", "two"]
    assert is_settled(own)


def test_a_number_that_was_given_to_a_label_made_again_is_given_twice(own: Lab, studio: OwnStudio) -> None:
    number = own.annotate("one", WALK)
    commit = own.sync().commit
    own.project.studio.delete_annotation(number)
    own.sync(yes=True)
    before = studio.backup()
    own.project.repository.git.run("checkout", commit, "--", "data/labels.dvc")
    own.sync()
    studio.put_back(before)
    own.annotate("one", RUN)
    done = own.sync()
    assert (done.subject, done.made_again) == ("labels: +1 in 1 series", 1)
    assert [r["result"] for r in own.labels()["one"]] in (
        [result(WALK), result(RUN)],
        [result(RUN), result(WALK)],
    )
    assert is_settled(own)


def test_a_dry_run_looks_at_it_and_changes_nothing(own: Lab, studio: OwnStudio) -> None:
    before = studio.backup()
    label_all(own)
    studio.put_back(before)
    with Everywhere(own.project).stays():
        done = sync(Project(own.project.root), Options(dry_run=True))
    assert done.subject == "labels: +3 in 3 series"


# -- on the Label Studio of all tests -------------------------------------------------------------


def leave_behind(lab: Lab, number: int) -> None:
    """Delete an annotation, and have its object stay in the bucket, as Label Studio does now and then."""
    key = lab.project.remote.annotations.key(number)
    data = lab.project.bucket.get(key)[0]
    lab.project.studio.delete_annotation(number)
    lab.project.bucket.put(key, data)


def test_an_object_left_behind_goes_once_a_label_commit_has_it(lab: Lab) -> None:
    number = lab.annotate("one", WALK)
    lab.sync()
    leave_behind(lab, number)
    done = lab.sync()
    assert (done.subject, done.deletions.labels, done.made_again) == ("labels: -1 in 1 series", 1, 0)
    assert in_bucket(lab) == []
    assert is_settled(lab)


@pytest.mark.parametrize("edited", [False, True])
def test_an_object_left_behind_that_no_label_commit_has_is_set_aside(lab: Lab, edited: bool) -> None:
    number = lab.annotate("one", WALK)
    if edited:
        lab.sync()
        lab.project.studio.update_annotation(number, result=result(WALK, RUN))
    leave_behind(lab, number)
    for _ in range(2):
        done = lab.sync()
        assert done.aside == [(lab.project.remote.annotations.key(number), reconcile.DELETED)]
    assert in_bucket(lab) == [number]


def test_an_emptied_label_studio_is_asked_about(lab: Lab) -> None:
    label_all(lab)
    lab.sync()
    for task in lab.tasks().values():
        lab.project.studio.session.call("DELETE", f"/api/tasks/{task}/")
    head, labels = lab.project.repository.git.head(), lab.labels()
    with pytest.raises(ConflictError, match="would delete 3 annotations from the labels") as caught:
        lab.sync()
    assert caught.value.why == (
        "they are gone from Label Studio, and are 3 of 3 (params.yaml: sync.ask_deleted); nothing was written"
    )
    assert (lab.project.repository.git.head(), lab.labels()) == (head, labels)
    done = lab.sync(yes=True)
    assert (done.subject, done.deletions.labels) == ("labels: -3 in 3 series", 3)
    assert undo(Project(lab.project.root)).commit
    assert held(lab) == ALL
    assert is_settled(lab)


def test_a_deleted_task_comes_back_and_is_named(lab: Lab) -> None:
    label_all(lab)
    lab.sync()
    lab.project.studio.session.call("DELETE", f"/api/tasks/{lab.tasks()['two']}/")
    done = lab.sync()
    assert (done.returned, done.subject) == (["two"], "labels: -1 in 1 series")
    assert "1 task deleted in Label Studio came back without annotations: two" in done.lines()


def git_reset(lab: Lab) -> None:
    lab.project.repository.git.run("reset", "--quiet", "--hard", "HEAD~1")


def git_rebase(lab: Lab) -> None:
    lab.project.repository.git.run("rebase", "--quiet", "--onto", "HEAD~1", "HEAD")


@pytest.mark.parametrize("drop", [git_reset, git_rebase])
def test_a_label_commit_that_left_its_branch_is_asked_about(lab: Lab, drop: Callable[[Lab], None]) -> None:
    for _ in range(5):
        lab.annotate("two", RUN)
    lab.sync()
    number = lab.annotate("one", WALK)
    commit = lab.sync().commit
    drop(lab)
    with Everywhere(lab.project).stays(), pytest.raises(ConflictError) as caught:
        lab.sync()
    assert caught.value.what == "this sync would delete 1 annotation in Label Studio"
    assert caught.value.why.startswith(
        f"label commit {commit[:12]}, which made them, is on no branch any more"
    )
    assert caught.value.cure.endswith(f"git merge {commit[:12]} restores them")
    done = lab.sync(yes=True)
    assert (done.deletions.studio, lab.project.studio.annotation(number)) == (1, None)
    assert "1 annotation deleted in Label Studio" in done.lines()


def test_the_cure_of_a_lost_label_commit_cures(lab: Lab) -> None:
    lab.sync()
    lab.annotate("one", WALK)
    commit = lab.sync().commit
    git_reset(lab)
    with pytest.raises(ConflictError):
        lab.sync()
    lab.project.repository.git.run("merge", "--quiet", commit[:12])
    assert is_settled(lab)
    assert held(lab) == [("one", result(WALK))]


def test_a_large_share_is_asked_about_and_a_small_one_is_not(lab: Lab) -> None:
    numbers = [lab.annotate("one", WALK) for _ in range(10)]
    lab.sync()
    for number in numbers[:3]:
        lab.project.studio.delete_annotation(number)
    assert lab.sync().deletions.labels == 3
    for number in numbers[3:6]:
        lab.project.studio.delete_annotation(number)
    with pytest.raises(ConflictError, match="would delete 3 annotations from the labels"):
        lab.sync()
