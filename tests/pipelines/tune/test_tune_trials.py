"""One trial of a tuning again: its model to the last byte, of a table and of a project, and the way to its labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.classify import train as classify_train
from pipelines.history.trace import trace
from pipelines.tune import objective
from pipelines.tune.rerun import rerun
from pipelines.tune.result import TuningResult
from pipelines.tune.search import tune
from stages import params, promote, train
from storage import process, settings
from storage.artifacts import checkpoint, provenance
from storage.errors import InputError, NotFoundError
from storage.files import md5
from storage.paths import BEST, CANDIDATE
from storage.project import Project
from storage.project_files import study as studies
from tests.pipelines.classify.test_classify import called, refused
from tests.pipelines.tune.test_tune_project import PEOPLE, lay_project
from tests.support.tuning_project import ROOT, run
from tests.support.tuning_project import project as lay_tables

SOMEBODY = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.com")


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tables and a params.yaml; it is the current one."""
    monkeypatch.chdir(lay_tables(tmp_path / "place"))
    return tmp_path / "place"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TuningResult]:
    """A clone with a label commit, whose dataset was tuned; and what came of it."""
    root = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        commands("git init --quiet --initial-branch main", "dvc init --quiet")
        lay_project(lacking=("ann/fast2",))
        track("labels: +29")
        lay_project()
        track("labels: +1 in 1 series")
        lay_project()  # the dataset knows of the pointers now
        done = tune(write=Path("params.yaml"))
    return root, done


def commands(*lines: str) -> None:
    for line in lines:
        process.run(line.split(), cwd=Path.cwd(), env=settings.stage_environment())


def track(subject: str) -> None:
    """A label commit."""
    commands("dvc add --quiet data/labels data/series")
    commit(subject, "data/labels.dvc", "data/series.dvc", "data/splits.csv", "dvc.yaml")


def commit(subject: str, *paths: str) -> str:
    Path("dvc.yaml").write_text("stages: {}\n")
    process.run(["git", "add", *paths], cwd=Path.cwd())
    process.run([*SOMEBODY, "commit", "--quiet", "--allow-empty", "-m", subject], cwd=Path.cwd())
    return process.run(["git", "rev-parse", "HEAD"], cwd=Path.cwd()).strip()


