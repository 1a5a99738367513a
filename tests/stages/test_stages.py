"""The stages, one after the other, on small data of many kinds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stages import ingest, promote, window
from storage.artifacts import arrays, checkpoint, dataset, predictions, reports
from storage.artifacts import provenance as provenances
from storage.errors import InputError
from storage.files import md5, write_bytes
from storage.label_studio import label_config
from storage.labels import snapshot
from storage.paths import BEST, CANDIDATE
from tests.support.stage_project import (
    QUICK,
    lay_simulated,
    noise,
    record,
    run_all,
    small,
    write_params,
)


@pytest.fixture
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of six short recordings, five of them labeled, of four people."""
    root = tmp_path / "project"
    lay_simulated(root)
    monkeypatch.chdir(root)
    write_params()
    return root


def test_the_whole_on_simulated_recordings(simulated: Path, capsys: pytest.CaptureFixture[str]):
    run_all()
    index = dataset.read_index()
    assert [len(index.of(name)) for name in ("train", "validation", "test")] == [3, 1, 1]
    assert index.instants == ("knock",)
    assert index.provenance == {"labels": "a" * 32 + ".dir", "series": ""}
    for name, starts in index.windows.items():
        for key, start in starts:
            assert index.series[key].split == name
            assert 0 <= start <= max(index.series[key].rows - index.window.size, 0)
    model = checkpoint.read(BEST)
    provenance = provenances.read(BEST)
    assert provenance.model == model.hash() == checkpoint.model_hash(CANDIDATE)
    assert provenance.labels == "a" * 32 + ".dir"
    assert provenance.dataset == md5(dataset.PATH)
    assert sorted(provenance.annotations) == sorted([*index.of("train"), *index.of("validation")])
    assert predictions.keys() == sorted(arrays.read_index().series)
    for key in predictions.keys():  # noqa: SIM118 - a module
        found = predictions.read(key)
        times = arrays.times(key)
        assert found.model == model.hash()
        assert 0 <= found.score <= 1
        assert 0 <= found.uncertainty <= 1
        for region in found.regions:
            assert (region.start, region.end) == (times[region.start_row], times[region.end_row])
            assert region.instant == (region.label == "knock")
    scores = json.loads(reports.HEADLINE.read_text())
    assert set(scores) == {"test"}  # after tuning on the validation split the model is trained on it too
    assert json.loads(reports.VERDICT.read_text())["verdict"] == "promoted"
    assert "promoted: there was no best model yet" in capsys.readouterr().out
    assert Path("reports/train/plots/metrics/train/loss.tsv").read_text().splitlines()[0] == "step\tloss"


def test_a_best_model_that_was_not_pulled_is_not_beaten_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    promote.check_best_present()
    lock = "stages:\n  promote:\n    outs:\n    - path: data/best\n      md5: 0123456789abcdef0123456789abcdef.dir\n"
    (tmp_path / "dvc.lock").write_text(lock)
    with pytest.raises(InputError) as caught:
        promote.check_best_present()
    assert str(caught.value) == (
        "the best model is not in the work tree, so the candidate cannot be compared with it\n"
        "  where: data/best\n"
        "  why: dvc.lock names one\n"
        "  next: dvc pull data/best, then dvc repro"
    )


