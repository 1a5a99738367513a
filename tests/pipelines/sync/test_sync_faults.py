"""Sync with faults: overtaken, cut off at any step, servers away; it ends right, and nothing is lost."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.import_.import_ import import_recordings
from pipelines.sync import apply
from pipelines.sync.result import Options, SyncResult
from pipelines.sync.sync import sync
from storage.errors import ConflictError, InputError, NotFoundError, ServiceError
from storage.labels import snapshot
from storage.paths import MIRROR
from storage.project import Project
from storage.repo.dvc_cache import Cache
from storage.repo.git import Git
from storage.settings import write_env_file
from tests.conftest import Lab, result


def test_a_sync_that_was_overtaken_starts_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    real, calls = apply.apply, []

    def overtaken(project: Project, *rest: Any) -> SyncResult:
        calls.append(rest)
        if len(calls) == 1:  # somebody else writes sync.json between our reading and our writing
            data, _ = project.bucket.get(project.remote.state_key)
            project.bucket.put(project.remote.state_key, data + b" ")
        return real(project, *rest)

    monkeypatch.setattr(apply, "apply", overtaken)
    lab.sync()
    assert len(calls) == 2
    assert list(lab.labels()) == ["one"]
    assert lab.sync().commit == ""


# The first is of recordings, which only the first sync brings.
STEPS = [
    "Repository.add",
    "snapshot.write",
    "Cache.store",
    "Repository.write_pointer",
    "Git.commit",
    "Repository.push",
    "write_state",
]


@pytest.mark.parametrize("after", [False, True])
def test_a_sync_that_was_cut_off_anywhere_ends_in_the_same_place(
    lab: Lab, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = {
        "snapshot.write": (snapshot, "write"),
        "write_state": (type(lab.project.remote), "write_state"),
        "Cache.store": (Cache, "store"),
        "Git.commit": (Git, "commit"),
    }
    subjects = []
    for count, step in enumerate(STEPS, 1):
        lab.annotate("one", (0.1, 0.5, "walk"))
        lab.annotate("two", (0.2, 0.4, "run"))
        owner, name = owners.get(step) or (type(lab.project.repository), step.partition(".")[2])
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, cut_off(getattr(owner, name), after))
            with pytest.raises(CutOffError):
                lab.sync()
        lab.sync()
        found = {series: len(records) for series, records in lab.labels().items()}
        assert found == {"one": count, "two": count}, step
        subjects.insert(0, "labels: +2 in 2 series" + ("; series: +3" if count == 1 else ""))
        assert lab.subjects() == subjects, step
        assert lab.project.repository.git.run("status", "--porcelain") == "", step
        assert lab.sync().commit == "", step


class CutOffError(Exception):
    """Stands for a program that ends."""


def cut_off(real: Callable[..., Any], after: bool) -> Callable[..., None]:
    """A function that ends the program before or after its work."""

    def cut(*args: Any, **kwargs: Any) -> None:
        if after:
            real(*args, **kwargs)
        raise CutOffError

    return cut


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("AWS_ENDPOINT_URL", "the S3 server at http://127.0.0.1:9 does not answer"),
        ("LABEL_STUDIO_URL", "Label Studio at http://127.0.0.1:9 does not answer"),
    ],
)
def test_a_server_that_is_away_is_said_soon_and_nothing_is_written(lab: Lab, name: str, what: str) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    head = lab.project.repository.git.head()
    good = {
        "AWS_ENDPOINT_URL": lab.project.settings.s3_endpoint,
        "LABEL_STUDIO_URL": lab.project.settings.label_studio_url,
    }
    write_env_file(lab.project.root, {name: "http://127.0.0.1:9"})
    with pytest.raises(ServiceError) as caught:
        lab.sync()
    assert caught.value.what == what
    assert lab.project.repository.git.head() == head
    assert lab.project.repository.git.run("status", "--porcelain", "data/*.dvc") == ""
    write_env_file(lab.project.root, good)
    assert lab.sync().subject == "labels: +1 in 1 series; series: +3"


def test_an_s3_server_that_takes_connections_and_says_nothing_is_away(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        write_env_file(lab.project.root, {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"})
        with pytest.raises(ServiceError, match="does not answer"):
            lab.sync()


def test_labels_whose_task_is_gone_are_not_taken_for_agreed(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.annotate("two", (0.1, 0.5, "run"))
    good = lab.sync()
    lab.project.bucket.delete(["series/two.csv", f"{lab.project.remote.tasks_prefix}two.json"])
    lab.project.studio.session.call("DELETE", f"/api/tasks/{lab.tasks()['two']}/")
    lab.sync()
    lab.project.repository.git.run("checkout", good.commit, "--", "data/labels.dvc")
    for _ in range(2):
        with pytest.raises(NotFoundError) as caught:
            lab.sync()
        assert caught.value.where == "two"
    assert list(lab.labels()) == ["one", "two"], "they stay in the label commit"
    import_recordings(lab.project, str(lab.project.root.parent / "recordings/two.csv"))
    assert lab.sync().pushed == 1
    assert [a["result"] for a in lab.project.studio.annotations(lab.tasks()["two"])] == [
        result((0.1, 0.5, "run"))
    ]
    assert lab.sync().commit == ""


def test_conflict_marks_in_a_pointer_are_named(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    path = lab.project.root / "data/labels.dvc"
    path.write_text(
        f"<<<<<<< HEAD\n{path.read_text(encoding='utf-8')}=======\n>>>>>>> other\n", encoding="utf-8"
    )
    with pytest.raises(InputError) as caught:
        lab.sync()
    assert (caught.value.what, caught.value.where) == ("labels.dvc is no DVC pointer", str(path))
    assert caught.value.why == "git left conflict marks, or it was edited"


def test_a_conflict_writes_nothing_not_even_the_label_config(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"))
    good = lab.sync()
    lab.project.studio.update_annotation(made, result=result((0.1, 0.9, "run")))
    lab.sync()
    lab.project.repository.git.run("checkout", good.commit, "--", "data/labels.dvc")
    lab.project.studio.update_annotation(made, result=result((0.4, 0.9, "run")))
    held = str(lab.project.studio.projects.get(lab.number)["label_config"])
    config = (lab.project.root / "data/label_config.xml").read_bytes()
    assert config.decode().strip() == held
    lab.project.studio.projects.update(lab.number, label_config=held.replace('"knock"', '"tap"'))
    with pytest.raises(ConflictError):
        lab.sync()
    assert (lab.project.root / "data/label_config.xml").read_bytes() == config


def test_a_project_that_is_gone_is_named_and_nothing_is_taken_for_deleted(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    lab.project.studio.session.call("DELETE", f"/api/projects/{lab.number}")
    for act in (
        lambda: sync(lab.project, Options(annotations=(made,))),
        lab.sync,
        lambda: import_recordings(lab.project, str(lab.project.root / "data/series")),
    ):
        with pytest.raises(NotFoundError) as caught:
            act()
        assert caught.value.what == f"the Label Studio project of this branch, number {lab.number}, is gone"
    assert list(lab.labels()) == ["one"]


def test_what_the_bucket_missed_is_found_again_after_a_sync_that_was_cut_off(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    key = lab.project.remote.annotations.key(number)
    before, _ = lab.project.bucket.get(key)
    lab.project.studio.update_annotation(number, result=result((0.1, 0.5, "run")))
    lab.project.bucket.put(key, before)  # Label Studio could not write the new one, say
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(CutOffError):
            patch.setattr("storage.remote.annotations.Annotations.write", _cut_off)
            lab.sync()
    done = lab.sync()
    assert (done.healed, done.subject) == (1, "labels: ~1 in 1 series")
    assert [record["result"] for record in lab.labels()["one"]] == [result((0.1, 0.5, "run"))]
    assert lab.sync().commit == ""


def test_a_star_that_moved_is_one_after_a_sync_that_was_cut_off(lab: Lab) -> None:
    first, second = (lab.annotate("one", (0.1, 0.5, label)) for label in ("walk", "run"))
    lab.project.studio.update_annotation(first, ground_truth=True)
    lab.sync()
    lab.project.studio.update_annotation(second, ground_truth=True)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(CutOffError):
        patch.setattr("storage.remote.annotations.Annotations.write", _cut_off)
        lab.sync()
    lab.sync()
    assert [record["ground_truth"] for record in lab.labels()["one"]] == [False, True]


def _cut_off(*_: object) -> None:
    raise CutOffError


@pytest.mark.parametrize("fresh", [False, True])
def test_a_star_that_an_annotation_took_which_is_gone_is_gone_too(lab: Lab, fresh: bool) -> None:
    first, second = (lab.annotate("one", (0.1, 0.5, label)) for label in ("walk", "run"))
    studio = lab.project.studio
    studio.update_annotation(first, ground_truth=True)
    lab.sync()
    studio.update_annotation(second, ground_truth=True)
    studio.delete_annotation(second)
    lab.annotate("one", (0.6, 0.9, "run"))
    if fresh:
        lab.project.remote.mirror.close()
        (lab.project.root / MIRROR).unlink()
        lab.project = Project(lab.project.root)
    lab.sync(yes=True)
    assert [record["ground_truth"] for record in lab.labels()["one"]] == [False, False]
