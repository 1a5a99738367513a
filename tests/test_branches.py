"""Branches: labeled on their own, each with its place in the bucket and its Label Studio project."""

from __future__ import annotations

from typing import Any

from pipelines.branch import branch
from pipelines.switch import switch
from storage.project import Project
from storage.remote import Remote
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
    studio.update_project(
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
    assert lab.project.repository.branch() == "main"
    on = moved(lab, "trial/knocks")
    project = studio.project(on.number)
    assert [project[k] for k in ("expert_instruction", "color", "sampling", "show_skip_button")] == [
        "mark knocks", "#112233", "Uniform sampling", False,
    ]  # fmt: skip
    assert facts(on.project.remote, on.number) == there
    labels = on.labels()
    synced = on.sync()
    assert (synced.commit, synced.pushed, synced.healed, synced.warnings) == ("", 0, 0, [])
    assert on.labels() == labels
    for source in studio.storages(on.number)[0]:
        studio.sync_source(source["id"])
    assert studio.project(on.number)["task_number"] == 3


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
