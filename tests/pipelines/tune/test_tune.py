"""Tuning a classifier: seeded, goes on after it was cut off, keeps to its ranges, never learns what it judges by."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.classify import train
from pipelines.tune import objective
from pipelines.tune.search import tune
from stages import params
from stages.classification import training
from stages.classification.plan import Plan
from storage import process, settings
from storage.artifacts import provenance
from storage.errors import InputError
from storage.files import md5
from storage.series import series_table
from tests.pipelines.classify.test_classify import called, one_hot, refused, series, table
from tests.support.tuning_project import FIXED, RANGES, ROOT, project, ranged, run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to tune in; it is the current one."""
    monkeypatch.chdir(project(tmp_path / "place"))
    return tmp_path / "place"


def test_what_was_tried_is_all_in_the_study(place: Path) -> None:
    done = run()
    value = json.loads((place / "study.json").read_bytes())
    assert (value["version"], len(value["trials"])) == (1, 5)
    assert (value["about"]["train"], value["about"]["valid"]) == (
        md5(place / "train.csv"),
        md5(place / "valid.csv"),
    )
    usual = {"device": "cpu", "epochs": None, "seed": 0, "steps": 12}
    assert value["about"]["params"].items() >= usual.items()
    names = set(Plan.model_fields)
    assert all(set(tried["params"]) == names and tried["params"]["seed"] == 0 for tried in value["trials"])
    assert json.loads(json.dumps(done.to_json()))["trials"] == value["trials"]
    complete = [tried for tried in value["trials"] if tried["state"] == "complete"]
    assert done.best.loss == min(tried["loss"] for tried in complete)
    assert set(done.chosen) == {name for name, values in RANGES.items() if values is not None}


def test_ranges_are_kept_to_and_a_range_of_one_value_is_fixed(place: Path) -> None:
    project(place, trials=12, steps=1)
    drawn = [tried.params for tried in run().study.trials]
    assert all({name: tried[name] for name in FIXED} == FIXED for tried in drawn)
    assert {tried["dropout"] for tried in drawn} == {0.2}
    assert {tried["scaling"] for tried in drawn} == {"series", "train"}
    assert {tried["hidden_size"] for tried in drawn} <= {2, 3, 4, 5}
    rates = [tried["lr"] for tried in drawn]
    assert len(set(rates)) > 8
    assert all(0.001 <= rate <= 0.05 and rate == float(f"{rate:.3g}") for rate in rates)
    # On a log scale half of them lie below the geometric mean; the first is the usual one.
    assert 2 <= sum(rate < math.sqrt(0.001 * 0.05) for rate in rates[1:]) <= 9
    usual = params.load().train.classifier
    assert (rates[0], drawn[0]["hidden_size"], drawn[0]["scaling"]) == (usual.lr, 5, usual.scaling)


def test_the_same_tuning_makes_the_same_bytes(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    monkeypatch.chdir(project(tmp_path / "other"))
    run()
    for name in ("study.json", "study.svg"):
        assert (tmp_path / "other" / name).read_bytes() == (place / name).read_bytes()
    path = tmp_path / "other" / "params.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("\n  seed: 0\n  classifier", "\n  seed: 1\n  classifier")
    )
    other = run(study=Path("other.json")).study.trials[1].params
    assert (other["seed"], refused(run).why) == (1, "it has other params")
    assert other["lr"] != json.loads((place / "study.json").read_bytes())["trials"][1]["params"]["lr"]