def test_the_same_bytes_on_another_path(simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folders = ("data/arrays", "data/dataset", "data/candidate", "data/best", "data/predictions", "reports")
    run_all()
    first = {name: md5(simulated / name) for name in folders}
    other = tmp_path / "elsewhere" / "deeper"
    lay_simulated(other)
    monkeypatch.chdir(other)
    write_params()
    run_all()
    assert {name: md5(other / name) for name in folders} == first
    text = b"".join(p.read_bytes() for p in other.rglob("*") if p.is_file())
    assert str(tmp_path).encode() not in text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to lay a project in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_three_rows_at_1_hz(folder: Path):
    small({"a": noise(3), "b": noise(2, 1)}, {"a": [(1, 1, "A")], "b": []})
    run_all()
    assert dataset.target("a").tolist() == [1, 1, 1]
    assert predictions.keys() == ["a", "b"]


def test_a_recording_of_one_row(folder: Path):
    small({"a": noise(40), "b": noise(1)}, {"a": [(5, 20, "A")]})
    run_all()
    assert arrays.read_index().series["b"].sampling_rate is None
    assert predictions.read("b").series == "b"


def test_numbers_that_are_missing_teach_nothing_and_poison_nothing(folder: Path):
    values = noise(200)
    values[20:30, 0] = np.nan
    dead = noise(100, 1)
    dead[:, 1] = np.nan
    small({"a": values, "b": dead}, {"a": [(10, 60, "A")], "b": [(10, 60, "B")]})
    run_all()
    assert (dataset.target("a")[20:30] == -1).all()
    index = dataset.read_index()
    assert "warning: 110 x timepoint without a number: not trained on: a (10), b (100)" in index.warnings
    model = checkpoint.read(BEST)
    assert all(np.isfinite(array).all() for array in model.weights.values())


def test_channels_decades_apart_and_a_constant_one(folder: Path):
    values = noise(300) * [1e6, 0] + [1e9, 7]
    small({"a": values}, {"a": [(10, 60, "A")]})
    run_all()
    assert checkpoint.read(BEST).scaler["deviation"][1] == 1.0


def test_what_was_left_out_is_named(folder: Path):
    small(
        {"a": noise(50), "b": noise(50, 1), "c": noise(50, 2), "d": noise(50, 3)},
        {"a": [(1, 9, "A"), (20, 25, "Z")], "b": [(2, 2, "A")], "gone": [(1, 2, "A")], "c": [(1, 9, "A")]},
        splits={"b": "validation", "c": "unassigned", "d": "unassigned"},
    )
    ingest.main()
    window.main()
    index = dataset.read_index()
    assert index.left_out == (
        "left out: 1 x region of label 'Z', which the label config lacks: a (1)",
        "left out: 1 labeled series without a usable recording: gone",
    )
    assert index.warnings == (
        "warning: the train split does not contain labels from all classes: no B",
        "warning: the validation split does not contain labels from all classes: no B",
        "warning: the test split has no labeled series; label one of somebody else, or write test in data/splits.csv",
        "warning: 1 labeled series are in no split: c",
        "warning: A marks 1 instants and 2 ranges: taken as ranges",
    )


def test_a_refused_recording_is_named_and_the_others_go_on(folder: Path, capsys: pytest.CaptureFixture[str]):
    small({"a": noise(50)}, {"a": [(1, 9, "A")]})
    Path("data/series/bad.csv").write_text("time,x,y\n0,1,2\n1,err,2\n")
    Path("data/series/note.txt").write_text("no recording")
    ingest.main()
    quality = json.loads(Path("data/arrays/quality.json").read_text())
    assert quality["refused"]["bad"][0]["row"] == 3
    assert quality["not_recordings"] == ["note.txt"]
    assert sorted(arrays.read_index().series) == ["a"]
    assert "refused: bad: 'err' in channel 'x' is not a number" in capsys.readouterr().out


def test_quality_names_gaps_missing_numbers_and_dead_channels(folder: Path):
    write_bytes(Path("data/label_config.xml"), label_config.render(("x", "y"), ("A",), "time").encode())
    write_bytes(Path("data/series/a.csv"), b"time,x,y\n0,1,5\n1,,5\n2,3,5\n12,4,5\n")
    write_bytes(Path("data/series/b.csv"), b"time,x,y\n0,1,5\n0.5,2,5\n1,3,6\n")
    write_params(ingest={"rates": "resample"})
    ingest.main()
    quality = json.loads(Path("data/arrays/quality.json").read_text())
    assert quality["series"]["a"]["gaps"] == {"count": 1, "longest_after_row": 2, "longest_steps": 10.0}
    assert quality["series"]["a"]["nan"] == {"x": 1}
    assert quality["series"]["a"]["constant"] == ["y"]
    assert quality["other_sampling_rates"] == {"b": 2.0}


def test_stamps_go_in_and_come_out_in_the_time_format(folder: Path):
    small({"a": noise(60)}, {})
    time_format = "%Y-%m-%d %H:%M:%S.%f"
    xml = (
        Path("data/label_config.xml")
        .read_text()
        .replace("timeColumn", f'timeFormat="{time_format}" timeColumn')
    )
    write_bytes(Path("data/label_config.xml"), xml.encode())
    rows = [f"2026-03-29 01:59:{i:02d}.500000,{x},{y}" for i, (x, y) in enumerate(noise(60))]
    write_bytes(Path("data/series/a.csv"), ("time,x,y\n" + "\n".join(rows) + "\n").encode())
    span = ("2026-03-29 01:59:10.5", "2026-03-29 01:59:59.500000", "A")
    snapshot.write(Path("data/labels"), snapshot.dump([record("a", [span])]))  # type: ignore[list-item]
    write_params(train={**QUICK["train"], "epochs": 15, "min_batches": 15, "learning_rate": 0.03})
    run_all()
    assert dataset.read_index().series["a"].regions[0].start == 10
    regions = predictions.read("a").regions
    assert regions
    for region in regions:
        assert region.start == f"2026-03-29 01:59:{region.start_row:02d}.500000"
        assert region.end == f"2026-03-29 01:59:{region.end_row:02d}.500000"


def test_without_a_time_column_times_are_row_numbers(folder: Path):
    small({"a": noise(60)}, {"a": [(10, 19, "A")]})
    xml = Path("data/label_config.xml").read_text().replace(' timeColumn="time"', "")
    write_bytes(Path("data/label_config.xml"), xml.encode())
    run_all()
    assert arrays.times("a").tolist() == list(range(60))
    assert dataset.read_index().series["a"].regions[0].end == 19
