"""Bad input to training: what is refused and with which cure, what continues with a warning, and what is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import evaluate, ingest, predict, promote, train, window
from stages.timeseries.splits import assign
from storage.artifacts import checkpoint, dataset, predictions, reports
from storage.errors import InputError
from storage.files import md5, write_bytes
from storage.label_studio import label_config
from storage.paths import BEST, CANDIDATE
from tests.support import learned_project
from tests.support.learned_project import found_in, recording, relabel
from tests.support.stage_project import noise, record, run_all, small

MEND = "mend the label config, then run the command again"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to lay a project in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a trained model."""
    return learned_project.lay(tmp_path_factory.mktemp("learned"))


@pytest.fixture
def learned(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to change."""
    shutil.copytree(project, tmp_path / "own")
    monkeypatch.chdir(tmp_path / "own")
    return tmp_path / "own"


def config(*labels: str) -> bytes:
    return label_config.render(("x", "y"), labels, "time").encode()


def refusal(stage: Callable[[], None]) -> InputError:
    with pytest.raises(InputError) as caught:
        stage()
    return caught.value


# -- the label config ----------------------------------------------------------------------------

CONTROL = '<TimeSeriesLabels name="{}" toName="ts"><Label value="A"/></TimeSeriesLabels>'
SERIES = '<TimeSeries name="ts" value="$csv" {}><Channel column="x"/></TimeSeries>'
KNOWN = "%Y %y %m %d %e %j %b %B %a %A %H %I %p %M %S %L %f %Z %%"
CHOICES = '<Choices name="{}" toName="ts"><Choice value="A"/></Choices>'
PER_REGION = CHOICES.replace("toName", 'perRegion="true" toName')
NO_TASK = "a label config needs one <TimeSeriesLabels>, or one <Choices> for whole recordings"
TWICE = CONTROL.replace("<Label ", '<Label value="A"/><Label ')


@pytest.mark.parametrize(
    ("xml", "what", "why"),
    [
        (SERIES, NO_TASK, "it has 0 of the first and 0 of the second"),
        (
            SERIES + CONTROL + CONTROL,
            NO_TASK,
            "it has 2 of the first and 0 of the second",
        ),
        (SERIES + CHOICES + CHOICES, NO_TASK, "it has 0 of the first and 2 of the second"),
        (SERIES + PER_REGION, NO_TASK, "it has 0 of the first and 0 of the second"),
        (
            SERIES + CHOICES.replace("/>", '><Choice value="B"/></Choice>'),
            "nested choices cannot be classes",
            "",
        ),
        (SERIES + SERIES + CONTROL, "a label config needs one <TimeSeries>", "it has 2 <TimeSeries> tags"),
        (CONTROL, "a label config needs one <TimeSeries>", "it has 0 <TimeSeries> tags"),
        (SERIES + CONTROL.replace('"A"', '""'), "the label config has no label, or one without a name", ""),
        (SERIES + TWICE, "the label config names a label twice: A", ""),
        (
            SERIES.replace("Channel", "Label") + CONTROL,
            "the label config has no channel, or one without a name",
            "",
        ),
    ],
)
def test_a_label_config_that_names_no_one_task_is_refused(folder: Path, xml: str, what: str, why: str):
    small({"a": noise(9)}, {"a": [(1, 2, "A")]})
    write_bytes(Path("data/label_config.xml"), f"<View>{xml}</View>".replace("{}", "").encode())
    for stage in (ingest.main, window.main):
        error = refusal(stage)
        assert (error.what, error.why, error.cure) == (what, why, MEND)
        assert error.where == "data/label_config.xml"


@pytest.mark.parametrize(
    ("time_format", "why"),
    [
        ("%Y W%V", f"%V is none of {KNOWN}, nor %s or %Q alone"),
        ("%Y-%q", f"%q is none of {KNOWN}, nor %s or %Q alone"),
        ("%s.%L", "%s must stand alone"),
    ],
)
def test_a_time_format_that_no_time_follows_from(time_format: str, why: str):
    xml = f"<View>{SERIES}{CONTROL}</View>".replace("{}", "label").replace(
        " label>", f' timeFormat="{time_format}">'
    )
    error = refusal(lambda: label_config.parse(xml) and None)
    assert (error.what, error.why) == (f"the timeFormat {time_format!r} does not define a time", why)


def test_labels_that_nobody_used_are_named_and_never_found(folder: Path):
    values = {key: recording([(50, 120, 1)], 300, i) for i, key in enumerate("ab")}
    said: Any = {key: [(50, 120, "B")] for key in values}
    small(values, said, labels=("A", "B", "C"), params={"train": learned_project.LEARNING})
    run_all()
    warned = "warning: the train split does not contain labels from all classes: no A, C"
    assert warned in dataset.read_index().warnings
    weights = checkpoint.read(BEST).weights
    assert all(np.isfinite(array).all() for array in weights.values())
    assert {label for label, *_ in found_in("a")} == {"B"}


def test_a_label_renamed_since_training_stops_the_model_with_the_command_to_retrain(learned: Path):
    write_bytes(Path("data/label_config.xml"), config("A", "walking"))
    before, best = md5(predictions.PATH), md5(BEST)
    error = refusal(predict.main)
    assert error.what == "the best model does not fit the project"
    assert error.why == "its labels are A, B; the project's are A, walking"
    assert error.cure == "dvc repro"
    assert (md5(predictions.PATH), md5(BEST)) == (before, best)
    window.main()
    assert (
        "left out: 7 x region of label 'B', which the label config lacks: a (1), b (2), c (1), t (1), v (2)"
        in (dataset.read_index().left_out)
    )


# -- the annotations -----------------------------------------------------------------------------


def test_a_region_of_a_label_that_the_config_lacks_is_counted_named_and_left_out(folder: Path):
    spans: Any = {"a": [(1, 9, "A"), (20, 25, "Z"), (30, 31, "Z")], "b": [(3, 4, "Z")]}
    small({"a": noise(50), "b": noise(50, 1)}, spans)
    ingest.main()
    window.main()
    index = dataset.read_index()
    assert index.left_out == (
        "left out: 3 x region of label 'Z', which the label config lacks: a (2), b (1)",
    )
    assert [region.label for region in index.series["a"].regions] == ["A"]
    assert dataset.target("b").tolist() == [0, 0, 0, -1, -1, *[0] * 45], (
        "what it is nobody knows: not background"
    )


def test_annotations_that_were_all_skipped_teach_nothing(folder: Path):
    small({"a": noise(50)}, {})
    relabel(record("a", [(1, 9, "A")], was_cancelled=True))
    ingest.main()
    error = refusal(window.main)
    assert (error.what, error.why) == (
        "there is nothing to learn from",
        "no series has an annotation that is not skipped\n    left out: 1 x skipped annotation: a (1)",
    )


def test_a_train_set_without_a_single_number_is_refused(folder: Path):
    dead = noise(50)
    dead[:, 1] = np.nan
    small({"a": dead}, {"a": [(1, 9, "A")]})
    ingest.main()
    error = refusal(window.main)
    assert error.what == "there is nothing to learn from"
    assert error.why == "every timepoint of the train split has a missing value in some channel"


@pytest.mark.parametrize(("people", "lacking"), [(1, ("validation", "test")), (2, ("validation",))])
def test_fewer_labeled_series_than_the_sets_need(folder: Path, people: int, lacking: tuple[str, ...]):
    keys = [f"s{i}" for i in range(people)]
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    given = assign({}, {key: key for key in keys}, set(keys), shares, 0)
    small(
        {key: noise(60, i) for i, key in enumerate(keys)}, {key: [(5, 20, "A")] for key in keys}, splits=given
    )
    run_all()
    warned = [line for line in dataset.read_index().warnings if "has no labeled series" in line]
    assert warned == [
        f"warning: the {name} split has no labeled series; label one of somebody else, "
        f"or write {name} in data/splits.csv"
        for name in lacking
    ]
    assert predictions.keys() == keys


def test_a_class_that_the_validation_set_lacks_is_warned_of_and_training_goes_on(folder: Path):
    keys = ("a", "v", "t")
    said: Any = {"a": [(5, 20, "A"), (40, 50, "B")], "v": [(5, 20, "A")], "t": [(5, 20, "A"), (30, 50, "B")]}
    sets = {"v": "validation", "t": "test"}
    small({key: noise(80, i) for i, key in enumerate(keys)}, said, splits=sets)
    run_all()
    assert dataset.read_index().warnings == (
        "warning: the validation split does not contain labels from all classes: no B",
    )
    assert json.loads(reports.VERDICT.read_text())["verdict"] == "promoted"


# -- the checkpoint ------------------------------------------------------------------------------

FORCE = "dvc checkout --force data/best"
DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "weights cut short": ("weights.safetensors", lambda raw: raw[:-9], "data/best is damaged"),
    "weights empty": ("weights.safetensors", lambda _: b"", "data/best is damaged"),
    "weights of zeros": ("weights.safetensors", lambda raw: b"\0" * len(raw), "data/best is damaged"),
    "one bit": ("weights.safetensors", lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "data/best is damaged"),
    "model cut short": ("model.json", lambda raw: raw[:-9], "data/best/model.json is not JSON"),
    "model of another": ("model.json", lambda raw: raw.replace(b"lstm", b"mlst"), "data/best is damaged"),
    "model empty": ("model.json", lambda _: b"{}", "data/best/model.json cannot be read"),
    "origin cut short": ("provenance.json", lambda raw: raw[:-9], "data/best/provenance.json is not JSON"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_checkpoint_is_refused_by_name_and_kept(learned: Path, name: str):
    file, spoil, what = DAMAGE[name]
    path = BEST / file
    write_bytes(path, spoil(path.read_bytes()))
    spoilt = {p.name: p.read_bytes() for p in BEST.iterdir()}
    for stage in (predict.main, promote.main):
        error = refusal(stage)
        assert error.what == what
        assert error.cure
    assert {p.name: p.read_bytes() for p in BEST.iterdir()} == spoilt


@pytest.mark.parametrize("file", ["weights.safetensors", "model.json", "provenance.json"])
def test_a_checkpoint_with_a_file_gone_is_refused(learned: Path, file: str):
    (BEST / file).unlink()
    assert refusal(predict.main).cure
    assert not (BEST / file).exists()


def test_a_damaged_candidate_is_neither_scored_nor_promoted(learned: Path):
    path = CANDIDATE / "weights.safetensors"
    write_bytes(path, path.read_bytes()[:-9])
    best = md5(BEST)
    for stage in (evaluate.main, promote.main):
        assert refusal(stage).what == "data/candidate is damaged"
    assert md5(BEST) == best
    train.main()
    promote.main()
    assert json.loads(reports.VERDICT.read_text())["reason"] == "the candidate is the best model already"
