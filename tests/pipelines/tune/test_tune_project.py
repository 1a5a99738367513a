"""Tuning the classifier of a project on its own dataset: what it learns from, judges by, refuses, leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipelines.tune import objective
from pipelines.tune.result import TuningResult
from pipelines.tune.search import tune
from stages import ingest, params, train, window
from stages.classification import training
from storage.artifacts import arrays, provenance
from storage.errors import InputError
from storage.files import md5
from storage.label_studio import label_config
from storage.paths import CANDIDATE
from storage.project_files import splits_file
from storage.project_files import study as studies
from tests.pipelines.classify.test_classify import called, one_hot, refused, series, table
from tests.support import stage_project
from tests.support.choice_project import lay, record, wave
from tests.support.tuning_project import TUNING

PEOPLE = {"ann": "train", "ben": "train", "cid": "train", "dora": "validation", "eva": "test"}
KINDS = {f"{who}/{kind}{n}": kind for who in PEOPLE for kind in ("slow", "fast") for n in range(3)}
WAVES = {key: wave(kind, seed) for seed, (key, kind) in enumerate(KINDS.items())}
ALL_TRAIN = PEOPLE | {"dora": "train"}


def lay_project(of_sets: dict[str, str] = PEOPLE, lacking: tuple[str, ...] = (), **tuning: Any) -> None:
    """A project of five people, as `dvc repro window` leaves it.

    Args:
        of_sets: set of each person.
        lacking: what nobody labeled: beginnings of series keys.
        tuning: other params of the tuning.
    """
    records = [record(key, [kind]) for key, kind in KINDS.items() if not key.startswith(lacking or "-")]
    shutil.rmtree("data/labels", ignore_errors=True)
    lay(WAVES, records, {}, steps=20)
    splits_file.write(
        {key: splits_file.Row(key.partition("/")[0], of_sets[key.partition("/")[0]]) for key in KINDS}
    )
    value = yaml.safe_load(Path("params.yaml").read_text()) | {"tuning": TUNING | {"trials": 3, **tuning}}
    Path("params.yaml").write_text(yaml.safe_dump(value, sort_keys=False))
    ingest.main()
    window.main()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The top of a project; it is the current folder."""
    monkeypatch.chdir(tmp_path)
    lay_project()
    return tmp_path


