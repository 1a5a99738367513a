"""Evaluate and report where the label config asks what whole recordings are."""

from __future__ import annotations

import csv
import re
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages import evaluate, report
from stages.classification import evaluation
from stages.classification.inference import predict_recordings
from stages.classification.model import Classifier
from stages.metrics import roc_curves
from stages.reporting import classification_plots
from storage.artifacts import arrays, checkpoint, dataset, provenance, reports
from storage.errors import InputError
from storage.labels import snapshot
from storage.paths import BEST, CANDIDATE
from tests.stages.metrics.test_choice_metrics import THREE, answers, one_of
from tests.stages.reporting.test_report import check_tags
from tests.support.classified_project import ROOT, ROWS, lay

EVIL = '<script>alert("1")</script> & 走る'


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


def page() -> str:
    report.main()
    text = reports.PAGE.read_text(encoding="utf-8")
    check_tags(text)
    return text


def words(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def spoil(key: str, values: np.ndarray) -> None:
    np.save(arrays.PATH / "values" / f"{key}.npy", values.astype(np.float32))


def test_what_evaluate_writes(capsys: pytest.CaptureFixture[str]) -> None:
    lay()
    evaluate.main()
    scores = reports.read_scores()
    assert set(scores) == {"test", "validation"}
    names = {
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "worst_f1",
        "log_loss",
        "roc_auc",
        "average_precision",
    }
    assert set(scores["test"]["series"]) == names | {"count"}
    assert set(scores["test"]["interval_low"]) == names == set(scores["test"]["interval_high"])
    assert scores["test"]["series"]["count"] == 12 and set(scores["test"]["calibration"]) == {"series"}
    classes, confusion = rows(reports.CLASSES), rows(reports.CONFUSION)
    assert [(row["split"], row["label"]) for row in classes[3:]] == [
        ("test", "flat"), ("test", "slow"), ("test", "fast"),
    ]  # fmt: skip
    right = sum(int(row["right"]) for row in classes if row["split"] == "test")
    assert right / 12 == pytest.approx(scores["test"]["series"]["accuracy"], abs=1e-4)
    tested = [row for row in confusion if row["split"] == "test"]
    assert len(tested) == 9 and sum(int(row["series"]) for row in tested) == 12
    assert right == sum(int(row["series"]) for row in tested if row["actual"] == row["predicted"])
    assert sum(int(row["answers"]) for row in rows(reports.CALIBRATION) if row["split"] == "test") == 12
    groups = [row for row in rows(reports.SUBJECTS) if row["split"] == "test"]
    assert sum(int(row["series"]) for row in groups) == 12
    said = capsys.readouterr().out
    assert (
        f"test: accuracy {right / 12:.3f} (95 %:" in said and "of 12 series" in said and "warning" not in said
    )


def test_several_at_a_time_have_four_cells_each() -> None:
    lay(task="multilabel")
    evaluate.main()
    found = [row for row in rows(reports.CONFUSION) if row["split"] == "test"]
    assert [(row["actual"], row["predicted"]) for row in found[:4]] == [
        ("not flat", "not flat"), ("not flat", "flat"), ("flat", "not flat"), ("flat", "flat"),
    ]  # fmt: skip
    assert all(sum(int(row["series"]) for row in found[k : k + 4]) == 12 for k in (0, 4, 8))
    text = words(page())
    assert "Each class is predicted by itself" in text and "true positive" in text


def test_what_cannot_be_asked_is_named_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    lay()
    spoil("test000", np.zeros((7, 1)))
    spoil("test001", np.full((ROWS, 1), np.nan))
    evaluate.main()
    said = capsys.readouterr().out
    assert (
        "warning: 2 labeled series of the test split are in no score:"
        f" test000: it has 7 timepoints, the others have {ROWS}; test001: it lacks {ROWS} numbers"
    ) in said
    assert reports.read_scores()["test"]["series"]["count"] == 10
    text = words(page())
    assert f"In no score: test000 (it has 7 timepoints, the others have {ROWS})" in text
    assert "Of 10 series of the test split" in text


def test_what_the_model_learnt_from_is_not_scored(capsys: pytest.CaptureFixture[str]) -> None:
    lay(learnt_from=("train", "validation"))
    evaluate.main()
    assert set(reports.read_scores()) == {"test"}
    assert "validation: no scores, for the model was trained on it" in capsys.readouterr().out


def test_a_candidate_of_other_labels_is_refused() -> None:
    lay()
    index = dataset.read_index()
    dataset.save_index(dataset.PATH, replace(index, labels=("a", "b", "c")))
    for main in (evaluate.main, report.main):
        with pytest.raises(InputError, match="does not fit the dataset"):
            main()


def test_the_same_inputs_give_the_same_bytes_on_another_path(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay()
    evaluate.main()
    first, scores = page(), reports.SCORES.read_bytes()
    assert page() == first
    shutil.copytree(project, project.parent / "other")
    monkeypatch.chdir(project.parent / "other")
    reports.PAGE.unlink()
    evaluate.main()
    assert page() == first and reports.SCORES.read_bytes() == scores
    assert str(project) not in first


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_nothing_comes_from_outside_and_names_are_escaped(task: str) -> None:
    lay(task=task, labels=(EVIL, "b") if task == "binary" else (EVIL, "b", "c"), channels=("<b>&x</b>", "y"))
    evaluate.main()
    text = page()
    assert "<script" not in text and "<b>&x" not in text
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; 走る" in text
    for svg in re.findall(r"<svg.*?</svg>", text, re.S):
        ET.fromstring(svg)


def test_curves_are_drawn_where_classes_are_questions() -> None:
    lay(task="binary", labels=("good", "bad"))
    evaluate.main()
    text = page()
    assert '<title id="square-1">ROC' in text and "another probability from which bad is predicted" in words(
        text
    )
    lay()
    assert 'id="square-1"' not in page()


def test_nothing_is_held_out() -> None:
    lay(sets={"train": 6})
    evaluate.main()
    text = page()
    assert "There are no scores" in text and "No labeled series is held out" in text


def test_optional_inputs_may_be_missing() -> None:
    lay()
    for path in (reports.VERDICT, arrays.PATH / "quality.json"):
        path.unlink()
    for folder in (BEST, snapshot.PATH, Path("reports/train")):
        shutil.rmtree(folder)
    text = page()
    for command in ("promote", "evaluate", "train", "ingest"):
        assert f"dvc repro {command}</code>" in text


def test_one_class_and_one_series() -> None:
    lay(labels=("heart beat",), sets={"train": 4, "test": 1})
    evaluate.main()
    assert "interval_low" not in reports.read_scores()["test"]
    assert "95 %:" not in page()


def test_stamps_become_clock_times() -> None:
    lay(time_format="%Y-%m-%d %H:%M:%S.%f", rows=ROWS)
    assert "over time, UTC, from 2023-11-14" in page()


def test_how_it_was_trained_is_said() -> None:
    lay()
    assert "0.900 on the train split and 0.750 on the validation split" in words(page())
    resting = checkpoint.read(CANDIDATE)
    kept = replace(resting, training={**resting.training, "kept": "epoch", "best_epoch": 2})
    checkpoint.write(kept, replace(provenance.read(CANDIDATE), model=kept.hash()))
    assert "The weights of epoch 2 of 3 (dotted) were kept" in words(page())


def test_a_recording_is_answered_as_if_alone() -> None:
    lay()
    model = Classifier.from_checkpoint(checkpoint.read(CANDIDATE))
    keys = dataset.read_index().of("test")
    every = predict_recordings(model, ((key, arrays.values(key)) for key in keys))
    (alone,) = predict_recordings(model, [(keys[5], arrays.values(keys[5]))]).probabilities
    assert every.keys == tuple(keys) and np.array_equal(every.probabilities[5], alone)


def test_examples_are_the_surest_and_the_least_sure_each_once() -> None:
    sure = [0.9, 0.8, 0.7, 0.6, 0.51, 0.95, 0.85]
    some = answers("binary", one_of([0, 0, 0, 0, 0, 1, 1], 2), [[p, 1 - p] for p in sure])
    assert classification_plots.examples(some) == [
        ("right with the highest confidence", [0, 1, 2]),
        ("lowest confidence of the others", [4, 3]),
        ("wrong with the highest confidence", [5, 6]),
    ]
    first, *_ = classification_plots.class_probabilities(THREE, 1)
    assert (first.label, first.predicted, first.true) == ("b", True, False)


def test_a_curve_goes_through_the_corners_of_its_square() -> None:
    perfect = answers("binary", one_of([0, 1], 2), [[0.9, 0.1], [0.2, 0.8]])
    roc, precise = classification_plots.squares(perfect)
    assert roc.lines[0].path == "M40.0 186.0L40.0 10.0L216.0 10.0"
    assert precise.lines[0].path.startswith("M40.0 10.0L216.0 10.0")
    assert roc.lines[0].label == "b" and roc_curves.POINTS == 200
    assert classification_plots.squares(THREE) == []


def test_the_paper_on_formats_has_these_columns() -> None:
    text = (ROOT / "docs/formats-choices.md").read_text(encoding="utf-8")
    own = (evaluation.CLASS_HEADER, evaluation.SUBJECT_HEADER, evaluation.CONFUSION_HEADER)
    shared = (reports.SCORES_HEADER, reports.CALIBRATION_HEADER, reports.ROC_HEADER)
    assert [names for names in (*own, *shared) if f"`{','.join(names)}`" not in text] == []
