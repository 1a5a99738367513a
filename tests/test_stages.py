"""The stages, one after the other, on small data of many kinds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stages import evaluate, ingest, predict, promote, train, window
from stages.run import run
from stages.timeseries import simulation
from storage import arrays, checkpoint, dataset, label_config, predictions, sets, snapshot
from storage import provenance as provenances
from storage.errors import InputError
from storage.files import md5, write_bytes

ROOT = Path(__file__).parent.parent
QUICK = {"train": {"epochs": 2, "hidden_size": 8, "min_batches": 2}, "window": {"size": 512}}
Region = tuple[float, float, str]
Project = Callable[..., Path]


def write_params(**changes: dict[str, Any]) -> None:
    value = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, fields in {**QUICK, **changes}.items():
        value[section].update(fields)
    Path("params.yaml").write_text(yaml.safe_dump(value))


def record(series: str, regions: list[Region], number: int = 1, **more: Any) -> dict[str, Any]:
    result = [
        {
            "id": f"{series}{i}",
            "type": "timeserieslabels",
            "from_name": "label",
            "to_name": "ts",
            "value": {"start": s, "end": e, "instant": s == e, "timeserieslabels": [label]},
        }
        for i, (s, e, label) in enumerate(regions)
    ]
    fixed = {"annotator": "ann", "created_at": "2026", "ground_truth": False, "was_cancelled": False}
    return {**fixed, "id": f"{number}-000000", "series": series, "result": result, **more}


@pytest.fixture
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of six short recordings, five of them labeled, of four people."""
    root = tmp_path / "project"
    lay_simulated(root)
    monkeypatch.chdir(root)
    write_params()
    return root


def lay_simulated(root: Path) -> None:
    made = simulation.simulate(6, 4)
    records = []
    for recording in made:
        write_bytes(root / f"data/series/{recording.series}.csv", recording.to_csv())
        spans = [
            (float(recording.times[r.start]), float(recording.times[r.end]), r.label)
            for r in recording.regions
        ]
        records.append(record(recording.series, spans))
    snapshot.write(root / "data/labels", records[:5])
    rows = dict(
        zip([r.series for r in made], ["train", "validation", "test", "train", "train"], strict=False)
    )
    sets.write(
        {r.series: sets.Row(r.subject, rows.get(r.series, "unassigned")) for r in made},
        root / "data/sets.csv",
    )
    xml = label_config.render(simulation.CHANNELS, simulation.LABELS, "time")
    write_bytes(root / "data/label_config.xml", xml.encode())
    write_bytes(root / "data/labels.dvc", b"outs:\n- md5: aaa.dir\n  path: labels\n")


def small(series: dict[str, np.ndarray], regions: dict[str, list[Region]], **given: Any) -> None:
    """A project of recordings with channels x and y, one row a second, in the current folder."""
    names = given.get("sets", {})
    for key, values in series.items():
        lines = [
            f"{i},{','.join('' if np.isnan(v) else str(v) for v in row)}" for i, row in enumerate(values)
        ]
        write_bytes(Path(f"data/series/{key}.csv"), ("time,x,y\n" + "\n".join(lines) + "\n").encode())
    xml = label_config.render(("x", "y"), given.get("labels", ("A", "B")), "time")
    write_bytes(Path("data/label_config.xml"), xml.encode())
    snapshot.write(Path("data/labels"), [record(key, found) for key, found in regions.items()])
    sets.write({key: sets.Row(key, names.get(key, "train")) for key in series})
    write_params(**given.get("params", {}))


def run_all() -> None:
    for stage in (ingest, window, train, evaluate, promote, predict):
        stage.main()


def test_the_whole_on_simulated_recordings(simulated: Path, capsys: pytest.CaptureFixture[str]):
    run_all()
    index = dataset.read_index()
    assert [len(index.of(name)) for name in ("train", "validation", "test")] == [3, 1, 1]
    assert index.instants == ("knock",)
    assert index.provenance == {"labels": "aaa.dir", "series": ""}
    for name, starts in index.windows.items():
        for key, start in starts:
            assert index.series[key].set == name
            assert 0 <= start <= max(index.series[key].rows - index.size, 0)
    model = checkpoint.read(provenances.BEST)
    provenance = provenances.read(provenances.BEST)
    assert provenance.model == model.hash() == checkpoint.model_hash(provenances.CANDIDATE)
    assert provenance.labels == "aaa.dir"
    assert provenance.dataset == md5(dataset.PATH)
    assert sorted(provenance.annotations) == index.of("train")
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
    scores = json.loads(evaluate.METRICS.read_text())
    assert set(scores) == {"test", "validation"}
    assert json.loads(promote.VERDICT.read_text())["verdict"] == "promoted"
    assert "promoted: there was no best model yet" in capsys.readouterr().out
    assert Path("reports/train/plots/metrics/train/loss.tsv").read_text().splitlines()[0] == "step\tloss"


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


