"""Merging a label experiment: by region, with conflicts settled by a person, and Label Studio following."""

from __future__ import annotations

import pytest

from pipelines.branches.create import branch
from pipelines.branches.merge import merge
from pipelines.sync import apply
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage.errors import ConflictError, InputError, NotFoundError
from storage.labels.three_way import Settlement
from storage.project import Project
from tests.conftest import Lab, result
from tests.pipelines.branches.test_branches import labeled, moved


def edit(lab: Lab, series: str, annotation: int, *regions: tuple[float, float, str]) -> None:
    """Change an annotation of a series: the first, second, ... that was made."""
    task = lab.tasks()[series]
    number = sorted(a["id"] for a in lab.project.studio.annotations(task))[annotation]
    lab.project.studio.update_annotation(number, result=result(*regions))


def values(lab: Lab, series: str) -> list[list[tuple[float, float, str]]]:
    """Regions of a series' annotations in Label Studio."""
    found = sorted(lab.project.studio.annotations(lab.tasks()[series]), key=lambda a: int(a["id"]))
    facts = [[item["value"] for item in annotation["result"]] for annotation in found]
    return [[(v["start"], v["end"], v["timeserieslabels"][0]) for v in regions] for regions in facts]


def back_from_knocks(lab: Lab) -> Lab:
    """On main again, with a branch `knocks` on which one annotation was added and synced."""
    labeled(lab)
    branch(lab.project, "knocks")
    on = moved(lab, "knocks")
    on.annotate("two", (0.2, 0.3, "knock"))
    on.sync()
    return moved(on, "main")


def test_both_branches_changes_come_together(lab: Lab) -> None:
    labeled(lab)
    branch(lab.project, "knocks")
    on = moved(lab, "knocks")
    edit(on, "one", 0, (0.1, 0.5, "walk"), (0.8, 0.8, "knock"))
    on.annotate("two", (0.2, 0.3, "knock"))
    on.sync()
    on.annotate("three", (0.2, 0.3, "run"))  # never synced: said, and not merged
    back = moved(on, "main")
    edit(back, "one", 0, (0.1, 0.6, "walk"), (0.9, 0.9, "knock"))
    edit(back, "one", 1, (0.1, 0.5, "walk"))
    back.sync()

    done = merge(back.project, "knocks")

    assert done.subject == "Merge knocks: labels: +1 ~1 in 2 series"
    assert done.left == 1
    assert len(back.project.repository.git.run("rev-list", "--parents", "-1", "HEAD").split()) == 3
    assert back.project.repository.git.run("status", "--porcelain") == ""
    assert values(back, "one") == [
        [(0.1, 0.6, "walk"), (0.8, 0.8, "knock")], [(0.1, 0.5, "walk")], [(0.1, 0.5, "run")]
    ]  # fmt: skip
    assert values(back, "two") == [[], [(0.2, 0.3, "knock")]]
    assert back.sync().commit == ""
    assert back.labels()["one"][0]["ground_truth"] is True
    assert merge(back.project, "knocks").commit == ""


def test_a_conflict_is_shown_and_settled(lab: Lab) -> None:
    labeled(lab)
    branch(lab.project, "knocks")
    on = moved(lab, "knocks")
    edit(on, "one", 0, (0.1, 0.7, "run"), (0.9, 0.9, "knock"))
    on.sync()
    back = moved(on, "main")
    edit(back, "one", 0, (0.1, 0.6, "walk"), (0.9, 0.9, "knock"))
    back.sync()
    head, before = back.project.repository.git.head(), back.labels()

    with pytest.raises(ConflictError) as refused:
        merge(back.project, "knocks")

    assert "1 conflict" in refused.value.what
    for word in ("/a in one", "walk", "run", "0.6", "0.7", "admin@"):
        assert word in refused.value.where
    assert (back.project.repository.git.head(), back.labels()) == (head, before)
    assert back.project.repository.git.run("status", "--porcelain") == ""

    name = refused.value.where.split(" in ")[0]
    merge(back.project, "knocks", Settlement.parse("", [f"{name}=theirs"]))
    assert values(back, "one")[0] == [(0.1, 0.7, "run"), (0.9, 0.9, "knock")]
    assert back.sync().commit == ""


def test_what_is_labeled_here_is_synced_before_it_is_merged(lab: Lab) -> None:
    back = back_from_knocks(lab)
    repository, then = back.project.repository, back.project.repository.git.head()
    edit(back, "one", 0, (0.1, 0.6, "walk"), (0.9, 0.9, "knock"))
    back.sync()
    edit(back, "one", 0, (0.1, 0.7, "walk"), (0.9, 0.9, "knock"))
    repository.git.run("checkout", then, "--", "data/labels.dvc")
    repository.git.run("commit", "--quiet", "-m", "labels: back by hand")
    head = repository.git.head()
    with pytest.raises(ConflictError) as refused:
        merge(back.project, "knocks")
    assert "labeltrail sync" in refused.value.cure
    assert repository.git.head() == head

    sync(Project(back.project.root), Options(settlement=Settlement("theirs")))
    edit(back, "one", 1, (0.1, 0.4, "run"))
    done = merge(back.project, "knocks")
    assert (done.kept, done.subject) == (
        "labels: ~1 in 1 series",
        "Merge knocks: labels: +1 in 1 series",
    )
    assert values(back, "one")[:2] == [[(0.1, 0.7, "walk"), (0.9, 0.9, "knock")], [(0.1, 0.4, "run")]]


def test_what_cannot_be_merged_is_refused(lab: Lab) -> None:
    labeled(lab)
    repository = lab.project.repository
    with pytest.raises(NotFoundError):
        merge(lab.project, "nowhere")
    repository.git.run("switch", "--quiet", "-c", "other")
    (lab.project.root / "README.md").write_text("theirs\n", encoding="utf-8")
    repository.git.run("commit", "--quiet", "-am", "theirs")
    repository.git.run("switch", "--quiet", "main")
    (lab.project.root / "README.md").write_text("ours\n", encoding="utf-8")
    repository.git.run("commit", "--quiet", "-am", "ours")
    head = repository.git.head()
    with pytest.raises(ConflictError, match="beside the labels") as refused:
        merge(lab.project, "other")
    assert refused.value.where == "README.md"
    assert repository.git.head() == head
    path = lab.project.root / "data/splits.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("train", "test"), encoding="utf-8")
    with pytest.raises(ConflictError, match="beside the labels"):
        merge(lab.project, "other")
    assert repository.git.run("log", "-1", "--format=%s").strip() == "project: data/splits.csv", (
        "as sync does"
    )
    repository.git.run("reset", "--quiet", "--hard", "HEAD~2")
    (lab.project.root / "README.md").write_text("in no commit\n", encoding="utf-8")
    with pytest.raises(InputError, match="git refuses to merge") as blocked:
        merge(lab.project, "other")
    assert "README.md" in blocked.value.why


def test_a_merge_whose_first_sync_was_cut_off_goes_on(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    back = back_from_knocks(lab)
    back.annotate("one", (0.2, 0.3, "run"))

    def cut(*_: object) -> tuple[str, str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(apply, "commit", cut)
        with pytest.raises(KeyboardInterrupt):
            merge(back.project, "knocks")
    assert back.project.repository.git.changed(["data/labels.dvc"])
    done = merge(Project(back.project.root), "knocks")
    assert (done.kept, done.subject) == ("labels: +1 in 1 series", "Merge knocks: labels: +1 in 1 series")
    assert back.sync().commit == ""