def tuned(
    monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[TuningResult, list[tuple[set[str], set[str]]]]:
    """Tune; of each training the series of its train and validation split."""
    fit_classifier, used = training.fit_classifier, []
    keys = {arrays.values(key).T.tobytes(): key for key in KINDS}

    def learning(known: Any, held: Any, *rest: Any, **more: Any) -> Any:
        used.append(tuple({keys[row.tobytes()] for row in part.values} for part in (known, held)))
        return fit_classifier(known, held, *rest, **more)

    monkeypatch.setattr(objective, "fit_classifier", learning)
    return tune(**options), used


def people(keys: set[str]) -> set[str]:
    return {key.partition("/")[0] for key in keys}


def test_it_learns_from_the_train_set_and_judges_by_the_validation_set(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, asked = arrays.values, set[str]()
    monkeypatch.setattr(arrays, "values", lambda key, *rest: asked.add(key) or read(key, *rest))
    done = tune(trials=1)
    assert people(asked) == {"ann", "ben", "cid", "dora"}
    assert (
        done.lines()[0]
        == "binary: 18 series of 40 timepoints; validated on the 6 series of the validation split"
    )
    done, used = tuned(monkeypatch, trials=2)
    assert [(people(known), people(held)) for known, held in used] == [({"ann", "ben", "cid"}, {"dora"})]
    assert not used[0][0] & used[0][1]


def test_without_a_validation_set_people_are_cross_validated(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_project(ALL_TRAIN, folds=2)
    done, used = tuned(monkeypatch, trials=1)
    assert done.lines()[0].endswith(
        "validated on 2 folds of the train split, for the validation split has no labeled series"
    )
    assert [len(people(held)) for _, held in used] == [2, 2]
    assert all(not people(known) & people(held) for known, held in used)
    assert set.union(*(people(held) for _, held in used)) == {"ann", "ben", "cid", "dora"}
    assert done.study.about["folds"] == 2
    assert [trial.model for trial in done.study.trials] == [""]


def test_the_study_is_named_by_its_data_and_goes_on_to_the_same_bytes(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = tune(trials=1)
    assert done.place == studies.FOLDER / f"{done.place.stem}.json"
    assert tune().place == done.place
    about = json.loads(done.place.read_text())["about"]
    assert about["dataset"] == md5(Path("data/dataset"))
    assert about["annotations"]["ann/slow0"] == ["1-ann/slow0"]
    assert people(set(about["annotations"])) == {"ann", "ben", "cid"}
    lay_project(lacking=("ann/slow0",))
    other = tune(trials=1)
    assert other.place != done.place
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    lay_project(trials=1)
    tune()
    lay_project()
    again = tune()
    assert (again.earlier, again.place, md5(again.place)) == (1, done.place, md5(project / done.place))
    assert md5(again.place.with_suffix(".svg")) == md5((project / done.place).with_suffix(".svg"))


def test_the_best_params_go_where_dvc_repro_takes_them(project: Path) -> None:
    done = tune(trials=2)
    assert done.next_command() == "labeltrail classify tune --trials 2 --write params.yaml && dvc repro"
    done = tune(trials=2, write=Path("params.yaml"))
    assert done.next_command() == "dvc repro"
    train.main()
    used = provenance.read(CANDIDATE).params["train"]["classifier"]
    assert {name: used[name] for name in done.chosen} == dict(done.chosen)
    assert tune(trials=2).earlier == 2
    elsewhere = tune(trials=1, study=Path("mine.json"))
    assert "--study mine.json --write" in elsewhere.next_command()


def test_a_table_that_is_named_wins_over_the_project(project: Path) -> None:
    values, kinds = series(30)
    table(project / "t.csv", values, one_hot(kinds))
    assert tune(Path("t.csv"), trials=1).place == Path("study.json")
    assert not studies.FOLDER.exists()


@pytest.mark.parametrize(
    ("of_sets", "lacking", "note"),
    [
        (
            PEOPLE,
            ("dora/fast",),
            "warning: the validation split has no series that is fast, which does not count in the score",
        ),
        (PEOPLE | {"dora": "unassigned"}, (), None),
    ],
)
def test_a_class_that_is_missing_is_named(
    project: Path, of_sets: dict[str, str], lacking: tuple[str, ...], note: str | None
) -> None:
    lay_project(of_sets, lacking)
    lines = [line for line in tune(trials=1).lines() if line.startswith("warning")]
    assert [line[: len(note or "")] for line in lines] == ([note] if note else [])
    assert all("labeltrail sync; dvc repro window" in line for line in lines)


def test_what_cannot_be_tuned_says_what_to_do(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objective, "fit_classifier", lambda *_, **__: pytest.fail("it was trained"))
    lay_project(lacking=("ann/slow", "ben/slow", "cid/slow"))
    error = refused(tune)
    assert (error.what, error.why) == (
        "the train split has nothing to tell apart",
        "its 9 labeled series are all: fast",
    )
    lay_project(PEOPLE | {"dora": "unassigned"}, lacking=("ann/slow", "ben/slow"))
    error = refused(tune)
    assert "all of the train split that are slow are of one group (cid)" in error.why
    assert "write `validation` beside a group there" in error.cure
    lay_project()
    Path("data/labels.dvc").write_text("outs:\n- md5: 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f.dir\n  path: labels\n")
    error = refused(tune)
    assert (error.what, error.cure) == ("the dataset is out of date", "dvc repro window")
    assert error.why == "changed since it was made: labels"
    Path("data/labels.dvc").unlink()
    stage_project.write_params(train={"start": "0" * 32})
    assert "labeltrail start-from --none" in refused(tune).cure
    stage_project.write_params()
    for options, cure in (
        ({"valid": Path("v.csv")}, "labeltrail classify tune TRAIN.csv"),
        ({"model": Path("m")}, "labeltrail classify tune --write params.yaml; dvc repro"),
    ):
        assert refused(tune, **options).cure == cure
    assert not studies.FOLDER.exists()


def test_where_there_is_no_dataset_of_choices(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "data")
    error = refused(tune)
    assert error.why.startswith("no TRAIN.csv was named, and this is not the top folder of a project")
    monkeypatch.chdir(tmp_path_factory.mktemp("regions"))
    stage_project.small({"a": WAVES["ann/slow0"]}, {"a": [(1.0, 3.0, "A")]})
    error = refused(tune)
    assert error.what == "this project has no classifier to tune"
    ingest.main()
    window.main()
    asked = (
        label_config.PATH.read_text().replace("TimeSeriesLabels", "Choices").replace("<Label ", "<Choice ")
    )
    label_config.PATH.write_text(asked)
    error = refused(tune)
    assert (error.why, error.cure) == ("changed since it was made: label config", "dvc repro window")
    monkeypatch.chdir(tmp_path_factory.mktemp("nothing"))
    lay(WAVES, [], {})
    error = refused(tune)
    assert (error.what, error.cure) == ("data/dataset/index.json is not there yet", "dvc repro window")


def test_several_choices_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = {key: [kind, "any"] if key.startswith("a") else [kind] for key, kind in KINDS.items()}
    lay(
        WAVES,
        [record(key, choices) for key, choices in said.items()],
        {},
        ("slow", "fast", "any"),
        "multilabel",
    )
    splits_file.write({key: splits_file.Row(key.partition("/")[0], "train") for key in KINDS})
    stage_project.write_params(tuning=TUNING | {"trials": 1})
    ingest.main()
    window.main()
    assert (
        tune()
        .lines()[0]
        .startswith("multilabel: 30 series of 40 timepoints; validated on 3 folds of the train split")
    )


def test_the_command(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = called(capsys, monkeypatch, "tune", "--trials", "2", "--write", "params.yaml")
    assert (code, text.splitlines()[-1]) == (0, "next: dvc repro")
    assert np.isfinite(params.load().train.classifier.lr)
    code, text = called(capsys, monkeypatch, "tune", "--valid", "v.csv", "--json")
    assert (code, json.loads(text)["error"]["where"]) == (InputError.exit_code, "")
