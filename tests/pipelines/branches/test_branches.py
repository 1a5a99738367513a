"""Branches: labeled on their own, each with its place in the bucket and its Label Studio project."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipelines.branches.create import branch
from pipelines.branches.drop import drop, loss
from pipelines.branches.listing import listing
from pipelines.branches.switch import switch
from pipelines.sync import locks
from pipelines.sync.sync import sync
from storage.errors import ConflictError, InputError, NotFoundError
from storage.project import Project
from storage.remote.remote import Remote
from tests.conftest import Lab


def labeled(lab: Lab) -> Lab:
    """Annotations of every kind, synced."""
    lab.annotate("one", (0.1, 0.5, "walk"), (0.9, 0.9, "knock"), ground_truth=True, lead_time=4.5)
    lab.annotate("one", (0.1, 0.5, "run"))
    lab.annotate("one", (0.1, 0.5, "run"))
    lab.annotate("two")
    lab.annotate("three", was_cancelled=True)
    lab.sync()
    return lab


def main_bytes(lab: Lab) -> dict[str, str]:
    """ETag of everything in main's place in the bucket."""
    return {item.key: item.etag for item in lab.project.bucket.objects("main/")}


def moved(lab: Lab, name: str) -> Lab:
    """The lab with another branch checked out."""
    switch(lab.project, name)
    project = Project(lab.project.root)
    state = project.remote.state()
    assert state is not None
    return Lab(project, state.project)


def facts(remote: Remote, number: int) -> list[tuple[Any, ...]]:
    """What Label Studio's own annotations say."""
    found = [
        (
            task.data["series"],
            a["result"],
            a["was_cancelled"],
            a["ground_truth"],
            a["lead_time"],
            a["completed_by"],
        )
        for task in remote.studio.tasks(number)
        for a in remote.studio.annotations(task.id)
    ]
    return sorted(found, key=str)


def test_a_branch_begins_with_everything_and_touches_nothing(lab: Lab) -> None:
    labeled(lab)
    studio = lab.project.studio
    studio.projects.update(
        lab.number,
        expert_instruction="mark knocks",
        color="#112233",
        sampling="Uniform sampling",
        show_skip_button=False,
    )
    before, there = main_bytes(lab), facts(lab.project.remote, lab.number)

    done = branch(lab.project, "trial/knocks")

    assert (done.tasks, done.annotations, done.left, done.missing) == (3, 5, 0, 0)
    assert main_bytes(lab) == before
    assert lab.project.repository.git.branch() == "main"
    on = moved(lab, "trial/knocks")
    project = studio.projects.get(on.number)
    assert [project[k] for k in ("expert_instruction", "color", "sampling", "show_skip_button")] == [
        "mark knocks", "#112233", "Uniform sampling", False,
    ]  # fmt: skip
    assert facts(on.project.remote, on.number) == there
    labels = on.labels()
    synced = on.sync()
    assert (synced.commit, synced.pushed, synced.healed, synced.warnings) == ("", 0, 0, [])
    assert on.labels() == labels
    for source in studio.projects.storages(on.number)[0]:
        studio.projects.sync_source(source["id"])
    assert studio.projects.get(on.number)["task_number"] == 3


def test_a_branch_is_labeled_on_its_own(lab: Lab) -> None:
    labeled(lab)
    branch(lab.project, "knocks")
    before = main_bytes(lab)
    on = moved(lab, "knocks")
    on.annotate("two", (0.2, 0.3, "knock"))
    studio = on.project.studio
    task = on.tasks()["one"]
    first = min(a["id"] for a in studio.annotations(task))
    studio.update_annotation(first, ground_truth=False)
    synced = on.sync()
    assert synced.subject == "labels: +1 in 2 series"
    assert main_bytes(on) == before

    back = moved(on, "main")
    assert back.sync().commit == ""
    assert len(back.labels()["two"]) == 1
    again = moved(back, "knocks")
    assert again.sync().commit == ""
    assert [r["ground_truth"] for r in again.labels()["one"]] == [False, False, False]


def test_names_that_cannot_be_told_apart_are_refused(lab: Lab) -> None:
    labeled(lab)
    repository = lab.project.repository
    repository.git.run("branch", "a/b")
    for name in ("a--b", "series", "dvc", "two words", "-x", "x..y"):
        with pytest.raises(InputError, match="cannot be the name"):
            branch(lab.project, name)
    with pytest.raises(ConflictError, match="exists already"):
        branch(lab.project, "main")
    with pytest.raises(NotFoundError):
        branch(lab.project, "x", "nonsense")
    with pytest.raises(NotFoundError, match="no label config"):
        branch(lab.project, "x", repository.git.run("rev-list", "--max-parents=0", "HEAD").strip())
    repository.git.run("switch", "--quiet", "--detach")
    with pytest.raises(InputError, match="no branch is checked out"):
        branch(lab.project, "x")
    assert sorted(item.key for item in lab.project.bucket.objects("a--b/")) == []


def test_a_branch_from_an_older_commit(lab: Lab) -> None:
    labeled(lab)
    then, labels = lab.project.repository.git.head(), lab.labels()
    lab.annotate("two", (0.2, 0.3, "knock"))
    done = branch(lab.project, "older", then)
    assert (done.annotations, done.left) == (5, 1)
    on = moved(lab, "older")
    assert on.labels() == labels
    assert on.sync().commit == ""


