"""A project whose training goes on from an earlier model, on real parts: traced, and the same on another clone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from pipelines.best_model import commit_model
from pipelines.gc import gc
from pipelines.history.trace import trace
from pipelines.import_.import_ import import_recordings
from pipelines.rollback.rollback import rollback
from pipelines.start_from import PATHS, scratch, start_from
from pipelines.sync.sync import sync
from storage import files, process, settings, worktree
from storage.artifacts import provenance
from storage.errors import InputError, NotFoundError
from storage.label_studio import label_config
from storage.paths import START
from storage.process import ProgramError
from storage.project import Project
from storage.project_files import splits_file
from storage.repo import git_hooks
from storage.settings import Settings
from tests.conftest import clone
from tests.pipelines.test_loop import repro
from tests.support.choice_project import TINY, wave

KINDS = ("slow", "fast")
BEATS = {f"{kind}{number}": kind for number in range(12) for kind in KINDS}


def hash_of(project: Project, folder: str) -> str:
    return provenance.read(project.root / folder).model


def put(project: Project, **classifier: float) -> None:
    """Params of a small network, in a commit."""
    path = project.root / "params.yaml"
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    value["train"]["classifier"] |= classifier
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    project.repository.git.commit(["params.yaml"], "params\n")


def bring(project: Project, home: Path, beats: list[str]) -> str:
    """Recordings with what they are, as an export has it; returns the label commit."""
    shutil.rmtree(home, ignore_errors=True)
    (home / "series").mkdir(parents=True)
    tasks = []
    for key in beats:
        lines = [f"{i},{x},{y}" for i, (x, y) in enumerate(wave(BEATS[key], list(BEATS).index(key)))]
        (home / "series" / f"{key}.csv").write_text("time,x,y\n" + "\n".join(lines) + "\n", encoding="utf-8")
        item = {"id": "c", "type": "choices", "from_name": "label", "to_name": "ts"}
        result = [item | {"value": {"choices": [BEATS[key]]}}]
        data = {"csv": f"{key}.csv", "subject": key[-1]}
        tasks.append({"data": data, "annotations": [{"id": 1, "result": result}]})
    (home / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    config = label_config.render(("x", "y"), KINDS, "time", task="binary")
    (home / "config.xml").write_text(config, encoding="utf-8")
    import_recordings(project, str(home / "series"), home / "tasks.json", home / "config.xml")
    return sync(Project(project.root)).commit


@pytest.fixture(scope="module")
def started(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str, str]:
    """Two label commits; the model of the second was started from that of the first. The hashes of the two models."""
    home = tmp_path_factory.mktemp("started")
    project = clone(home / "clone", settings, f"start-{uuid4().hex[:12]}")
    put(project, **TINY)
    first = bring(project, home / "export", list(BEATS)[:18])
    repro(project)
    commit_model(project.repository)
    model = hash_of(project, "data/best")
    project.repository.git.run("tag", "first", first)
    bring(project, home / "export", list(BEATS)[18:])
    put(project, steps=20, lr=0.0003)
    done = start_from(Project(project.root), "best")
    assert (done.model, done.before, done.changed) == (model, "", ("data/start.dvc", "params.yaml"))
    assert done.labels == project.repository.git.labels_at("first")
    project.repository.git.commit(PATHS, "params: training goes on\n")
    repro(project)
    commit_model(project.repository)
    return Project(project.root), model, hash_of(project, "data/best")


@pytest.mark.parametrize("held", ["validation", "test"])
def test_what_is_held_out_is_traced_to_no_model_and_says_so(
    started: tuple[Project, str, str], held: str
) -> None:
    project, _, _ = started
    key = next(
        key for key, row in splits_file.read(project.root / splits_file.PATH).items() if row.split == held
    )
    found = trace(project, key)
    for thing in (key, found.facts["annotations"][0]):
        line = trace(project, thing).lines()[-1]
        assert line.startswith(f"  no model: it is in the {held} split, so none is trained on it: "), thing


def test_it_is_traced_from_model_to_model(started: tuple[Project, str, str]) -> None:
    project, first, second = started
    assert second != first
    model = json.loads((project.root / "data/best/model.json").read_text(encoding="utf-8"))
    assert model["training"]["from"] == provenance.read(project.root / "data/best").start == first
    found = trace(project, second)
    assert f"    started from   {first}" in found.lines()
    assert found.to_json()["models"][0]["start"] == first
    assert trace(project, first).facts["start of"] == [second]


def test_another_clone_trains_the_same_and_says_what_it_lacks(
    started: tuple[Project, str, str], tmp_path: Path
) -> None:
    project, _, second = started
    other = tmp_path / "elsewhere/deeper/clone"
    process.run(["git", "clone", "--quiet", "--no-hardlinks", project.root, other])
    for name in (".env", ".dvc/config.local"):
        (other / name).write_bytes((project.root / name).read_bytes())
    environment = settings.stage_environment()
    process.run(["dvc", "pull", "--quiet", "data/arrays", "data/dataset"], cwd=other, env=environment)
    again = ["dvc", "repro", "--no-run-cache", "--force", "--single-item", "train"]
    with pytest.raises(ProgramError) as refused:
        process.run(again, cwd=other, env=environment)
    assert "next: dvc pull data/start.dvc" in refused.value.stderr
    process.run(["dvc", "pull", "--quiet"], cwd=other, env=environment)
    shutil.rmtree(other / "data/candidate")
    process.run(again, cwd=other, env=environment)
    assert hash_of(Project(other), "data/candidate") == second
    assert files.md5(other / "data/candidate") == files.md5(project.root / "data/candidate")


def test_git_brings_the_start_along(started: tuple[Project, str, str]) -> None:
    project, first, _ = started
    git = project.repository.git
    git_hooks.install(project.repository.git)
    branch = git.branch()
    git.run("checkout", "--quiet", "first")
    assert not (project.root / f"{START}.dvc").exists()
    shutil.rmtree(project.root / START, ignore_errors=True)
    git.run("checkout", "--quiet", branch)
    assert hash_of(project, "data/start") == first
    shutil.rmtree(project.root / START)
    reopened = Project(project.root)
    worktree.restore(reopened.repository, reopened.mirror)
    assert hash_of(project, "data/start") == first


def test_any_earlier_model_can_be_named(started: tuple[Project, str, str], tmp_path: Path) -> None:
    project, first, second = started
    version = trace(project, first).models[0].version
    folder = tmp_path / "some"
    shutil.copytree(project.root / "data/best", folder)
    names = {"first": first, "HEAD": second, version: first, second[:8]: second, str(folder): second}
    for name, model in names.items():
        done = start_from(Project(project.root), name)
        assert (done.model, hash_of(project, "data/start")) == (model, model), name
        assert yaml.safe_load((project.root / "params.yaml").read_text())["train"]["start"] == model
    assert start_from(project, first).changed == (), "as it is in the commit"
    start_from(project, first, configured=True)
    params = yaml.safe_load((project.root / "params.yaml").read_text())["train"]["classifier"]
    assert {name: params[name] for name in TINY} == TINY, "those of then"
    put(project, steps=20, lr=0.0003)
    with pytest.raises(NotFoundError, match="no model 'best-of-all'"):
        start_from(project, "best-of-all")


def test_what_cannot_fit_is_refused_before_anything_is_written(started: tuple[Project, str, str]) -> None:
    project, first, _ = started
    path = project.root / label_config.PATH
    text = path.read_text(encoding="utf-8")
    for xml, why in (
        (text.replace('"slow"', '"calm"'), "its labels are slow, fast; the project's are calm, fast"),
        (label_config.render(("x", "y"), KINDS, "time"), "the label config asks for regions"),
    ):
        path.write_text(xml, encoding="utf-8")
        with pytest.raises(InputError, match="training cannot start from HEAD") as refused:
            start_from(Project(project.root), "HEAD")
        assert refused.value.why.startswith(why)
    path.write_text(text, encoding="utf-8")
    assert hash_of(project, "data/start") == first
    assert project.repository.git.changed(PATHS) == []


def test_a_rollback_to_older_labels_says_what_training_still_knows(started: tuple[Project, str, str]) -> None:
    project, first, second = started
    assert not rollback(project, "HEAD", dry=True).warnings
    start_from(project, second)
    [warning] = rollback(Project(project.root), "first", dry=True).warnings
    assert warning.startswith(f"training still starts from model {second[:8]}")
    start_from(project, first)
    assert not rollback(Project(project.root), "first", dry=True).warnings


def test_from_scratch_again_and_nothing_that_was_a_start_is_given_up(
    started: tuple[Project, str, str],
) -> None:
    project, first, _ = started
    folder = project.repository.pointer("data/start")
    done = scratch(project.repository)
    assert (done.model, done.before, done.changed) == ("", first, ("params.yaml", "data/start.dvc"))
    assert not (project.root / START).exists()
    project.repository.git.commit(PATHS, "params: from scratch\n")
    gc(Project(project.root), yes=True, hours=0)
    again = Project(project.root)
    assert again.repository.has(folder)
    assert start_from(again, first).model == first
