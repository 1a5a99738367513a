"""A sync that goes one way forgets nothing of the other: what it leaves, the next one finds."""

from __future__ import annotations

from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage.project import Project
from tests.conftest import Lab
from tests.support.edits import committed, held, stored


def one_way(lab: Lab, **ways: bool) -> None:
    sync(Project(lab.project.root), Options(**ways))


def test_what_a_push_leaves_the_next_sync_brings(lab: Lab) -> None:
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    gone = lab.annotate("two", (0.2, 0.4, "run"))
    lab.sync()
    lab.annotate("three", (0.3, 0.4, "knock"))
    lab.project.studio.update_annotation(number, result=[])
    lab.project.studio.delete_annotation(gone)
    one_way(lab, pull=False)
    one_way(lab, pull=False)
    assert lab.sync().commit != ""
    assert committed(lab) == held(lab.project.studio, lab.number) == stored(lab.project.bucket, "main")


def test_what_a_pull_leaves_the_next_sync_sends(lab: Lab) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    before = lab.sync()
    lab.annotate("two", (0.2, 0.4, "run"))
    lab.sync()
    lab.project.repository.git.run("checkout", before.commit, "--", "data/labels.dvc")
    one_way(lab, push=False)
    one_way(lab, push=False)
    assert lab.sync().pushed == 1
    assert committed(lab) == held(lab.project.studio, lab.number) == stored(lab.project.bucket, "main")
    assert list(lab.labels()) == ["one"]
