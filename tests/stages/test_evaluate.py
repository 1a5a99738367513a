"""What evaluate writes about a candidate."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from stages import evaluate
from stages.segmentation import evaluation
from storage.artifacts import dataset, reports
from storage.artifacts.region import Region
from storage.errors import InputError
from tests.support.report_project import lay, lay_model, tally_of

TESTS = ("train", *["test"] * 5)
WALK = (Region(12, 21, "walk"),)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_evaluate_writes() -> None:
    lay(split_of=TESTS, true=(Region(10, 19, "walk"), Region(50, 59, "sit")))
    scores = reports.read_scores()["test"]
    assert scores["event"]["f1"] == round(2 / 3, 4) and scores["event"]["matched"] == 5
    assert scores["boundary"] == {"start_mean": 2, "start_median": 2, "end_mean": 2, "end_median": 2}
    assert scores["boundary_time"]["start_mean"] == 0.04
    assert set(scores["interval_low"]) == set(scores["interval_high"])
    assert set(scores["interval_low"]) == {
        "balanced_accuracy", "macro_f1", "worst_f1", "event_f1", "event_macro_f1",
    }  # fmt: skip
    with reports.SUBJECTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["group"] for row in rows] == [f"person s{i}" for i in range(1, 6)]
    assert rows[0]["events"] == "2" and rows[0]["event_f1"] == "0.6667" and rows[0]["end_error"] == "2.0"
    with reports.CLASSES.open(newline="") as file:
        sit = next(row for row in csv.DictReader(file) if row["label"] == "sit")
    assert sit["start_error"] == "" and sit["events_matched"] == "0"


def test_the_order_of_series_changes_nothing() -> None:
    lay(split_of=TESTS)
    index = dataset.read_index()
    tallies = {key: tally_of(index, key, WALK if key != "s3" else ()) for key in index.of("test")}
    one, other = (
        evaluation.score_split(dict(items), index) for items in (tallies.items(), reversed(tallies.items()))
    )
    assert evaluation.summary(one) == evaluation.summary(other)
    assert evaluation.subject_rows({"test": one}) == evaluation.subject_rows({"test": other})


def test_one_line_says_how_far_a_score_may_lie_off() -> None:
    lay(split_of=TESTS)
    index = dataset.read_index()
    result = evaluation.score_split({key: tally_of(index, key, WALK) for key in index.of("test")}, index)
    said = "balanced accuracy 0.889 (95 %: 0.889 to 0.889), event F1 1.000 (95 %: 1.000 to 1.000) of 5 events"
    assert evaluation.in_words(result) == said


def test_a_candidate_with_a_label_that_was_renamed_since_is_refused() -> None:
    lay(labels=("walk", "sit"))
    lay_model(("walk", "run"), ("x",))
    with pytest.raises(InputError) as error:
        evaluate.main()
    assert "its labels are walk, run; the project's are walk, sit" in str(error.value)
    assert error.value.cure == "dvc repro"
