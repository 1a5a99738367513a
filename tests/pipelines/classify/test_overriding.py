"""Params of a classifier by the command line: spellings, where the rest comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.classify.overrides import choose
from storage.errors import InputError

ROOT = Path(__file__).parents[3]


def refused(*overrides: str) -> InputError:
    with pytest.raises(InputError) as caught:
        choose(overrides)
    return caught.value


def test_params_by_any_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("num-layers=2", "learning_rate=1e-2", "kernel-size-3=7", "Epochs=5", "epochs=null", "seed=3")
    found = choose(given).classifier_plan()
    assert (found["num_layers"], found["lr"], found["kernel_size_3"], found["seed"]) == (2, 0.01, 7, 3)
    assert found["epochs"] is None
    assert found["hidden_size"] == choose(()).classifier.hidden_size


def test_params_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("num_layers: 1", "num_layers: 3"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert choose(()).classifier.num_layers == 3


def test_params_that_will_not_do() -> None:
    assert refused("hiden-size=3").what == "'hiden-size' is no param of a classifier"
    assert "hidden-size" in refused("hiden-size=3").cure
    assert refused("hidden-size").what == "'hidden-size' is not a param"
    problems = refused("hidden-size=0", "lr=fast", "seed=-1")
    assert problems.what.startswith("3 problem(s) in the params:")
    assert "hidden_size is '0': it should be greater than or equal to 1; LSTM units" in problems.what
