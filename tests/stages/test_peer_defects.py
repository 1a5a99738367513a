"""What a nearby segmenter of time series gets wrong, defect by defect: each of these fails where we do the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stages import ingest, predict, promote, publish, train, window
from stages.metrics.segmentation import timepoint_scores
from stages.segmentation.targets import make_targets
from stages.training import curves
from storage.artifacts import arrays, checkpoint, dataset, predictions
from storage.artifacts import provenance as provenances
from storage.artifacts.region import Region
from storage.errors import InputError
from storage.files import md5, write_bytes
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.labels import export, export_recordings, snapshot
from storage.paths import BEST, CANDIDATE
from tests.support import learned_project
from tests.support.learned_project import annotations_changed, found_in, recording, relabel, shards
from tests.support.stage_project import noise, record, run_all, small, write_params

CONFIG = LabelConfig("segmentation", "ts", "label", "csv", False, "time", None, ",", ("x",), ("A", "B"))
TIMES = np.arange(10.0)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a trained model."""
    return learned_project.lay(tmp_path_factory.mktemp("learned"))


@pytest.fixture
def learned(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The learned project, only to look at."""
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def own(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the learned project, to change."""
    root = tmp_path / "own"
    shutil.copytree(project, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to lay a project in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def targets(*records: dict[str, Any], times: np.ndarray = TIMES, config: LabelConfig = CONFIG):
    return make_targets(records, times, config, 1)


def test_defect_01_training_takes_its_labels_from_the_snapshot_and_needs_no_event(own: Path):
    relabel(record("a", [(1, 9, "A")], number=5))
    window.main()
    train.main()
    assert provenances.read(CANDIDATE).annotations == {"a": ["5-000000"]}


def test_defect_02_a_relation_is_left_out_and_counted_and_the_regions_stay():
    said = record("s", [(1, 3, "A")])
    said["result"].append({"type": "relation", "from_id": "s0", "to_id": "s1", "direction": "right"})
    assert targets(said).regions == (Region(1, 3, "A"),)
    assert sum(targets(said).left_out.values()) == 1


def test_defect_03_ground_truth_wins_even_when_empty_and_what_was_skipped_says_nothing():
    others = [
        record("s", [(1, 3, "A")], n, annotator=f"p{n}", updated_at=f"2026-02-0{n}T00:00:00Z")
        for n in (1, 2, 3)
    ]
    empty = record("s", [], 4, ground_truth=True, updated_at="2025-01-01T00:00:00Z")
    assert targets(*others, empty).values.tolist() == [0] * 10
    skipped = [{**one, "was_cancelled": True} for one in others]
    assert targets(*skipped).values.tolist() == [-1] * 10


def test_defect_04_a_label_that_the_config_lacks_and_a_second_label_are_counted_by_name():
    said = record("s", [(1, 2, "Z"), (4, 5, "A")])
    said["result"][1]["value"]["timeserieslabels"] = ["A", "B"]
    found = targets(said)
    assert found.regions == (Region(4, 5, "A"),)
    assert found.left_out == {
        "region of label 'Z', which the label config lacks": 1,
        "second label 'B' of a region: a timepoint has one": 1,
    }


def test_defect_05_an_instant_off_the_grid_is_the_nearest_timepoint_to_the_nanosecond():
    assert targets(record("s", [(6.6, 6.6, "A")])).regions == (Region(7, 7, "A", instant=True),)
    stamped = replace(CONFIG, time_format="%Y-%m-%d %H:%M:%S.%f")
    times = np.int64(1767225600000000001) + np.arange(10)
    said: Any = ("2026-01-01 00:00:00.000000004",) * 2 + ("A",)
    assert targets(record("s", [said]), times=times, config=stamped).regions == (Region(3, 3, "A", True),)


def test_defect_06_dates_are_times_and_not_text(folder: Path):
    small({"a": noise(4)}, {})
    xml = Path("data/label_config.xml").read_text()
    xml = xml.replace("timeColumn", 'timeFormat="%d-%m-%Y" timeColumn')
    write_bytes(Path("data/label_config.xml"), xml.encode())
    write_bytes(Path("data/series/a.csv"), b"time,x,y\n30-01-2026,1,1\n31-01-2026,1,1\n01-02-2026,1,1\n")
    spans: Any = [("31-01-2026", "01-02-2026", "A")]
    relabel(record("a", spans))
    ingest.main()
    window.main()
    assert dataset.target("a").tolist() == [0, 1, 1]


def test_defect_07_separators_inline_columns_and_multichannel(folder: Path):
    small({"a": noise(3)}, {})
    xml = Path("data/label_config.xml").read_text()
    assert "<MultiChannel" in xml
    write_bytes(Path("data/label_config.xml"), xml.replace("timeColumn", 'sep=";" timeColumn').encode())
    write_bytes(Path("data/series/a.csv"), b"time;x;y\n0;1;2\n1;3;4\n")
    ingest.main()
    assert arrays.values("a").tolist() == [[1, 2], [3, 4]]
    task = export.ExportedTask(
        "task 1", "task1.csv", {}, [], 0, {"time": [0, 1], "x": [1, None], "y": [2, 4]}
    )
    files = export_recordings.write([task], folder).files
    assert files["task1"].read_bytes() == b"time,x,y\n0,1,2\n1,,4\n"
    assert label_config.parse(xml.replace('valueType="url"', 'valueType="json"')).inline


def test_defect_08_one_bad_recording_does_not_stop_the_others(own: Path):
    write_bytes(Path("data/series/header.csv"), b"time,x,y\n")
    write_bytes(Path("data/series/lacks.csv"), b"time,x\n0,1\n")
    ingest.main()
    predict.main()
    assert not {"header", "lacks"} & set(predictions.keys())
    assert {"a", "blip", "three"} <= set(predictions.keys())


def test_defect_09_one_nan_in_training_reaches_no_weight(folder: Path):
    values = recording([(40, 90, 0)], 200)
    values[60, 0] = values[70:80, 1] = np.nan
    small({"a": values}, {"a": [(40, 90, "A")]})
    run_all()
    assert set(dataset.target("a")[70:80]) == {-1}
    weights = checkpoint.read(BEST).weights
    assert all(np.isfinite(array).all() for array in weights.values())


def test_defect_10_channels_seven_decades_apart_are_both_learnt_from(learned: Path):
    true = [(r.label, r.start, r.end) for r in dataset.read_index().series["t"].regions]
    found = found_in("t")
    assert [label for label, *_ in found] == [label for label, *_ in true] == ["A", "B", "A"]
    for (_, *its), (_, *ours) in zip(true, found, strict=True):
        assert np.abs(np.subtract(its, ours)).max() <= 8


def test_defect_11_a_project_without_a_model_answers_with_nothing(folder: Path):
    small({"a": noise(50)}, {"a": [(1, 9, "A")]})
    ingest.main()
    with pytest.raises(InputError, match="is not there yet"):
        predict.main()
    assert not predictions.PATH.exists()


def test_defect_12_reordered_labels_are_noticed_before_a_model_speaks(own: Path):
    write_bytes(Path("data/label_config.xml"), label_config.render(("x", "y"), ("B", "A"), "time").encode())
    before = md5(predictions.PATH)
    with pytest.raises(InputError, match="does not fit the project"):
        predict.main()
    assert md5(predictions.PATH) == before


def test_defect_13_a_model_in_training_answers_nobody(own: Path, monkeypatch: pytest.MonkeyPatch):
    before, seen, step = md5(predictions.PATH), [], curves.Live.next_step

    def predict_meanwhile(live: Any) -> None:
        predict.main()
        seen.append(md5(predictions.PATH))
        step(live)

    monkeypatch.setattr(curves.Live, "next_step", predict_meanwhile)
    write_params(train={"epochs": 2, "seed": 7})
    train.main()
    assert len(seen) >= 2
    assert set(seen) == {before}


def test_defect_14_series_shorter_than_a_window_train_and_come_back_aligned(learned: Path, own: Path):
    ((label, start, end),) = found_in("short")
    assert (label, abs(start - 8) <= 8, start >= 0, abs(end - 43) <= 8, end <= 48) == ("A", *[True] * 4)
    assert all(0 <= start <= end <= 2 for _, start, end in found_in("three"))
    small({"few": recording([(2, 7, 0)], 10)}, {"few": [(2, 7, "A")]}, params={"window": {"size": 256}})
    run_all()
    assert dataset.target("few").tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]
    assert all(0 <= start <= end <= 9 for _, start, end in found_in("few"))


def test_defect_15_windows_lie_in_one_recording_each(folder: Path):
    rows = {"a": 300, "b": 10, "c": 257}
    said: Any = {"a": [(1, 9, "A")], "b": [], "c": []}
    small({k: noise(n) for k, n in rows.items()}, said, params={"window": {"size": 256}})
    ingest.main()
    window.main()
    index = dataset.read_index()
    assert index.windows["train"] == (("a", 0), ("a", 44), ("b", 0), ("c", 0), ("c", 1))
    assert {key: len(arrays.values(key)) for key in rows} == rows


def test_defect_16_a_class_that_is_never_found_counts_as_zero():
    assert timepoint_scores(np.array([[90, 0, 0], [0, 9, 0], [1, 0, 0]]))["worst_f1"] == 0


def test_defect_17_a_blip_is_no_instant_and_a_dip_does_not_split_a_region(learned: Path):
    assert found_in("blip") == []
    ((label, start, end),) = found_in("dip")
    assert (label, abs(start - 280) <= 8, abs(end - 319) <= 8) == ("A", True, True)


def test_defect_18_the_model_version_names_the_model(own: Path):
    def version(model: str) -> str:
        git = SimpleNamespace(label_commit=lambda _: "0123456789")
        project: Any = SimpleNamespace(repository=SimpleNamespace(git=git))
        return publish.model_version(project, "lstm", "labels", model)

    first = predictions.read("a").model
    assert first == checkpoint.model_hash(BEST)
    write_params(train={"epochs": 1, "seed": 3})
    train.main()
    second = checkpoint.model_hash(CANDIDATE)
    assert version(first) == f"lstm-0123456-{first[:8]}" != version(second)


def test_defect_19_an_edit_and_a_deletion_count_and_change_what_is_taught(own: Path):
    before, old, kept = shards(), dataset.target("a"), snapshot.read(Path("data/labels"))
    kept["a"][0]["result"][0]["value"]["end"] += 5
    relabel(*(one for key, found in kept.items() for one in found if key != "b"))
    assert annotations_changed(before, shards()) == {"~": 1, "-": 1}
    window.main()
    assert (dataset.target("a") != old).sum() == 5
    assert dataset.read_index().of("train") == ["a", "c"]


def test_defect_20_the_same_seed_gives_the_same_model(own: Path):
    def model(seed: int) -> str:
        write_params(train={"epochs": 1, "seed": seed})
        train.main()
        return checkpoint.model_hash(CANDIDATE)

    assert model(4) == model(4) != model(5)


def test_defect_21_a_damaged_best_is_refused_and_left_where_it_is(own: Path):
    path = BEST / "weights.safetensors"
    write_bytes(path, path.read_bytes()[:-9])
    before = md5(BEST)
    for stage in (predict, promote):
        with pytest.raises(InputError, match="data/best is damaged"):
            stage.main()
    assert md5(BEST) == before


def test_defect_21_a_worse_model_does_not_replace_a_better_one(own: Path):
    before = md5(BEST)
    write_params(train={"epochs": 1, "learning_rate": 1e-6})
    train.main()
    promote.main()
    assert md5(BEST) == before != md5(CANDIDATE)


def test_defect_22_memory_of_prediction_hardly_grows_with_the_recording(learned: Path):
    measure = """
import resource, sys, numpy as np
from stages.segmentation.model import Segmenter
from storage.artifacts import checkpoint
from storage.paths import BEST
model, peaks = Segmenter.from_checkpoint(checkpoint.read(BEST)), []
for rows in (100_000, 1_100_000):
    model.segment(np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32))
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
print((peaks[1] - peaks[0]) / 1_000_000)
"""
    root = str(Path(__file__).parents[2])
    told = subprocess.run(
        [sys.executable, "-c", measure],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        check=True,
    )
    assert float(told.stdout) < 700, "bytes a row"
