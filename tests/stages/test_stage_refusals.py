"""What the stages refuse, and how a candidate becomes the best."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages import ingest, predict, promote, train, window
from stages.run import run
from storage.artifacts import checkpoint, predictions, reports
from storage.errors import InputError
from storage.files import md5, write_bytes
from storage.label_studio import label_config
from storage.paths import BEST, CANDIDATE
from tests.support.stage_project import (
    QUICK,
    noise,
    run_all,
    small,
    write_params,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to lay a project in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_stage_as_a_program_prints_the_error_and_its_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as caught:
        run(ingest.main)
    assert caught.value.code == 3
    assert capsys.readouterr().err.startswith(
        "this project has no label config yet\n  where: data/label_config.xml"
    )

    def bug() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(bug)


def nothing(_: Path) -> None:
    write_bytes(Path("data/label_config.xml"), label_config.render(("x", "y"), ("A",), "time").encode())
    write_params()


def all_refused(_: Path) -> None:
    nothing(_)
    write_bytes(Path("data/series/a.csv"), b"time,x\n0,1\n")


def unlabeled(_: Path) -> None:
    small({"a": noise(9)}, {})


def no_train(_: Path) -> None:
    small({"a": noise(9)}, {"a": [(1, 2, "A")]}, splits={"a": "test"})


def all_background(_: Path) -> None:
    small({"a": noise(300), "b": noise(90, 1)}, {"a": [], "b": [(1, 2, "A")]}, splits={"b": "test"})


def other_labels(_: Path) -> None:
    small({"a": noise(9)}, {"a": [(1, 2, "act_a"), (4, 4, "act_b")]})


@pytest.mark.parametrize(
    ("lay", "what", "cure"),
    [
        (nothing, "there are no recordings", "labeltrail import PATH"),
        (
            all_refused,
            "all 1 recordings are refused: channel 'y' is missing",
            "add the column, or take 'y' out of the label config; the file has: time, x",
        ),
        (
            unlabeled,
            "there is nothing to learn from",
            "label some series in Label Studio, then: labeltrail sync",
        ),
        (no_train, "there is nothing to learn from", "write `train` beside some of them in data/splits.csv"),
        (
            all_background,
            "the train split has nothing to find",
            "label regions in series of the train split, then: labeltrail sync; dvc repro",
        ),
        (
            other_labels,
            "the train split has nothing to find",
            "give the label config in Label Studio the labels that the regions have, or the regions its labels, "
            "then: labeltrail sync; dvc repro",
        ),
    ],
)
def test_what_cannot_go_on_says_so(folder: Path, lay: Callable[[Path], None], what: str, cure: str):
    lay(folder)
    with pytest.raises(InputError) as caught:
        ingest.main()
        window.main()
    assert (caught.value.what, caught.value.cure) == (what, cure)


def test_a_stage_that_comes_too_early_says_which_is_missing(folder: Path):
    small({"a": noise(9)}, {"a": []})
    for stage, cure in (
        (window, "dvc repro ingest"),
        (train, "dvc repro window"),
        (predict, "dvc repro promote"),
    ):
        with pytest.raises(InputError) as caught:
            stage.main()
        assert caught.value.cure == cure


def test_only_unassigned_series_are_predicted_when_asked(folder: Path):
    small(
        {"a": noise(60), "b": noise(60, 1)},
        {"a": [(1, 9, "A")]},
        splits={"b": "unassigned"},
        params={"predict": {"series": "unassigned"}},
    )
    run_all()
    assert predictions.keys() == ["b"]


def test_a_damaged_model_is_not_used(folder: Path):
    small({"a": noise(60)}, {"a": [(1, 9, "A")]})
    run_all()
    path = Path("data/best/weights.safetensors")
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    write_bytes(path, bytes(raw))
    with pytest.raises(InputError, match="data/best is damaged"):
        predict.main()


def test_a_model_of_other_labels_may_not_speak_and_is_replaced(folder: Path):
    series, regions = {"a": noise(60), "b": noise(60, 1)}, {"a": [(1, 9, "A")], "b": [(1, 9, "A")]}
    small(series, regions, splits={"b": "test"})
    run_all()
    small(series, regions, splits={"b": "test"}, labels=("B", "A"))
    with pytest.raises(InputError, match="does not fit the project"):
        predict.main()
    run_all()
    verdict = json.loads(reports.VERDICT.read_text())
    assert (
        verdict["reason"]
        == "the best model is no longer compatible: its labels are A, B; the project's are B, A"
    )
    assert checkpoint.read(BEST).labels == ("B", "A")


def test_the_best_is_kept_when_the_candidate_is_worse(folder: Path, monkeypatch: pytest.MonkeyPatch):
    small({"a": noise(60), "b": noise(60, 1)}, {"a": [(1, 9, "A")], "b": [(1, 9, "A")]}, splits={"b": "test"})
    run_all()
    shutil.copytree("data/best", "before")
    write_params(train={**QUICK["train"], "seed": 1})
    train.main()
    marks = {checkpoint.model_hash(CANDIDATE): 0.4, checkpoint.model_hash(BEST): 0.5}
    rules = promote.rules

    def marked(*given: Any) -> promote.Rules:
        return replace(rules(*given), measure=lambda model: marks[model.hash()])

    monkeypatch.setattr(promote, "rules", marked)
    promote.main()
    verdict = json.loads(reports.VERDICT.read_text())
    assert verdict["verdict"] == "kept"
    assert (
        verdict["reason"] == "on the test split its event_f1 of 0.4000 is worse than the best model's 0.5000"
    )
    assert md5(Path("before")) == md5(BEST)
    marks[checkpoint.model_hash(CANDIDATE)] = 0.6
    promote.main()
    assert json.loads(reports.VERDICT.read_text())["verdict"] == "promoted"
    assert md5(CANDIDATE) == md5(BEST)
    promote.main()
    assert json.loads(reports.VERDICT.read_text())["reason"] == "the candidate is the best model already"


@pytest.mark.parametrize(
    ("candidate", "best", "gain", "verdict", "reason"),
    [
        (
            0.5,
            0.5,
            0.0,
            "promoted",
            "on the test split its event_f1 of 0.5000 is as good as the best model's 0.5000",
        ),
        (
            0.53,
            0.5,
            0.05,
            "kept",
            "on the test split its event_f1 of 0.5300 is better than the best model's 0.5000, "
            "but not by enough (min_gain 0.05)",
        ),
        (
            0.55,
            0.5,
            0.05,
            "promoted",
            "on the test split its event_f1 of 0.5500 is better than the best model's 0.5000, "
            "by enough (min_gain 0.05)",
        ),
    ],
)
def test_the_rule_of_promotion(candidate: float, best: float, gain: float, verdict: str, reason: str):
    found = promote.compare("event_f1", candidate, best, gain)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_a_best_model_of_an_older_form_is_replaced(folder: Path, capsys: pytest.CaptureFixture[str]):
    small({"a": noise(60)}, {"a": [(1, 9, "A")]})
    run_all()
    path = BEST / "model.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(value | {"version": 1}), encoding="utf-8")
    with pytest.raises(InputError, match="an older Labeltrail made data/best"):
        predict.main()
    promote.main()
    assert "promoted: the best model cannot be loaded any more" in capsys.readouterr().out
    predict.main()