def test_switch_takes_nothing_along(lab: Lab) -> None:
    labeled(lab)
    branch(lab.project, "knocks")
    with pytest.raises(NotFoundError):
        switch(lab.project, "nowhere")
    path = lab.project.root / "data/splits.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("train", "test"), encoding="utf-8")
    with pytest.raises(InputError, match="in no label commit"):
        switch(lab.project, "knocks")
    path.write_text(text, encoding="utf-8")
    shard = next((lab.project.root / "data/labels").iterdir())
    shard.unlink()
    shard.write_bytes(b"{}")
    with pytest.raises(InputError, match="data/labels holds changes"):
        switch(lab.project, "knocks")


def test_the_branch_that_is_left_keeps_its_model(lab: Lab) -> None:
    labeled(lab)
    branch(lab.project, "idea")
    on = moved(lab, "idea")
    path = on.project.root / "dvc.lock"
    path.write_text("schema: '2.0'\nstages: {}\n", encoding="utf-8")
    back = moved(on, "main")
    git = back.project.repository.git.run
    assert git("log", "-1", "--format=%s", "idea").startswith("model: ")
    assert (git("status", "--porcelain"), path.exists()) == ("", False)
    git("switch", "--quiet", "--detach")
    path.write_text("schema: '2.0'\nstages: {}\n", encoding="utf-8")
    with pytest.raises(InputError, match="model of the work tree would be lost"):
        switch(back.project, "idea")


def test_what_git_refuses_is_said(lab: Lab) -> None:
    labeled(lab)
    git, readme = lab.project.repository.git.run, lab.project.root / "README.md"
    branch(lab.project, "idea")
    git("switch", "--quiet", "idea")
    readme.write_text("theirs\n", encoding="utf-8")
    git("commit", "--quiet", "-am", "theirs")
    git("switch", "--quiet", "main")
    readme.write_text("ours\n", encoding="utf-8")
    with pytest.raises(InputError, match="git refuses to switch") as refused:
        switch(lab.project, "idea")
    assert "README.md" in refused.value.why
    assert "git stash" in refused.value.cure
    assert lab.project.repository.git.branch() == "main"


def test_a_sync_that_waited_for_a_switch_acts_on_the_branch_that_is_there_then(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    labeled(lab)
    branch(lab.project, "knocks")
    before, root = main_bytes(lab), lab.project.root
    another = Project(root)
    with ThreadPoolExecutor(1) as terminal:
        assert terminal.submit(lambda: another.remote.prefix).result() == "main"
        with locks.clone_lock(lab.project):
            waiting = terminal.submit(sync, another)
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
            on = moved(lab, "knocks")
            on.annotate("two", (0.2, 0.3, "knock"))
        assert waiting.result(60).subject == "labels: +1 in 1 series"
    assert another.remote.prefix == "knocks"
    assert main_bytes(on) == before
    assert locks.WAITING in " ".join(capfd.readouterr().err.split())


def test_a_branch_in_another_ones_place_is_not_dropped(lab: Lab) -> None:
    labeled(lab)
    branch(lab.project, "w/x")
    on = moved(lab, "w/x")
    git = on.project.repository.git.run
    with pytest.raises(InputError, match="no prefix of its own"):
        loss(on.project, "w--x")
    back = moved(on, "main")
    git("branch", "w--x")
    for name in ("w--x", "w/x"):
        with pytest.raises(InputError, match="no prefix of its own") as refused:
            loss(back.project, name)
        assert refused.value.cure.startswith(f"git branch -D {name}")
    git("branch", "-D", "w--x")
    lost = loss(back.project, "w/x")
    moved(back, "w/x")
    with pytest.raises(InputError, match="checked out"):
        drop(back.project, lost)
    git("switch", "--quiet", "--detach", "main")
    drop(back.project, lost)
    assert list(back.project.bucket.objects("w--x/")) == []


def test_branches_are_listed_and_dropped(lab: Lab) -> None:
    labeled(lab)
    branch(lab.project, "knocks")
    on = moved(lab, "knocks")
    on.annotate("two", (0.2, 0.3, "knock"))
    on.sync()
    on.annotate("three", (0.2, 0.3, "knock"))
    found = {facts.name: facts for facts in listing(on.project)}
    assert [(f.annotations, f.checked_out, f.here) for f in found.values()] == [
        (6, True, True),
        (5, False, True),
    ]
    with pytest.raises(InputError, match="checked out"):
        loss(on.project, "knocks")

    back = moved(on, "main")
    lost = loss(back.project, "knocks")
    assert (lost.projects, lost.unsynced, len(lost.commits)) == ((on.number,), 1, 1)
    assert lost.aside == 0
    back.project.bucket.put("knocks/annotations/odd", b"[]")
    back.project.bucket.put("knocks/sync.json", b"{")
    damaged = loss(back.project, "knocks")
    assert (damaged.unsynced, damaged.objects) == (None, lost.objects + 1)
    before = main_bytes(back)
    drop(back.project, damaged)
    assert [facts.name for facts in listing(back.project)] == ["main"]
    assert list(back.project.bucket.objects("knocks/")) == []
    with pytest.raises(NotFoundError):
        back.project.studio.projects.get(on.number)
    assert main_bytes(back) == before
    with pytest.raises(NotFoundError):
        loss(back.project, "knocks")
