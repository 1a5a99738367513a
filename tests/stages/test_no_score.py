"""There is no score of nothing: not in metrics, tables, curves, report or DVC, and no verdict rests on one."""

from __future__ import annotations

import csv
import json
import math
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages import evaluate, ingest, promote, report, window
from stages.promote import Rules
from storage.artifacts import checkpoint, dataset, provenance, reports
from storage.errors import InputError
from storage.files import write_bytes
from storage.paths import CANDIDATE
from tests.support import choice_project, classified_project, report_project
from tests.support.stage_project import QUICK, noise, run_all, small

COUNTS = {"true", "predicted", "matched", "fragmented", "merged", "count"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to lay a project in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def strict(path: Path) -> Any:
    """JSON as the standard has it: NaN and infinite numbers are none."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{path} holds {name}")

    return json.loads(path.read_bytes(), parse_constant=refuse)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def scored(split: dict[str, dict[str, float | None]]) -> dict[str, float]:
    """The figures of a split that are there, but for counts."""
    return {
        f"{level}.{name}": value
        for level, found in split.items()
        for name, value in found.items()
        if value is not None and name not in COUNTS
    }


def lay_without_events() -> None:
    """Regions in the train split; somebody looked at the held-out series and found nothing in them."""
    series = {key: noise(120, i) for i, key in enumerate(("a", "v", "t", "u"))}
    names = {"v": "validation", "t": "test", "u": "test"}
    # Without refit both splits are held out: with it the model is trained on the validation split.
    params = {"train": {**QUICK["train"], "refit": False}}
    regions: Any = {"a": [(10, 40, "A"), (60, 80, "B")], "v": [], "t": [], "u": []}
    small(series, regions, splits=names, params=params)


def test_held_out_series_without_an_event_have_no_score_anywhere(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_without_events()
    run_all()
    report.main()
    told = capsys.readouterr().out
    assert "test: no score, for it has no event to find" in told
    assert "warning: the validation split has no event to find" in told
    strict(reports.HEADLINE)
    metrics = reports.read_scores()
    assert set(metrics) == {"validation", "test"}
    assert scored(metrics["test"]) == scored(metrics["validation"]) == {}
    assert metrics["test"]["event"]["f1"] is None and metrics["test"]["event"]["true"] == 0
    for row in rows(reports.CLASSES):
        assert (row["event_f1"], row["f1"] if row["label"] != "background" else "") == ("", "")
    assert {(row["event_f1"], row["balanced_accuracy"]) for row in rows(reports.SUBJECTS)} == {("", "")}
    assert {row["share"] for row in rows(reports.CONFUSION) if row["actual"] != "background"} == {""}
    assert not [path for path in reports.CURVES.rglob("*.tsv") if "validation" in path.as_posix()]
    model = strict(CANDIDATE / "model.json")
    assert set(model["training"]["validation"].values()) == {None}
    verdict = strict(reports.VERDICT)
    assert (verdict["verdict"], verdict["candidate"], verdict["best"]) == ("promoted", None, None)
    assert verdict["reason"] == f"there was no best model yet; it has no event_f1, for {promote.NOTHING}"
    page = reports.PAGE.read_text(encoding="utf-8")
    assert "The test split has no event to find, so it has no scores (—)." in page
    assert "1.000" not in page.partition('id="scores"')[2].partition('id="confusion"')[0]


def test_dvc_shows_no_metric_where_there_is_no_score(folder: Path) -> None:
    write_bytes(Path("m.json"), json.dumps({"test": {"event": {"f1": None, "true": 0}}}).encode())
    write_bytes(Path("dvc.yaml"), b"metrics:\n- m.json\n")
    for words in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(words, check=True, capture_output=True)
    shown = subprocess.run(["dvc", "metrics", "show", "--json"], check=True, capture_output=True).stdout
    assert json.loads(shown)[""]["data"]["m.json"]["data"] == {"test": {"event": {"true": 0}}}


def test_a_candidate_without_a_score_leaves_the_best_alone(folder: Path) -> None:
    report_project.lay()
    model = checkpoint.read(CANDIDATE)
    newer = replace(model, training={**model.training, "loss": 0.4})
    origin = provenance.read(CANDIDATE)
    checkpoint.write(newer, replace(origin, model=newer.hash()))
    for candidate, best, series, verdict, reason in (
        (None, None, 3, "kept", f"the candidate has no f1, for {promote.NOTHING}: the best model stays"),
        (None, 0.9, 3, "kept", f"the candidate has no f1, for {promote.NOTHING}: the best model stays"),
        (0.1, None, 3, "promoted", "the best model has no f1 on the test split, the candidate has 0.1000"),
        (None, None, 0, "promoted", "there is no test split to compare on: the newer model is taken"),
    ):
        marks = {newer.hash(): candidate, model.hash(): best}
        found = promote.decide(Rules("f1", 0.0, series, marking(marks), lambda _: ""))
        assert (found.verdict, found.reason) == (verdict, reason)


def marking(marks: dict[str, float | None]) -> Callable[[checkpoint.Checkpoint], float | None]:
    return lambda model: marks[model.hash()]


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_figure_that_is_no_number_is_no_score(value: float | None) -> None:
    assert promote.pick("f1", {"f1": value}) is None


# -- whole series ---------------------------------------------------------------------------------


def test_whole_series_of_which_none_has_a_class(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classified_project.lay(task="multilabel")
    index = dataset.read_index()
    none = {k: replace(e, choices=() if e.split == "test" else e.choices) for k, e in index.series.items()}
    dataset.save_index(dataset.PATH, replace(index, series=none))
    evaluate.main()
    assert "macro F1 none of 12 series" in capsys.readouterr().out
    test = reports.read_scores()["test"]["series"]
    assert {name for name, value in test.items() if value is None} == {
        "macro_f1", "worst_f1", "roc_auc", "average_precision",
    }  # fmt: skip
    assert {row["f1"] for row in rows(reports.CLASSES) if row["split"] == "test"} == {""}
    report.main()
    assert "—" in reports.PAGE.read_text(encoding="utf-8")
    promote.main()
    assert strict(reports.VERDICT)["candidate"] is None


def test_a_series_whose_choices_the_label_config_lacks_is_not_none_of_them(folder: Path) -> None:
    series = {
        key: choice_project.wave(kind, i) for i, (key, kind) in enumerate((("a", "slow"), ("b", "fast")))
    }
    said = [choice_project.record("a", ["act_slow"]), choice_project.record("b", ["act_fast"])]
    choice_project.lay(series, said, dict.fromkeys(series, "train"), task="multilabel")
    ingest.main()
    with pytest.raises(InputError) as caught:
        window.main()
    assert caught.value.what == "there is nothing to learn from"
    assert "left out: 1 x choice 'act_fast', which the label config lacks: b (1)" in caught.value.why
    assert caught.value.cure.startswith("give the label config in Label Studio the choices")