def noise(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 2)).round(3)


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
    assert "warning: 110 x timepoint without a number: not learnt from: a (10), b (100)" in index.warnings
    model = checkpoint.read(provenances.BEST)
    assert all(np.isfinite(tensor.numpy()).all() for tensor in model.weights.values())


def test_channels_decades_apart_and_a_constant_one(folder: Path):
    values = noise(300) * [1e6, 0] + [1e9, 7]
    small({"a": values}, {"a": [(10, 60, "A")]})
    run_all()
    assert checkpoint.read(provenances.BEST).scaler["deviation"][1] == 1.0


def test_what_was_left_out_is_named(folder: Path):
    small(
        {"a": noise(50), "b": noise(50, 1), "c": noise(50, 2), "d": noise(50, 3)},
        {"a": [(1, 9, "A"), (20, 25, "Z")], "b": [(2, 2, "A")], "gone": [(1, 2, "A")], "c": [(1, 9, "A")]},
        sets={"b": "validation", "c": "unassigned", "d": "unassigned"},
    )
    ingest.main()
    window.main()
    index = dataset.read_index()
    assert index.left_out == (
        "left out: 1 x region of label 'Z', which the label config lacks: a (1)",
        "left out: 1 labeled series without a usable recording: gone",
    )
    assert index.warnings == (
        "warning: the train set does not contain labels from all classes: no B",
        "warning: the validation set does not contain labels from all classes: no B",
        "warning: the test set has no labeled series",
        "warning: 1 labeled series are in no set: c",
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
    write_params()
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
    snapshot.write(Path("data/labels"), [record("a", [span])])  # type: ignore[list-item]
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
    small({"a": noise(9)}, {"a": [(1, 2, "A")]}, sets={"a": "test"})


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
        (no_train, "there is nothing to learn from", "write `train` beside some of them in data/sets.csv"),
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


def test_all_background_is_an_empty_prediction(folder: Path):
    small({"a": noise(300), "b": noise(90, 1)}, {"a": []})
    run_all()
    assert predictions.read("b").regions == ()


def test_only_unassigned_series_are_predicted_when_asked(folder: Path):
    small(
        {"a": noise(60), "b": noise(60, 1)},
        {"a": [(1, 9, "A")]},
        sets={"b": "unassigned"},
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
    small(series, regions, sets={"b": "test"})
    run_all()
    small(series, regions, sets={"b": "test"}, labels=("B", "A"))
    with pytest.raises(InputError, match="does not fit the label config"):
        predict.main()
    run_all()
    verdict = json.loads(promote.VERDICT.read_text())
    assert verdict["reason"] == "the best model no longer fits: its labels are A, B; the project's are B, A"
    assert checkpoint.read(provenances.BEST).labels == ("B", "A")


def test_the_best_is_kept_when_the_candidate_is_worse(folder: Path, monkeypatch: pytest.MonkeyPatch):
    small({"a": noise(60), "b": noise(60, 1)}, {"a": [(1, 9, "A")], "b": [(1, 9, "A")]}, sets={"b": "test"})
    run_all()
    shutil.copytree("data/best", "before")
    write_params(train={**QUICK["train"], "seed": 1})
    train.main()
    marks = {checkpoint.model_hash(provenances.CANDIDATE): 0.4, checkpoint.model_hash(provenances.BEST): 0.5}
    monkeypatch.setattr(promote, "measure", lambda model, *_: marks[model.hash()])
    promote.main()
    verdict = json.loads(promote.VERDICT.read_text())
    assert verdict["verdict"] == "kept"
    assert verdict["reason"] == "on the test set its event_f1 of 0.4000 is worse than the best model's 0.5000"
    assert md5(Path("before")) == md5(provenances.BEST)
    marks[checkpoint.model_hash(provenances.CANDIDATE)] = 0.6
    promote.main()
    assert json.loads(promote.VERDICT.read_text())["verdict"] == "promoted"
    assert md5(provenances.CANDIDATE) == md5(provenances.BEST)
    promote.main()
    assert json.loads(promote.VERDICT.read_text())["reason"] == "the candidate is the best model already"


@pytest.mark.parametrize(
    ("candidate", "best", "gain", "verdict", "reason"),
    [
        (
            0.5,
            0.5,
            0.0,
            "promoted",
            "on the test set its event_f1 of 0.5000 is as good as the best model's 0.5000",
        ),
        (
            0.53,
            0.5,
            0.05,
            "kept",
            "on the test set its event_f1 of 0.5300 is better than the best model's 0.5000, "
            "but not by enough (min_gain 0.05)",
        ),
        (
            0.55,
            0.5,
            0.05,
            "promoted",
            "on the test set its event_f1 of 0.5500 is better than the best model's 0.5000, "
            "by enough (min_gain 0.05)",
        ),
    ],
)
def test_the_rule_of_promotion(candidate: float, best: float, gain: float, verdict: str, reason: str):
    found = promote.compare("event_f1", candidate, best, gain)
    assert (found.verdict, found.reason) == (verdict, reason)
