"""The history commands and git's drivers on a project whose label commits sync made."""

from __future__ import annotations

from pipelines.history.diff import diff
from pipelines.history.log import log
from storage.labels import git_drivers
from tests.conftest import Lab, result
from tests.pipelines.test_cli import labeltrail


def test_the_history_of_a_project_that_was_synced(lab: Lab) -> None:
    root, repository = lab.project.root, lab.project.repository
    git_drivers.configure(repository.git)
    number = lab.annotate("one", (0.1, 0.5, "walk"))
    lab.sync()
    lab.project.studio.update_annotation(number, result=result((0.1, 0.7, "run")))
    lab.annotate("two")
    lab.sync()
    shown = labeltrail(root, "show").splitlines()
    assert [line.split("  admin")[0].rstrip() for line in shown[4:8]] == [
        "one",
        "  ~ walk -> run  0.1 .. 0.5 -> 0.1 .. 0.7",
        "two",
        "  * new annotation, empty: nothing here",
    ]
    entry = next(log(repository))
    assert entry.counts is not None
    assert (entry.counts.annotations, entry.counts.labels) == (
        {"~": 1, "+": 1},
        {"run": {"~": 1}},
    )
    assert entry.commit.subject == "labels: ~1 in 2 series"
    assert diff(repository).differences == []
    added = [
        line
        for line in repository.git.run("log", "-1", "-p", "data/labels.dvc").splitlines()
        if line[:4] == "+one"
    ]
    assert [line.split("  ")[-2:] for line in added] == [["run", "0.1 .. 0.7"]]
