"""The best model, its predictions and `dvc repro` after a rollback: nothing is trained again, nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from pipelines.best_model import commit_model
from pipelines.demo import accelerometer
from pipelines.import_.import_ import import_recordings
from pipelines.rollback import rollback as rollbacks
from pipelines.rollback.partial import Selection
from pipelines.rollback.rollback import RollbackResult, rollback, undo
from pipelines.status import describe
from pipelines.sync import apply
from pipelines.sync.sync import sync
from storage.label_studio import label_config
from storage.project import Project
from storage.repo.dvc_lock import Lock
from storage.settings import Settings
from tests.conftest import clone
from tests.pipelines.test_loop import digests, predictions, repro, small


@pytest.fixture(scope="module")
def loop(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str, str]:
    """Two label commits, each with the model that was promoted on it; the second `dvc.lock` is in no commit."""
    home = tmp_path_factory.mktemp("rollback")
    project = clone(home / "clone", settings, f"back-{uuid4().hex[:12]}")
    small(project.root)
    tasks = []
    (home / "series").mkdir()
    for recording in accelerometer.simulate(8, 4, seed=1):
        (home / "series" / f"{recording.series}.csv").write_bytes(recording.to_csv())
        task: dict[str, Any] = {"data": {"csv": f"{recording.series}.csv", "subject": recording.subject}}
        if recording.subject != "subject04":
            task["annotations"] = [{"id": 1, "result": recording.result(recording.regions)}]
        tasks.append(task)
    (home / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    config = label_config.render(accelerometer.CHANNELS, accelerometer.LABELS, "time")
    (home / "config.xml").write_text(config, encoding="utf-8")
    import_recordings(project, str(home / "series"), home / "tasks.json", home / "config.xml")
    first = sync(project).commit
    repro(project)
    project.repository.git.commit(["params.yaml"], "params: a short training\n")
    assert project.repository.git.show(commit_model(project.repository), "dvc.lock")
    spoil(project)
    second = sync(Project(project.root)).commit
    shutil.rmtree(project.root / "data/best")  # so that the second is promoted, whatever its score is
    (project.root / "dvc.lock").write_text(_without_best(project), encoding="utf-8")
    repro(project)
    assert project.repository.git.changed(["dvc.lock"])
    return project, first, second


def _without_best(project: Project) -> str:
    value = yaml.safe_load((project.root / "dvc.lock").read_text(encoding="utf-8"))
    del value["stages"]["promote"]
    return yaml.safe_dump(value, sort_keys=False)


def spoil(project: Project) -> None:
    """A bad day: regions of one annotation go, and a new series is labeled."""
    state = project.remote.state()
    assert state is not None
    tasks = list(project.studio.tasks(state.project))
    [labeled, *_] = [task for task in tasks if task.annotations]
    [bare, *_] = [task for task in tasks if not task.annotations]
    annotation = project.studio.annotations(labeled.id)[0]
    project.studio.update_annotation(annotation["id"], result=annotation["result"][2:])
    project.studio.annotate(bare.id, annotation["result"])


def best(project: Project) -> str:
    path = project.root / "data/best/provenance.json"
    return str(json.loads(path.read_text(encoding="utf-8"))["model"])


def shown(project: Project) -> set[str]:
    """The model whose predictions Label Studio shows."""
    return {version.rpartition("-")[2] for version in predictions(project).values()}


def back(project: Project, revision: str, **part: Any) -> RollbackResult:
    return rollback(Project(project.root), revision, Selection(**part))


def test_the_best_comes_back_and_nothing_is_trained(loop: tuple[Project, str, str], tmp_path: Path) -> None:
    project, first, second = loop
    git = project.repository.git
    later, spoilt = best(project), digests(project.root)
    done = back(project, first)
    assert git.run("log", "-3", "--format=%s").splitlines()[1].startswith("model: promoted: ")
    earlier = best(project)
    assert earlier != later
    assert (done.plan.best.runs, done.plan.best.lost) == ({}, [])
    assert done.plan.best.model == done.to_json()["model"]["hash"] == earlier
    assert any(line.startswith(f"best model: {earlier[:8]}: ") for line in done.lines())
    assert shown(project) == {earlier[:8]}
    assert set(repro(project).values()) == {"unchanged"}
    assert (best(project), shown(project)) == (earlier, {earlier[:8]})
    assert git.run("status", "--porcelain", "--", "data", "dvc.lock") == ""
    lock = Lock.parse((project.root / "dvc.lock").read_text(encoding="utf-8"))
    assert lock.labels == git.labels_at(first)

    undo(Project(project.root))
    assert (best(project), shown(project), digests(project.root)) == (later, {later[:8]}, spoilt)
    assert set(repro(project).values()) == {"unchanged"}

    shutil.rmtree(project.root / ".dvc/cache")  # as in another clone: all of it comes from the remote
    back(project, first)
    assert (best(project), shown(project)) == (earlier, {earlier[:8]})
    assert set(repro(project).values()) == {"unchanged"}
    back(project, second)


@pytest.mark.parametrize("place", ["move", "sync", "restore_best"])
def test_a_rollback_that_was_cut_off_is_ended_by_the_next(
    loop: tuple[Project, str, str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, first, second = loop
    back(project, second)
    later = best(project)
    calls = []

    def cut(*arguments: Any, **options: Any) -> Any:
        calls.append(place)
        if place == "sync" and len(calls) == 1:
            return sync(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(apply if place == "move" else rollbacks, place, cut)
        with pytest.raises(KeyboardInterrupt):
            back(project, first)
    back(project, first)
    assert best(project) != later
    assert shown(project) == {best(project)[:8]}
    assert project.repository.git.labels_at("HEAD") == project.repository.git.labels_at(first)
    assert set(repro(project).values()) == {"unchanged"}
    assert sync(Project(project.root)).commit == ""


def test_a_part_that_nobody_trained_on_leaves_it_to_the_gate(loop: tuple[Project, str, str]) -> None:
    project, first, second = loop
    back(project, second)
    later = best(project)
    done = back(project, first, labels=(accelerometer.LABELS[0],))
    assert done.plan.best.best is None
    assert "dvc repro trains one, and promote decides" in done.plan.best.reason
    assert best(project) == later
    back(project, second)


def test_status_names_what_is_best_in_the_work_tree(loop: tuple[Project, str, str]) -> None:
    project, first, second = loop
    repository, path = project.repository, project.root / "dvc.lock"
    back(project, second)
    later, text = best(project), path.read_text(encoding="utf-8")
    back(project, first)
    version = describe(project)["best model"]
    assert version.endswith(best(project)[:8])
    path.write_text(text, encoding="utf-8")
    assert "dvc.lock names another" in describe(project)["best model"]
    repository.checkout_outputs(
        Lock.parse(text).outputs()
    )  # as if a run had promoted a model that was best before
    said = describe(project)["best model"]
    assert said.partition(";")[0].endswith(later[:8])
    assert said.endswith("; its dvc.lock is not committed (labeltrail sync)")
    shutil.rmtree(project.root / "data/best")
    assert describe(project)["best model"] == said
    back(project, second)


def test_a_param_that_changed_since_is_named(loop: tuple[Project, str, str]) -> None:
    project, first, second = loop
    back(project, second)
    path = project.root / "params.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("epochs: 2", "epochs: 3"), encoding="utf-8")
    try:
        plan = rollback(Project(project.root), first, dry=True).plan.best
        assert plan.runs["train"] == "train.epochs"
        assert plan.runs["evaluate"] == "data/candidate"
        assert "window" not in plan.runs
    finally:
        path.write_text(text, encoding="utf-8")
