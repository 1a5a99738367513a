"""The stages where the label config asks what whole recordings are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from stages import ingest, learning_task, predict, promote, publish, train, window
from stages.classification.inference import predict_recordings
from stages.classification.model import Classifier
from stages.classification.targets import make_target
from storage.artifacts import arrays, checkpoint, dataset, predictions, provenance, reports
from storage.errors import InputError
from storage.files import md5
from storage.label_studio import label_config
from storage.label_studio.label_config import Task
from storage.paths import BEST, CANDIDATE
from tests.support.choice_project import lay, record, run_all, wave

KINDS = {f"{kind}{n}": kind for kind in ("slow", "fast") for n in range(12)}
SERIES = {key: wave(kind, seed) for seed, (key, kind) in enumerate(KINDS.items())}
SPLITS = {key: "test" if key[-1] in "01" and len(key) == 5 else "train" for key in KINDS} | {
    "slow2": "validation", "fast2": "validation", "slow3": "unassigned", "fast3": "unassigned",
}  # fmt: skip
RECORDS = [record(key, [kind]) for key, kind in KINDS.items() if SPLITS[key] != "unassigned"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_choices_to_predictions_that_label_studio_shows(folder: Path):
    lay(SERIES, RECORDS, SPLITS)
    run_all()
    index = dataset.read_index()
    assert (index.window.size, index.of("validation")) == (40, ["fast2", "slow2"])
    assert index.series["fast0"].choices == ("fast",)
    said = {key: predictions.read(key) for key in KINDS}
    assert {key: p.choices[0].label for key, p in said.items()} == KINDS
    assert all(0.5 < p.choices[0].score <= 1 and p.score == p.choices[0].score for p in said.values())
    verdict = json.loads(reports.VERDICT.read_text())
    assert (verdict["verdict"], verdict["metric"], verdict["candidate"]) == ("promoted", "macro_f1", 1.0)
    (item,) = publish.check(said["fast3"], label_config.load())
    assert (item["type"], item["from_name"], item["to_name"]) == ("choices", "label", "ts")
    assert item["value"] == {"choices": ["fast"]}
    origin = provenance.read(BEST)
    assert origin.annotations["slow4"] == ["1-slow4"]
    assert publish.OURS.match(f"{checkpoint.read(BEST).kind}-{'a' * 7}-{origin.model[:8]}")


def test_the_same_labels_give_the_same_bytes(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    lay(SERIES, RECORDS, SPLITS, steps=20)
    run_all()
    here = [md5(Path(path)) for path in ("data/candidate", "data/predictions", "data/dataset")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        lay(SERIES, RECORDS[::-1], SPLITS, steps=20)
        run_all()
        assert [md5(Path(path)) for path in ("data/candidate", "data/predictions", "data/dataset")] == here


def test_a_recording_alone_is_answered_as_among_others_to_the_last_bit(folder: Path):
    lay(SERIES, RECORDS, SPLITS, steps=20)
    run_all()
    model = Classifier.from_checkpoint(checkpoint.read(BEST))
    recordings = {key: arrays.values(key) for key in KINDS}
    among = predict_recordings(model, recordings.items())
    alone = [predict_recordings(model, [item]).probabilities[0] for item in recordings.items()]
    assert np.array_equal(among.probabilities, np.stack(alone))


def test_of_several_channels_each_is_a_step_of_the_lstm(folder: Path):
    lay(SERIES, RECORDS, SPLITS, steps=5)
    run_all()
    network = Classifier.from_checkpoint(checkpoint.read(BEST)).network
    assert (network.lstm.input_size, network.convolutions[0].in_channels) == (40, 2)


def test_any_number_of_choices(folder: Path):
    """A series may be several things at once, and none of them."""
    both = {key: [] if key[-1] == "5" else [kind, "any"] for key, kind in KINDS.items()}
    records = [record(key, choices) for key, choices in both.items() if SPLITS[key] != "unassigned"]
    lay(SERIES, records, SPLITS, ("slow", "fast", "any"), "multilabel")
    run_all()
    index = dataset.read_index()
    assert index.series["slow5"].annotations and index.series["slow5"].choices == ()
    assert index.series["slow4"].choices == ("slow", "any")
    found = {key: tuple(c.label for c in predictions.read(key).choices) for key in ("slow4", "fast4")}
    assert found == {"slow4": ("slow", "any"), "fast4": ("fast", "any")}


@pytest.mark.parametrize(
    ("task", "name"),
    [("segmentation", "segmentation"), ("binary", "classification"), ("multilabel", "classification")],
)
def test_the_label_config_decides_what_is_learnt(folder: Path, task: Task, name: str):
    lay({}, [], {}, task=task)
    assert learning_task.of(label_config.load()).name == name


def test_series_of_another_length_or_with_holes_are_left_out_by_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    odd = {"long": wave("slow", 90, 50), "holed": wave("fast", 91)}
    odd["holed"][7, 1] = np.nan
    records = [*RECORDS, record("long", ["slow"]), record("holed", ["fast"])]
    lay(SERIES | odd, records, SPLITS | dict.fromkeys(odd, "train"), steps=5)
    run_all()
    told = capsys.readouterr().out
    assert "left out: labeled series long: it has 50 timepoints, the others have 40" in told
    assert "left out: labeled series holed: it lacks 1 number" in told
    assert "warning: long is not predicted: it has 50 timepoints" in told
    assert predictions.keys() == sorted(KINDS)


@pytest.mark.parametrize(
    ("records", "disagreement", "choices", "left_out"),
    [
        ([record("a", ["slow"])], "vote", ("slow",), {}),
        ([record("a", ["slow"], was_cancelled=True)], "vote", (), {"skipped annotation": 1}),
        (
            [record("a", ["slow", "fast"])],
            "vote",
            (),
            {"annotation with several choices, where one is asked for": 1},
        ),
        ([record("a", [])], "vote", (), {"annotation without a choice, where one is asked for": 1}),
        ([record("a", ["odd"])], "vote", (), {"choice 'odd', which the label config lacks": 1}),
        (
            [
                record("a", ["slow"]),
                record("a", ["fast"], 2, annotator="ben", created_at="2027-01-01T00:00:00Z"),
            ],
            "vote",
            ("fast",),
            {},
        ),
        (
            [
                record("a", ["slow"], ground_truth=True),
                record("a", ["fast"], 2, annotator="ben", created_at="2027-01-01T00:00:00Z"),
            ],
            "vote",
            ("slow",),
            {},
        ),
        (
            [
                record("a", ["slow"]),
                record("a", ["fast"], 2, annotator="ben", created_at="2027-01-01T00:00:00Z"),
            ],
            "agree",
            (),
            {"series on which annotators disagree": 1},
        ),
        (
            [
                record("a", ["slow"], 1),
                record("a", ["slow"], 2, annotator="ben"),
                record("a", ["fast"], 3, annotator="eve", created_at="2027-01-01T00:00:00Z"),
            ],
            "vote",
            ("slow",),
            {},
        ),
    ],
)
def test_what_annotators_say_of_a_series(records, disagreement, choices, left_out):
    config = label_config.parse(label_config.render(("x",), ("slow", "fast"), "time", task="binary"))
    said = make_target(records, config, disagreement)
    assert (said.choices, dict(said.left_out)) == (choices, left_out)
    assert bool(said.annotations) == bool(choices)


def test_nothing_to_learn_from_says_what_to_do(folder: Path):
    lay(SERIES, [], SPLITS)
    ingest.main()
    with pytest.raises(InputError, match="nothing to learn from") as refused:
        window.main()
    assert "labeltrail sync" in str(refused.value.cure)


@pytest.mark.parametrize(
    ("labels", "cure"),
    [(("slow", "fast"), "label series of another class"), (("slow",), 'choice="multiple"')],
)
def test_a_train_set_of_one_class_teaches_nothing(folder: Path, labels: tuple[str, ...], cure: str):
    slow = {key: values for key, values in SERIES.items() if KINDS[key] == "slow"}
    lay(slow, [record(key, ["slow"]) for key in slow], dict.fromkeys(slow, "train"), labels)
    ingest.main()
    window.main()
    with pytest.raises(InputError) as caught:
        train.main()
    assert caught.value.why == f"its {len(slow)} labeled series are all: slow"
    assert cure in caught.value.cure
    assert not CANDIDATE.exists()


def test_a_score_that_classifiers_lack_is_refused_with_those_they_have(folder: Path):
    lay(SERIES, RECORDS, SPLITS, steps=5)
    for stage in (ingest, window, train):
        stage.main()
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(re.sub(r"metric: \S+", "metric: event_f1", text))
    with pytest.raises(InputError, match="no score event_f1") as refused:
        promote.main()
    assert "macro_f1" in str(refused.value.why)


def test_a_segmenter_that_was_best_is_replaced(folder: Path):
    lay(SERIES, RECORDS, SPLITS, steps=5)
    run_all()
    best = Path("data/best/model.json")
    origin = json.loads(Path("data/best/provenance.json").read_text())
    best.write_text(best.read_text().replace('"lstm-fcn"', '"lstm"'))
    origin["model"] = checkpoint.model_hash(BEST)
    Path("data/best/provenance.json").write_text(json.dumps(origin))
    with pytest.raises(InputError, match="cannot be used"):
        predict.main()
    promote.main()
    assert json.loads(reports.VERDICT.read_text())["reason"] == (
        "the best model is no longer compatible: it is of kind lstm, not lstm-fcn"
    )


def test_a_best_model_that_was_asked_another_question_is_replaced(folder: Path):
    lay(SERIES, RECORDS, SPLITS, steps=5)
    run_all()
    config = label_config.PATH.read_text(encoding="utf-8")
    label_config.PATH.write_text(config.replace('choice="single"', 'choice="multiple"'), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        predict.main()
    assert caught.value.why == "its task is binary; the project's is multilabel"
    run_all()
    verdict = json.loads(reports.VERDICT.read_text(encoding="utf-8"))
    assert verdict["reason"] == f"the best model is no longer compatible: {caught.value.why}"
    assert checkpoint.read(BEST).postprocess["task"] == "multilabel"
