"""Restore brings the best model and its predictions back, without training."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pipelines.branches.restore import restore
from pipelines.sync.sync import sync
from storage import process
from storage.project import Project
from tests.pipelines.test_loop import digests, project, repro  # noqa: F401 -- a fixture


def predicted(here: Project) -> dict[str, Any]:
    """Version and regions of every prediction in Label Studio, by series."""
    state = here.remote.state()
    assert state is not None
    series = {task.id: task.data["series"] for task in here.studio.tasks(state.project)}
    found = here.studio.predictions(state.project)
    return {series[p["task"]]: (p["model_version"], p["score"], p["result"]) for p in found}


def test_predictions_come_back(project: Project, tmp_path: Path) -> None:  # noqa: F811
    project.repository.push()
    shown, files = predicted(project), digests(project.root)
    assert shown
    keys = [item.key for item in project.bucket.objects("") if not item.key.startswith("dvc/")]
    project.bucket.delete(keys)
    state = project.studio.projects.find_by_description(project.bucket.url("main"))
    for number in state:
        project.studio.projects.delete(number)
    root = tmp_path / "clone"
    process.run(["git", "clone", "--quiet", project.root, root])
    for name, value in (("user.name", "Second"), ("user.email", "second@example.com")):
        process.run(["git", "config", name, value], cwd=root)
    shutil.copy(project.root / ".env", root / ".env")

    done = restore(Project(root))

    assert (done.anew, done.published, done.lacks) == (True, True, ())
    assert predicted(Project(root)) == shown
    assert digests(root) == files
    assert sync(Project(root)).commit == ""
    assert set(repro(Project(root)).values()) == {"unchanged"}
