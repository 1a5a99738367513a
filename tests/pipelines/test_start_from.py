"""Training stage: going on from an earlier model, the same bytes each time, and refused where it does not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.__main__ import app
from stages import params, train
from stages.segmentation import candidate
from storage.artifacts import checkpoint, dataset, provenance
from storage.artifacts.lineage import Model
from storage.errors import InputError
from storage.files import md5
from storage.paths import CANDIDATE, START
from tests.stages.test_classification import RECORDS, SERIES, SPLITS
from tests.support.choice_project import lay, run_all

ROOT = Path(__file__).parents[2]
QUICK = {"steps": 10, "lr": 0.0003}


@pytest.fixture
def taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project whose candidate is put where training starts; its hash."""
    monkeypatch.chdir(tmp_path)
    lay(SERIES, RECORDS, SPLITS, steps=20)
    run_all()
    checkpoint.copy(CANDIDATE, START)
    return provenance.read(START).model


def put(*, start: str | None, **classifier: Any) -> None:
    """Other params for training."""
    path = Path("params.yaml")
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    value["train"]["start"] = start
    value["train"]["classifier"] |= classifier
    path.write_text(yaml.safe_dump(value), encoding="utf-8")


def told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CANDIDATE / "model.json").read_text(encoding="utf-8"))["training"]
    return found


def test_what_was_learnt_before_stays_and_the_bytes_are_the_same_again(
    taught: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    put(start=None, **QUICK)
    train.main()
    bare, scratch_loss = md5(CANDIDATE), told()["loss"]
    assert told()["from"] == ""
    put(start=taught, **QUICK)
    train.main()
    found = md5(CANDIDATE)
    assert found != bare
    assert told()["from"] == provenance.read(CANDIDATE).start == taught
    assert told()["loss"] < scratch_loss
    shutil.copytree(".", elsewhere := tmp_path_factory.mktemp("elsewhere") / "deeper")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        shutil.rmtree(CANDIDATE)
        train.main()
        assert md5(CANDIDATE) == found


def test_several_processes_start_from_it_too(taught: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(start=taught, **QUICK)
    train.main()
    alone = told()
    monkeypatch.setenv("LABELTRAIL_WORKERS", "2")
    train.main()
    several = told()
    assert several["from"] == taught
    assert several["loss"] == pytest.approx(alone["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("classifier", "why"),
    [
        ({"hidden_size": 9}, "its hidden_size is 8, here it is 9"),
        ({"scaling": "train"}, "its scaling is series, here it is train"),
    ],
)
def test_another_shape_or_scaling_is_refused(taught: str, classifier: dict[str, Any], why: str) -> None:
    put(start=taught, **classifier)
    before = md5(CANDIDATE)
    with pytest.raises(InputError, match="the model to start from is not compatible") as refused:
        train.main()
    assert refused.value.why == why
    assert "--params takes its params" in refused.value.cure
    assert "--none" in refused.value.cure
    assert md5(CANDIDATE) == before


def test_other_labels_are_refused(taught: str) -> None:
    put(start=taught)
    index = json.loads((dataset.PATH / "index.json").read_text(encoding="utf-8"))
    index["labels"] = ["fast", "slow"]
    (dataset.PATH / "index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(InputError, match="is not compatible") as refused:
        train.main()
    assert refused.value.why == "its labels is slow, fast, here it is fast, slow"
    assert "--params" not in refused.value.cure


def test_a_missing_model_and_another_one_are_refused(taught: str) -> None:
    put(start="0" * 32)
    with pytest.raises(InputError, match="another one than the params name") as refused:
        train.main()
    assert taught in refused.value.why
    shutil.rmtree(START)
    with pytest.raises(InputError, match="not in the work tree") as refused:
        train.main()
    assert refused.value.cure.startswith("dvc pull data/start.dvc; or labeltrail start-from 00000000")


def test_what_it_has_learnt_from_is_not_held_out(taught: str) -> None:
    put(start=taught)
    path = dataset.PATH / "index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    index["series"]["slow4"]["split"] = "test"
    index["windows"]["train"] = [w for w in index["windows"]["train"] if w[0] != "slow4"]
    path.write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(InputError, match="was trained on what is held out now") as refused:
        train.main()
    assert refused.value.why == "it was trained on slow4 (test)"


def test_what_only_the_start_has_learnt_from_is_remembered(taught: str) -> None:
    put(start=taught, **QUICK)
    path = dataset.PATH / "index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    index["series"]["slow4"]["split"] = "unassigned"
    path.write_text(json.dumps(index), encoding="utf-8")
    train.main()
    origin = provenance.read(CANDIDATE)
    assert origin.earlier == {"slow4": ["1-slow4"]}
    assert "slow4" not in origin.annotations
    assert origin.trained_on()["slow4"] == {"1-slow4"}


def test_a_model_of_regions_starts_from_scratch() -> None:
    given = params.load(ROOT / "params.yaml").train
    candidate.check_start(given)
    with pytest.raises(InputError, match="a model of regions cannot be trained") as refused:
        candidate.check_start(given.model_copy(update={"start": "0" * 32}))
    assert refused.value.cure == "labeltrail start-from --none, then dvc repro"


def test_an_annotation_that_only_the_start_has_learnt_from_has_a_share() -> None:
    ids = {"annotations": {"one": ["1-a"]}, "earlier": {"one": ["2-b"], "two": ["3-c"]}}
    model = Model("m", "lstm-fcn", "", "", {}, ids["annotations"], "s", ids["earlier"], "", "")
    known = {"1-a": "one", "2-b": "one", "3-c": "two"}
    assert all(model.was_trained_on({"id": name, "series": series}) for name, series in known.items())
    assert not model.was_trained_on({"id": "3-c", "series": "one"})


@pytest.mark.parametrize("words", [[], ["best", "--none"], ["--none", "--params"]])
def test_a_model_or_none(words: list[str]) -> None:
    answer = CliRunner().invoke(app, ["start-from", *words])
    assert answer.exit_code == 2
    assert "name a model, or give --none" in answer.output