def test_a_tuning_that_was_cut_off_goes_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(study=Path("whole.json")).study
    fit_classifier, calls = training.fit_classifier, []

    def cut(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit_classifier(*arguments, **options)

    monkeypatch.setattr(objective, "fit_classifier", cut)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(json.loads((place / "study.json").read_bytes())["trials"]) == 2
    done = run()
    assert (done.earlier, done.study) == (2, whole)
    assert "2 from earlier runs" in done.lines()[1]
    for name in ("json", "svg"):
        assert (place / f"study.{name}").read_bytes() == (place / f"whole.{name}").read_bytes()
    calls.clear()
    assert run().study == whole
    assert not calls
    assert len(run(trials=6).study.trials) == 6


def test_pruned_trials_have_no_score_and_are_never_best(place: Path) -> None:
    project(place, trials=14, steps=30, **ranged(lr=[1e-6, 0.05]))
    done = run()
    states = [tried.state for tried in done.study.trials]
    assert states[:6] == ["complete"] * 6
    assert "pruned" in states
    for tried in done.study.trials:
        assert (tried.loss is None) == (tried.state == "pruned")
    assert [done.study.trials[n - 1].state for n in done.to_json()["ranking"]] == sorted(states)


def test_a_trial_that_fails_is_told_and_the_tuning_goes_on(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit_classifier = training.fit_classifier

    def fail(known: Any, held: Any, spec: Any, plan: Plan, **options: Any) -> Any:
        training.check_finite(math.nan if plan.scaling == "train" else 1.0, 1, plan)
        return fit_classifier(known, held, spec, plan, **options)

    monkeypatch.setattr(objective, "fit_classifier", fail)
    project(place, trials=8)
    done = run()
    failed = [tried for tried in done.study.trials if tried.state == "failed"]
    assert failed
    assert all(tried.params["scaling"] == "train" and tried.loss is None for tried in failed)
    assert any(line.startswith("failed, ") and "not a finite number" in line for line in done.lines())
    assert done.best.params["scaling"] == "series"
    project(place, **ranged(scaling="train"))
    none = refused(run, study=Path("none.json"))
    assert none.what == "none of 5 trials was completed"
    assert "not a finite number" in none.why
    assert len(json.loads((place / "none.json").read_bytes())["trials"]) == 5


def test_the_best_params_are_taken_by_dvc_repro_and_nothing_else_changes(place: Path) -> None:
    path = place / "params.yaml"
    before = path.read_text(encoding="utf-8").replace("    lr: 0.001", "    lr:   1e-3   # as published")
    path.write_text(before, encoding="utf-8")
    done = run(write=Path("params.yaml"))
    found = params.load(path).train
    assert {name: found.classifier_plan()[name] for name in done.chosen} == dict(done.chosen)
    after = path.read_text(encoding="utf-8")
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert {a.strip().partition(":")[0] for a, _ in changed} <= set(done.chosen)
    assert f"    lr:   {done.chosen['lr']}   # as published" in after
    assert "--param" not in "\n".join(done.lines())
    assert found.classifier.steps == 12
    assert done.next_command() == "labeltrail classify train train.csv --valid valid.csv --model FOLDER"
    (place / "dvc.yaml").touch()
    assert done.next_command() == "dvc repro"
    # Written params are those that are tried first; a study goes on though they have changed.
    assert len(run(trials=6).study.trials) == 6


def test_the_best_model_is_one_of_classify_train(place: Path) -> None:
    done = run(model=Path("m"))
    assert done.model is not None
    origin = provenance.read(place / "m")
    assert origin.dataset == md5(place / "train.csv")
    assert {name: origin.params["train"]["classifier"][name] for name in done.chosen} == dict(done.chosen)
    flags = done.flags.replace("--param ", "").split()
    again = train.train(Path("train.csv"), Path("m2"), valid=Path("valid.csv"), overrides=flags)
    assert again.model == done.model.model
    assert done.next_command().startswith("labeltrail classify predict m X.csv")


def test_no_series_is_scored_by_a_model_that_was_trained_on_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, fit_classifier, files, sets = series_table.read, training.fit_classifier, [], []

    def reading(path: Path, **options: Any) -> Any:
        files.append(path.name)
        return read(path, **options)

    def learning(known: Any, held: Any, *rest: Any, **options: Any) -> Any:
        sets.append(({row.tobytes() for row in known.values}, {row.tobytes() for row in held.values}))
        return fit_classifier(known, held, *rest, **options)

    monkeypatch.setattr(series_table, "read", reading)
    monkeypatch.setattr(objective, "fit_classifier", learning)
    run(trials=1)
    tune(Path("train.csv"), trials=1, study=Path("folds.json"))
    assert files == ["train.csv", "valid.csv", "train.csv"]
    assert [(len(known), len(held)) for known, held in sets] == [(30, 15), (20, 10), (20, 10), (20, 10)]
    assert not any(known & held for known, held in sets)
    assert set.union(*(held for _, held in sets[1:])) == sets[0][0]


def test_folds_of_a_rare_class(place: Path) -> None:
    values, kinds = series(30)
    two = np.flatnonzero((kinds != 2) | (np.arange(30) < 6))
    table(place / "few.csv", values[two], one_hot(kinds)[two])
    assert tune(Path("few.csv"), trials=1).data.validated_on == "2 folds (the rarest class has 2 series)"
    one = two[np.isin(two, [5], invert=True)]
    table(place / "one.csv", values[one], one_hot(kinds)[one])
    error = refused(tune, Path("one.csv"), study=Path("one.json"))
    assert error.why == "a class (y_3) has one series, which cannot be both trained and validated on"
    assert not (place / "one.json").exists()


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_other_tasks(task: str, place: Path) -> None:
    values, kinds = series(30)
    targets = (kinds == 1)[:, None] if task == "binary" else np.stack([kinds != 0, kinds != 1], 1)
    table(place / "t.csv", values, targets)
    done = tune(Path("t.csv"), trials=2)
    assert done.lines()[0].startswith(f"{task}: 30 series of 20 timepoints; validated on 3 folds")


def test_steps_or_epochs_may_be_tuned(place: Path) -> None:
    project(place, trials=3, **ranged(epochs=[1, 4]))
    done = run(write=Path("params.yaml"))
    assert {tried.params["epochs"] for tried in done.study.trials} <= {1, 2, 3, 4}
    assert params.load().train.classifier.epochs == done.best.params["epochs"]
    project(place, trials=3, **ranged(steps=[3, 9]))
    done = run(study=Path("steps.json"), write=Path("params.yaml"))
    assert all(
        3 <= tried.params["steps"] <= 9 and tried.params["epochs"] is None for tried in done.study.trials
    )
    found = params.load(place / "params.yaml").train.classifier
    assert (found.epochs, found.steps) == (None, done.best.params["steps"])


def test_a_study_of_something_else_is_left_alone(place: Path) -> None:
    run(trials=1)
    before = md5(place / "study.json")
    values, kinds = series(30, 7)
    table(place / "train.csv", values, one_hot(kinds))
    assert refused(run).why == "it has other train"
    project(place, **ranged(lr=[0.01, 0.02], dropout=[0.1, 0.2]))
    assert refused(run).why == "it has other ranges"
    assert refused(tune, Path("train.csv")).why == "it has other folds, ranges, valid"
    (place / "x.json").write_text("[]")
    (place / "y.json").write_text('{"version": 1}')
    for name in ("x.json", "y.json"):
        assert "--study" in refused(run, study=Path(name)).cure
    assert (md5(place / "study.json"), (place / "x.json").read_text()) == (before, "[]")


def test_places_that_will_not_do_are_told_before_anything_is_tried(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objective, "fit_classifier", lambda *_: pytest.fail("it was trained"))
    before = md5(place)
    assert refused(run, study=Path("train.csv")).why == "it is no .json file"
    assert refused(run, model=Path("m"), study=Path("m/study.json")).why == "it is in the model's folder"
    assert refused(run, model=Path()).why
    assert refused(run, write=Path("no.yaml")).what == "there is no no.yaml to write into"
    assert refused(run, valid=Path("no.csv")).why == "there is no such file"
    assert md5(place) == before


def test_the_command(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("tune", "train.csv", "--valid", "valid.csv", "--trials", "3")
    code, text = called(capsys, monkeypatch, *words)
    lines = text.splitlines()
    assert code == 0
    assert lines[0] == "multiclass: 30 series of 20 timepoints; validated on the 15 series of valid.csv"
    assert lines[1] == "3 trials: 3 complete, 0 pruned, 0 failed"
    assert lines[2].split()[:4] == ["trial", "state", "loss", "accuracy"]
    assert lines[6].startswith("the best params: --param num-layers=1 --param hidden-size=")
    assert lines[7] == "the study is study.json, plotted in study.svg"
    assert lines[8].startswith(
        "next: labeltrail classify train train.csv --valid valid.csv --model FOLDER --param num-layers=1"
    )
    code, text = called(capsys, monkeypatch, *words, "--json")
    value = json.loads(text)
    assert (code, value["version"], value["written"], value["model"]) == (0, 1, None, None)
    assert value["ranking"][0] == value["best"]["trial"]
    code, text = called(capsys, monkeypatch, "tune", "no.csv", "--json")
    assert (code, json.loads(text)["error"]["why"]) == (InputError.exit_code, "there is no such file")
    assert {path.name for path in place.iterdir()} == {
        "params.yaml", "train.csv", "valid.csv", "test.csv", "study.json", "study.svg",
    }  # fmt: skip


def test_no_other_command_waits_for_optuna() -> None:
    code = "import sys, pipelines.__main__, pipelines.classify.train; print('optuna' in sys.modules)"
    found = process.run([sys.executable, "-c", code], cwd=ROOT, env=settings.build_environment())
    assert found.strip() == "False"
