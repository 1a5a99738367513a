"""A tuning on a table of which somebody says what it asks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.tune.rerun import rerun
from pipelines.tune.search import tune
from storage.artifacts import checkpoint
from tests.pipelines.classify.test_classify import one_hot, refused, series, table
from tests.support.tuning_project import project, run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to tune in, in whose table one series has two labels."""
    monkeypatch.chdir(project(tmp_path / "place", trials=2))
    values, kinds = series(30)
    targets = one_hot(kinds).astype(bool)
    targets[4] = np.array([True, True, False])
    return table(tmp_path / "place" / "train.csv", values, targets).parent


def test_a_few_series_with_several_labels(place: Path) -> None:
    error = refused(run)
    assert (error.where, "--task multilabel" in error.cure) == ("train.csv:6", True)
    done = run(task="multilabel", model=Path("model"))
    assert json.loads((place / "study.json").read_bytes())["about"]["task"] == "multilabel"
    assert checkpoint.read(place / "model").postprocess["task"] == "multilabel"
    assert (
        run(task="multilabel")
        .next_command()
        .startswith(
            "labeltrail classify train train.csv --valid valid.csv --model FOLDER --task multilabel --param"
        )
    )
    found = rerun(1, Path("train.csv"), valid=Path("valid.csv"), model=Path("first"))
    assert found.model == done.study.trials[0].model


def test_of_other_files_nobody_says_that_they_are_studies(place: Path) -> None:
    (place / "settings.json").write_text("{}", encoding="utf-8")
    assert refused(rerun, 1).why == "nothing was tuned yet"
    run(task="multilabel", study=Path("mine.json"))
    assert refused(rerun, 1).why == "there are: mine.json"


def test_a_study_is_one_of_its_task(place: Path) -> None:
    run(task="multilabel")
    project(place, trials=2)
    run(study=Path("other.json"))
    assert refused(run, study=Path("other.json"), task="multilabel").why == "it has other task"
    assert refused(tune, task="multilabel").what.startswith("--task needs a table")
