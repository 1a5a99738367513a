"""The whole loop on real parts: Label Studio, MinIO, git, DVC, training, and predictions back in Label Studio."""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from pipelines.demo import accelerometer
from pipelines.history.trace import trace
from pipelines.import_.import_ import import_recordings
from pipelines.sync.sync import sync
from storage import process, settings
from storage.label_studio import label_config
from storage.project import Project
from storage.settings import Settings
from tests.conftest import clone

SAME = ("data/dataset", "data/candidate", "data/best", "data/predictions", "reports")


def repro(project: Project) -> dict[str, str]:
    """`dvc repro`; what happened to each stage: ran, cached or unchanged."""
    text = process.run(["dvc", "repro"], cwd=project.root, env=settings.stage_environment(), timeout=300)
    outcome = {}
    for pattern, word in (
        (r"^Stage '(\w+)' didn't change, skipping", "unchanged"),
        (r"^Stage '(\w+)' is cached - skipping run", "cached"),
        (r"^Running stage '(\w+)'", "ran"),
    ):
        outcome |= dict.fromkeys(re.findall(pattern, text, re.MULTILINE), word)
    return outcome


def small(root: Path) -> None:
    """Params for a training of seconds."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["train"] |= {"epochs": 2, "min_batches": 2}
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


def digests(root: Path) -> dict[str, str]:
    """MD5 of every file that the stages wrote."""
    files = [p for name in SAME for p in (root / name).rglob("*") if p.is_file()]
    return {
        p.relative_to(root).as_posix(): hashlib.md5(p.read_bytes(), usedforsecurity=False).hexdigest()
        for p in sorted(files)
    }


@pytest.fixture(scope="module")
def project(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Eight simulated recordings of four subjects, six of them labeled, and one run of everything."""
    home = tmp_path_factory.mktemp("loop")
    project = clone(home / "clone", settings, f"loop-{uuid4().hex[:12]}")
    small(project.root)
    recordings = accelerometer.simulate(8, 4, seed=1)
    tasks = []
    for recording in recordings:
        (home / "series").mkdir(exist_ok=True)
        (home / "series" / f"{recording.series}.csv").write_bytes(recording.to_csv())
        labeled = recording.subject != "subject04"
        task = {"data": {"csv": f"{recording.series}.csv", "subject": recording.subject}}
        tasks.append(
            task
            | ({"annotations": [{"id": 1, "result": recording.result(recording.regions)}]} if labeled else {})
        )
    (home / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    config = label_config.render(accelerometer.CHANNELS, accelerometer.LABELS, "time")
    (home / "config.xml").write_text(config, encoding="utf-8")
    import_recordings(project, str(home / "series"), home / "tasks.json", home / "config.xml")
    sync(project)
    assert set(repro(project).values()) == {"ran"}
    project.repository.git.commit(["dvc.lock", "params.yaml"], "model: first\n")
    return project


def predictions(project: Project) -> dict[int, str]:
    state = project.remote.state()
    assert state is not None
    return {p["task"]: p["model_version"] for p in project.studio.predictions(state.project)}


def test_every_series_has_a_prediction_that_names_model_and_label_commit(project: Project) -> None:
    found = predictions(project)
    commit = next(project.repository.git.label_commits()).commit
    model = json.loads((project.root / "data/best/provenance.json").read_text(encoding="utf-8"))["model"]
    assert len(found) == 8
    assert set(found.values()) == {f"lstm-{commit[:7]}-{model[:8]}"}
    state = project.remote.state()
    assert state is not None
    assert project.studio.projects.get(state.project)["model_version"] == f"lstm-{commit[:7]}-{model[:8]}"


def test_subjects_are_never_in_two_sets(project: Project) -> None:
    rows = [
        line.split(",") for line in (project.root / "data/splits.csv").read_text(encoding="utf-8").split()[1:]
    ]
    sets = {group: {s for _, g, s in rows if g == group} for _, group, _ in rows}
    assert all(len(found) == 1 for found in sets.values())
    assert sets["subject04"] == {"unassigned"}
    assert {next(iter(found)) for found in sets.values()} == {"train", "validation", "test", "unassigned"}


def test_a_second_run_and_a_note_in_the_readme_run_nothing(project: Project) -> None:
    assert set(repro(project).values()) == {"unchanged"}
    readme = project.root / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(text + "\nA note.\n", encoding="utf-8")
    assert set(repro(project).values()) == {"unchanged"}
    readme.write_text(text, encoding="utf-8")


def test_the_same_clone_on_another_path_gives_the_same_bytes(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere/deeper/clone"
    process.run(["git", "clone", "--quiet", "--no-hardlinks", project.root, other])
    for name in (".env", ".dvc/config.local"):
        (other / name).write_bytes((project.root / name).read_bytes())
    Project(other).repository.checkout("data/labels", "data/series")
    (other / "dvc.lock").unlink()  # as the first clone began: with labels, and without a best model
    process.run(
        ["dvc", "repro", "--no-run-cache", "--force"],
        cwd=other,
        env=settings.stage_environment(),
        timeout=300,
    )
    assert digests(other) == digests(project.root)
    assert len(predictions(project)) == 8, "publishing the same again made nothing twice"


def test_trace_leads_from_a_prediction_to_the_labels_and_back(project: Project) -> None:
    state = project.remote.state()
    assert state is not None
    some = project.studio.predictions(state.project)[0]
    found = trace(project, str(some["id"])).to_json()
    commit = next(project.repository.git.label_commits())
    assert found["kind"] == "prediction"
    [model] = found["models"]
    assert model["model_version"] == some["model_version"]
    assert model["label_commit"] == {"commit": commit.commit, "subject": commit.subject}
    assert model["code_commit"] == project.repository.git.head()
    rows = (project.root / "data/splits.csv").read_text(encoding="utf-8").split()
    taught = sum(row.endswith((",train", ",validation")) for row in rows)
    assert model["annotators"] == {project.studio.whoami(): taught}, "those of train and validation split"
    assert len(model["series"]) == 8
    assert model["params"]["train"]["epochs"] == 2
    for thing, kind in (
        (some["model_version"], "model"),
        (model["model"], "model"),
        (commit.commit, "label commit"),
        ("HEAD", "label commit"),
        (model["annotations"][0]["series"], "series"),
        (model["annotations"][0]["id"], "annotation"),
    ):
        back = trace(project, thing)
        assert (back.kind, [m.model.hash for m in back.models]) == (kind, [model["model"]]), thing
        assert back.lines()


def test_a_changed_label_runs_all_but_ingest_and_replaces_the_predictions(project: Project) -> None:
    state = project.remote.state()
    assert state is not None
    first = set(predictions(project).values())
    theirs = next(t for t in project.studio.tasks(state.project) if t.annotations)
    annotation = project.studio.annotations(theirs.id)[0]
    project.studio.update_annotation(annotation["id"], result=annotation["result"][1:])
    foreign = {"task": theirs.id, "model_version": "somebody's", "score": 0.5, "result": []}
    list(project.studio.import_predictions(state.project, [foreign]))

    assert sync(Project(project.root)).subject == "labels: -1 in 1 series"
    outcome = repro(project)
    assert outcome.pop("ingest") == "unchanged"
    assert outcome["window"] == outcome["train"] == "ran"
    versions = project.studio.model_versions(state.project)
    assert versions.pop("somebody's") == 1, "other people's predictions are not ours to remove"
    assert list(versions.values()) == [8]
    verdict = json.loads((project.root / "reports/promote.json").read_text(encoding="utf-8"))["verdict"]
    assert (set(versions) == first) == (verdict == "kept")
    assert len(project.studio.annotations(theirs.id)) == len(theirs.annotations)


def outside(project: Project) -> dict[str, Any]:
    """All that an experiment may not change: bucket, Label Studio, branches."""
    state = project.remote.state()
    assert state is not None
    return {
        "bucket": {item.key: item.etag for item in project.bucket.objects("")},
        "predictions": {
            p["id"]: (p["model_version"], p["result"], p["score"])
            for p in project.studio.predictions(state.project)
        },
        "shown": project.studio.projects.get(state.project)["model_version"],
        "git": project.repository.git.run("for-each-ref", "refs/heads", "refs/tags", "refs/remotes"),
    }


def dvc(project: Project, *words: str) -> str:
    return process.run(["dvc", *words], cwd=project.root, env=settings.stage_environment(), timeout=300)


def test_an_experiment_publishes_nothing_wherever_it_runs(project: Project) -> None:
    repository, root = project.repository, project.root
    repository.git.commit(repository.git.changed(["dvc.lock"]), "model: newer\n")
    before, made = outside(project), digests(root)
    receipt = (root / "data/receipt.json").read_bytes()
    other = ("--set-param", "predict.series=unassigned")
    said = dvc(project, "exp", "run", "--temp", "--name", "apart", *other)
    assert "experiment apart: nothing is published. Outside of an experiment 2 predictions (" in said
    assert (outside(project), digests(root)) == (before, made)
    assert repository.git.run("status", "--short") == ""

    said = dvc(project, "exp", "run", "--name", "here", *other)
    assert "experiment here: nothing is published." in said
    assert outside(project) == before
    assert (root / "data/receipt.json").read_bytes() == receipt, "what Label Studio holds"
    assert repository.git.run("status", "--short") == " M dvc.lock\n M params.yaml\n"
    repository.git.run("checkout", "--quiet", "params.yaml", "dvc.lock")
    dvc(project, "checkout")
    assert digests(root) == made, "the best model and its predictions are back"

    dvc(project, "exp", "apply", "apart")
    repository.git.commit(["dvc.lock", "params.yaml"], "model: of an experiment\n")
    dvc(project, "repro", "--single-item", "--force", "publish")
    assert len([version for version in predictions(project).values() if version.startswith("lstm-")]) == 2


@pytest.mark.slow
def test_an_experiment_of_a_queue_publishes_nothing(project: Project) -> None:
    before, made = outside(project), digests(project.root)
    dvc(project, "exp", "run", "--queue", "--name", "queued", "--set-param", "predict.series=all")
    dvc(project, "queue", "start")
    for _ in range(120):
        if "Success" in dvc(project, "queue", "status"):
            break
        time.sleep(1)
    assert "experiment queued: nothing is published." in dvc(project, "queue", "logs", "queued")
    assert (outside(project), digests(project.root)) == (before, made)
    assert project.repository.git.run("status", "--short") == ""