@pytest.fixture
def project(tuned: tuple[Path, TuningResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of it; it is the current folder."""
    shutil.copytree(tuned[0], tmp_path / "clone")
    monkeypatch.chdir(tmp_path / "clone")
    return Project(tmp_path / "clone")


def complete(done: TuningResult) -> list[studies.Trial]:
    return [trial for trial in done.study.trials if trial.state == "complete"]


# -- tables ----------------------------------------------------------------------------------------


def test_a_trial_of_a_table_makes_its_model_again(tables: Path) -> None:
    for trial in complete(run(trials=3)):
        back = rerun(trial.number, Path("train.csv"), valid=Path("valid.csv"), model=Path("m"))
        assert (
            back.model == trial.model == provenance.read(Path("m")).model == checkpoint.model_hash(Path("m"))
        )
        assert provenance.read(Path("m")).dataset == md5(Path("train.csv"))
        assert back.lines()[-1] == f"model {trial.model[:8]} is in m: identical to the trial's"
        assert back.next_command() == "labeltrail classify predict m X.csv --output OUT.csv"


def test_of_folds_a_model_learns_from_all(tables: Path) -> None:
    (trial,) = tune(Path("train.csv"), trials=1).study.trials
    assert trial.model == ""
    back = rerun(1, Path("train.csv"), model=Path("m"))
    assert "the trial itself trained none on the whole train split" in back.lines()[-1]
    assert rerun(1).next_command().startswith("labeltrail classify trial 1 TRAIN.csv --study")
    assert provenance.read(Path("m")).params["train"]["classifier"]["lr"] == trial.params["lr"]


def test_its_params_go_into_a_file_that_is_otherwise_as_it_was(tables: Path) -> None:
    run(trials=3)
    before = Path("params.yaml").read_text().replace("  seed: 0\n  classifier:", "  seed: 7\n  classifier:")
    Path("params.yaml").write_text(before)
    back = rerun(3, write=Path("params.yaml"))
    plan = params.load().train.classifier_plan()
    assert {name: plan[name] for name in back.trial.params} == dict(back.trial.params)
    assert (plan["steps"], plan["seed"]) == (12, 0)
    lines = zip(before.splitlines(), Path("params.yaml").read_text().splitlines(), strict=True)
    changed = {was.strip().partition(":")[0] for was, now in lines if was != now}
    assert {"seed", "lr"} <= changed <= {*params.Classifier.model_fields, "seed"}
    assert back.lines()[-1] == "its params are in params.yaml: train; besides what was tuned seed 0 (was 7)"
    train = "labeltrail classify train {} --model FOLDER --task multiclass"
    assert back.next_command() == train.format("TRAIN.csv --valid VALID.csv")
    files = (Path("train.csv"), Path("valid.csv"))
    command = rerun(3, files[0], valid=files[1], write=Path("params.yaml")).next_command()
    assert command == train.format("train.csv --valid valid.csv")
    assert (
        classify_train.train(files[0], Path("m"), valid=files[1], task="multiclass").model == back.trial.model
    )


def test_series_in_both_train_and_validation_set_are_counted(tables: Path) -> None:
    assert not run(trials=1).data.notes
    train, rows = Path("train.csv"), Path("valid.csv").read_text(encoding="utf-8").splitlines()
    with train.open("a", encoding="utf-8") as file:
        file.write("\n".join([*rows[1:4], ""]))
    warning = (
        "warning: 3 of the 15 series of valid.csv are in train.csv too: the model is trained on them, "
        "so the validation scores are too good"
    )
    assert run(trials=1, study=Path("other.json")).lines()[1] == warning
    done = classify_train.train(train, tables / "m", valid=Path("valid.csv"))
    assert done.lines()[0] == f"warning: {done.to_json()['warnings'][0]}" == warning


def test_a_model_that_is_no_longer_the_trials_is_told(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(trials=1)
    value = json.loads(done.place.read_text())
    value["trials"][0]["model"] = "0" * 32
    done.place.write_text(json.dumps(value))
    back = rerun(1, Path("train.csv"), valid=Path("valid.csv"), model=Path("m"))
    assert "not the trial's 00000000" in back.lines()[-1]


def test_what_cannot_be_had_again_is_refused(tables: Path) -> None:
    error = refused(rerun, 1)
    assert (error.what, error.cure) == ("there is no study of a tuning", "labeltrail classify tune")
    assert error.why == "nothing was tuned yet"
    run(trials=1)
    error = refused(rerun, 2)
    assert (error.what, error.why) == ("there is no trial 2", "it has 1 trials")
    assert refused(rerun, 1, model=Path("m")).why == "it was trained on a table, and none was given"
    error = refused(rerun, 1, Path("test.csv"), valid=Path("valid.csv"), model=Path("m"))
    assert error.why == "other train here"
    assert refused(rerun, 1, Path("train.csv"), model=Path("m")).why == "other valid here"
    assert not Path("m").exists()
    Path("study.json").write_text('{"version": 1, "about": {}, "trials": [{"curve": []}]}')
    assert refused(rerun, 1).what == "study.json is no study of a tuning"


def test_the_command(
    tables: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(trials=1)
    code, text = called(capsys, monkeypatch, "trial", "1", "train.csv", "--valid", "valid.csv")
    lines = text.splitlines()
    assert (code, lines[0].partition(":")[0]) == (0, "trial 1 of study.json")
    assert lines[1] == f"it was trained on series of MD5 {md5(Path('train.csv'))}"
    assert (
        lines[-1]
        == "next: labeltrail classify trial 1 train.csv --valid valid.csv --study study.json --model FOLDER"
    )
    code, text = called(capsys, monkeypatch, "trial", "1", "--json")
    assert json.loads(text)["trial"]["number"] == 1
    code, text = called(capsys, monkeypatch, "trial", "9", "--json")
    assert code == NotFoundError.exit_code


# -- projects --------------------------------------------------------------------------------------


def test_in_a_folder_and_by_the_train_stage_it_is_the_same_model(
    tuned: tuple[Path, TuningResult], project: Project
) -> None:
    for trial in complete(tuned[1])[:2]:
        back = rerun(trial.number, model=Path("m"), write=Path("params.yaml"))
        assert (back.model, back.differs) == (trial.model, ())
        train.main()
        assert md5(Path("m")) == md5(CANDIDATE)
    origin = provenance.read(Path("m"))
    assert (origin.labels, origin.dataset) == (md5(Path("data/labels")), md5(Path("data/dataset")))
    assert {key.partition("/")[0] for key in origin.annotations} == {
        who for who in PEOPLE if PEOPLE[who] == "train"
    }


def test_each_trial_traces_to_its_label_commit(tuned: tuple[Path, TuningResult], project: Project) -> None:
    done = tuned[1]
    head = project.repository.git.head()
    assert (
        f"trained on labels {md5(Path('data/labels'))[:8]}, label commit {head[:12]}  labels: +1"
        in done.lines()[1]
    )
    first = complete(done)[0]
    found = trace(project, first.model[:8])
    assert (found.kind, found.facts["trial"]) == ("trial", f"{first.number} of {done.place}, complete")
    (line,) = found.models
    assert line.commit is not None
    assert (line.model.hash, line.commit.commit, line.model.code) == (first.model, head, "")
    assert line.annotators == {"ann": 18}
    assert line.annotations["ann/fast2"][0]["id"] == "1-ann/fast2"
    assert line.recordings.keys() >= line.annotations.keys()
    assert line.model.params["train"]["lr"] == first.params["lr"]
    code = commit("tuning", "data/tuning", "params.yaml")
    assert trace(project, first.model).models[0].model.code == code
    value = json.loads(done.place.read_text())
    value["trials"][1] |= {"state": "pruned", "model": ""}
    done.place.write_text(json.dumps(value))
    bare = trace(project, f"{done.place}:2")
    assert (bare.models, bare.facts["trial"]) == ([], f"2 of {done.place}, pruned")
    for trial in done.study.trials:
        facts = trace(project, f"{done.place}:{trial.number}").facts
        assert head[:12] in facts["learnt from"]


def test_a_model_traces_to_the_trial_that_chose_its_params(
    tuned: tuple[Path, TuningResult], project: Project
) -> None:
    done = tuned[1]
    train.main()
    promote.main()
    best = provenance.read(BEST).model
    assert trace(project, best).facts["tuned"] == f"params of trial {done.best.number} of {done.place}"
    rerun(done.best.number, write=Path("params.yaml"))
    train.main()
    shutil.rmtree(BEST)
    promote.main()
    found = trace(project, done.best.model)
    assert (found.kind, found.facts["tuned"]) == ("model", f"trial {done.best.number} of {done.place}")


def test_its_params_are_those_of_a_training_from_scratch(
    tuned: tuple[Path, TuningResult], project: Project
) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("start: null", f"start: '{'0' * 32}'"))
    assert "--none" in refused(tune).cure
    back = rerun(1, study=tuned[1].place, write=Path("params.yaml"))
    assert params.load().train.start is None
    assert back.before["start"] == "0" * 32


def test_where_the_labels_are_others_now(tuned: tuple[Path, TuningResult], project: Project) -> None:
    done = tuned[1]
    labels = project.repository.git.head()
    had = commit("tuning", "data/tuning", "params.yaml")
    lay_project(lacking=("ben/slow1",))
    track("labels: -1")
    error = refused(rerun, 1, study=done.place, model=Path("m"))
    assert error.why.startswith("other dataset, labels here; it was trained on labels")
    assert labels[:12] in error.why
    assert error.cure.startswith(f"git switch --detach {had[:7]}")
    back = rerun(1, study=done.place, write=Path("params.yaml"))
    assert any(line.startswith("warning: other dataset, labels here") for line in back.lines())
    commands(*error.cure.split("; ")[:2])
    lay_project()
    assert rerun(1, study=done.place, model=Path("m")).model == done.study.trials[0].model


def test_trials_that_made_no_model_have_no_hash(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise InputError("it broke")

    monkeypatch.setattr(objective, "fit_classifier", failing)
    with pytest.raises(InputError, match="was completed"):
        run(trials=1)
    (trial,) = studies.load(Path("study.json")).trials
    assert (trial.state, trial.model) == ("failed", "")
    assert rerun(1).lines()[1] == "why: it broke"


def test_git_does_not_ignore_studies() -> None:
    with pytest.raises(process.ProgramError):
        process.run(["git", "check-ignore", "--quiet", "data/tuning/x.json"], cwd=ROOT)
