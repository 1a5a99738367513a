"""Which earlier sync is the base: clones that are behind, syncs that were cut off or went one way, remade labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.rollback.rollback import rollback
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage.errors import ConflictError, InputError, ServiceError
from storage.label_studio.client import LabelStudio
from storage.label_studio.session import Session
from storage.labels.three_way import Settlement
from storage.project import Project
from tests.conftest import Lab, clone, result

WALK, RUN = (0.1, 0.5, "walk"), (0.8, 1.2, "run")


def held(lab: Lab) -> dict[str, list[Any]]:
    """Results of all annotations in Label Studio, by series."""
    studio = lab.project.studio
    found = {series: [a["result"] for a in studio.annotations(task)] for series, task in lab.tasks().items()}
    return {series: results for series, results in found.items() if results}


def labels(lab: Lab) -> dict[str, list[Any]]:
    return {series: [r["result"] for r in records] for series, records in lab.labels().items()}


def cut_off(lab: Lab, patch: pytest.MonkeyPatch) -> None:
    """A sync that ends after its label commit."""

    def away(*_: object) -> None:
        raise ServiceError("the DVC remote is away")

    with patch.context() as context:
        context.setattr(type(lab.project.repository), "push", away)
        with pytest.raises(ServiceError):
            lab.sync()


def test_a_clone_that_is_behind_takes_a_rollback_over(lab: Lab, tmp_path: Path) -> None:
    made = lab.annotate("one", WALK)
    good = lab.sync()
    lab.project.studio.update_annotation(made, result=result(RUN))
    lab.sync()
    other = Lab(clone(tmp_path / "second", lab.project.settings, lab.project.bucket.name), lab.number)
    other.project.repository.git.run("pull", "--quiet", str(lab.project.root), "main")
    assert other.sync().pushed == 0
    rollback(Project(lab.project.root), good.commit)
    for _ in range(2):
        assert other.sync().pushed == 0
        assert lab.sync().pushed == 0
    assert labels(lab) == labels(other) == held(lab) == {"one": [result(WALK)]}


def test_what_is_deleted_after_a_sync_was_cut_off_stays_deleted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.annotate("one", WALK)
    lab.sync()
    made = lab.annotate("two", RUN)
    cut_off(lab, monkeypatch)
    assert list(labels(lab)) == ["one", "two"]
    lab.project.studio.delete_annotation(made)
    done = lab.sync()
    assert (done.pushed, labels(lab), held(lab)) == (0, {"one": [result(WALK)]}, {"one": [result(WALK)]})
    assert lab.sync().commit == ""


def test_what_was_pulled_and_then_taken_back_stays_so(lab: Lab) -> None:
    made = lab.annotate("one", WALK)
    first = lab.sync()
    lab.project.studio.update_annotation(made, result=result(RUN))
    lab.sync()
    lab.project.repository.git.run("checkout", first.commit, "--", "data/labels.dvc")
    new = lab.annotate("two", RUN)
    sync(Project(lab.project.root), Options(push=False))
    assert labels(lab) == {"one": [result(WALK)], "two": [result(RUN)]}
    lab.project.studio.delete_annotation(new)
    lab.sync()
    assert labels(lab) == held(lab) == {"one": [result(WALK)]}


def test_what_was_pushed_and_then_taken_back_stays_so(lab: Lab) -> None:
    made = lab.annotate("one", WALK)
    first = lab.sync()
    lab.project.studio.update_annotation(made, result=result(RUN))
    lab.sync()
    lab.project.repository.git.run("checkout", first.commit, "--", "data/labels.dvc")
    lab.annotate("two", RUN)
    sync(Project(lab.project.root), Options(pull=False))
    assert held(lab)["one"] == [result(WALK)]
    lab.project.studio.update_annotation(made, result=result(RUN))
    lab.sync()
    assert labels(lab) == held(lab) == {"one": [result(RUN)], "two": [result(RUN)]}


def test_a_file_that_a_person_laid_there_outlives_a_sync_that_was_cut_off(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.annotate("one", WALK)
    cut_off(lab, monkeypatch)
    stray, part = lab.project.root / "data/series/mine.csv", lab.project.root / "notes.part"
    stray.write_text("time,acc_x,acc_y\n0,1,2\n", encoding="utf-8")
    part.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError):
        lab.sync()
    assert stray.exists()
    stray.unlink()
    lab.sync()
    assert part.read_text(encoding="utf-8") == "mine"


def test_a_recording_that_is_gone_here_comes_back(lab: Lab) -> None:
    lab.sync()
    lab.project.bucket.put("series/four.csv", (lab.project.root / "data/series/one.csv").read_bytes())
    lab.sync()
    lab.project.repository.git.run("checkout", "HEAD~1", "--", "data/series.dvc")
    lab.sync()
    assert (lab.project.root / "data/series/four.csv").is_file()
    assert lab.project.repository.git.run("status", "--porcelain") == ""
    assert [o.key for o in lab.project.bucket.objects("series/four.csv")] == ["series/four.csv"]


def test_nobody_is_credited_with_what_somebody_else_made(lab: Lab) -> None:
    me = lab.project.studio.whoami()
    token = lab.project.studio.invite(f"ben-{lab.number}@example.com", "a long Password 1")
    ben = LabelStudio(Session(lab.project.settings.label_studio_url, token))
    task = lab.tasks()["one"]
    his = ben.annotate(task, result(WALK))
    lab.sync()
    ben.delete_annotation(his)
    lab.annotate("one", WALK)
    lab.sync()
    assert [r["annotator"] for r in lab.labels()["one"]] == [me]


def test_a_name_that_is_no_conflict_is_refused(lab: Lab) -> None:
    lab.annotate("one", WALK)
    with pytest.raises(InputError, match="there is no conflict 'nonsense'"):
        sync(lab.project, Options(settlement=Settlement(named={"nonsense": "ours"})))
    assert lab.subjects() == []


def test_in_the_middle_of_a_git_merge_nothing_is_written(lab: Lab) -> None:
    lab.annotate("one", WALK)
    head = lab.sync().commit
    (lab.project.root / ".git/MERGE_HEAD").write_text(f"{head}\n", encoding="utf-8")
    with pytest.raises(ConflictError, match="a git merge is in progress"):
        lab.sync()
