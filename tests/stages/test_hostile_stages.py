"""What stages read may be somebody else's, a clone's or a cache's: an error says what it is and how to mend it."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import evaluate, predict, promote, report
from storage.artifacts import arrays, checkpoint, dataset, predictions, provenance, reports
from storage.errors import InputError
from storage.files import write_bytes
from storage.paths import BEST, CANDIDATE
from storage.project_files import study
from tests.support import choice_project
from tests.support.stage_project import noise, run_all, small

Stage = Callable[[], None]
ODD: list[Any] = [
    None, -1, 0, 10**30, 1e308, float("nan"), float("inf"), True, "", "x" * 3000, "\x1b[2J\u202e", "../../../x",
    [], {}, [[]], {"a": {}}, ["\ud800"],
]  # fmt: skip
SPLITS = {"a": "train", "b": "train", "v": "validation", "t": "test", "u": "unassigned"}
MODELS = (CANDIDATE, BEST)


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of regions that every stage has run in."""
    root = tmp_path_factory.mktemp("regions")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        spans: Any = {key: [(10, 30, "A"), (50, 70, "B")] for key in SPLITS if key != "u"}
        small({key: noise(100, i) for i, key in enumerate(SPLITS)}, spans, splits=SPLITS)
        run_all()
        report.main()
    return root


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of whole series that every stage has run in."""
    root = tmp_path_factory.mktemp("wholes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        lay_wholes({f"{kind}{i}": kind for i in range(6) for kind in ("slow", "fast")}, ("slow", "fast"))
        choice_project.run_all()
        evaluate.main()
        report.main()
    return root


def lay_wholes(kinds: dict[str, str], labels: tuple[str, ...], **shapes: str) -> None:
    series = {
        key: choice_project.wave(shapes.get(key, kind), i) for i, (key, kind) in enumerate(kinds.items())
    }
    said = [choice_project.record(key, [kind]) for key, kind in kinds.items()]
    sets = {key: ("train", "train", "test")[i // 2 % 3] for i, key in enumerate(kinds)}
    choice_project.lay(series, said, sets, labels=labels, steps=4)


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project that the test is about, in the current folder."""
    root = tmp_path / "own"
    shutil.copytree(request.getfixturevalue(request.param), root)
    monkeypatch.chdir(root)
    return root


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be put into JSON."""
    yield path
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    )
    for key, found in inner:
        yield from places(found, (*path, key))


def spoilt(value: Any, most: int, seed: int) -> Iterator[Any]:
    """Values of which one place is odd, or missing."""
    rng = random.Random(seed)  # noqa: S311
    every = [(place, odd) for place in places(value) if place for odd in [*ODD, KeyError]]
    for place, odd in rng.sample(every, min(most, len(every))):
        other = copy.deepcopy(value)
        inner = other
        for key in place[:-1]:
            inner = inner[key]
        if odd is KeyError and isinstance(inner, dict):
            del inner[place[-1]]
        elif odd is not KeyError:
            inner[place[-1]] = odd
        yield other


def never_a_traceback(path: Path, data: bytes, stages: list[Stage]) -> bool:
    """Whether a stage refused the file; each refusal names what to do."""
    was = path.read_bytes()
    write_bytes(path, data)
    if path.name == "model.json":  # whoever wrote the model wrote its hash as well
        name_the_hash(path.parent)
    refused = False
    try:
        for stage in stages:
            try:
                stage()
            except InputError as error:
                refused = True
                assert error.what and (error.where or error.why) and error.cure
                assert "\x1b" not in str(error) and "\u202e" not in str(error) and len(str(error)) < 5000
    finally:
        write_bytes(path, was)
    return refused


def name_the_hash(folder: Path) -> None:
    origin = json.loads((folder / "provenance.json").read_bytes())
    text = json.dumps(origin | {"model": checkpoint.model_hash(folder)})
    write_bytes(folder / "provenance.json", text.encode())


def spoil_json(path: Path, most: int, *stages: Stage) -> None:
    value = json.loads(path.read_bytes())
    refused = 0
    for seed, other in enumerate(spoilt(value, most, 7)):
        refused += never_a_traceback(path, json.dumps(other).encode(), list(stages))
        assert seed >= 0
    for data in (b"", b"{", b"[]", b"\xff\xfe", b'{"version":' + b"[" * 20_000, b'{"version":9}', b"null"):
        assert never_a_traceback(path, data, list(stages)), data[:20]
    assert refused > most / 4


def reading() -> None:
    """The predictions, as publish checks them."""
    for key in predictions.keys():  # noqa: SIM118 -- a module, no dict
        predictions.read(key)
    provenance.read(BEST)


@pytest.mark.parametrize("own", ["regions"], indirect=True)
def test_files_of_a_project_of_regions_that_are_not_as_they_must_be(own: Path) -> None:
    spoil_json(arrays.PATH / "index.json", 40, predict.main)
    spoil_json(dataset.PATH / "index.json", 50, evaluate.main)
    for folder, stage in ((CANDIDATE, evaluate.main), (BEST, predict.main)):
        spoil_json(folder / "model.json", 60, stage)
        spoil_json(folder / "provenance.json", 10, reading, report.main)
    spoil_json(predictions.PATH / "t.json", 40, reading)


@pytest.mark.parametrize("own", ["wholes"], indirect=True)
def test_files_of_a_project_of_whole_series_that_are_not_as_they_must_be(own: Path) -> None:
    spoil_json(dataset.PATH / "index.json", 30, evaluate.main)
    spoil_json(CANDIDATE / "model.json", 80, evaluate.main, promote.main)
    spoil_json(BEST / "model.json", 40, predict.main)


@pytest.mark.parametrize("own", ["regions"], indirect=True)
def test_reports_that_are_not_as_they_must_be(own: Path) -> None:
    for path in (reports.VERDICT, arrays.PATH / "quality.json"):
        for other in spoilt(json.loads(path.read_bytes()), 25, 3):
            never_a_traceback(path, json.dumps(other).encode(), [report.main])
    for path in (reports.SCORES, reports.CLASSES, reports.SUBJECTS, reports.CONFUSION, reports.CALIBRATION):
        lines = path.read_bytes().split(b"\n")
        for data in (b"a,b\n1,2\n", lines[0] + b"\n" + b"x," * 30, b"\xff", lines[0] + b"\n1,2"):
            assert never_a_traceback(path, data, [report.main]), data
    curve = reports.CURVES / "train/loss.tsv"
    for text in (
        b"step\tloss\n0\tinf\n",
        b"step\tloss\n0\tnan\n",
        b"step\tother\n0\t1\n",
        b"step\tloss\n0\t1e300\n",
    ):
        assert never_a_traceback(curve, text, [report.main]), text


@pytest.mark.parametrize("own", ["regions"], indirect=True)
def test_arrays_and_weights_that_are_others(own: Path) -> None:
    values, times = arrays.PATH / "values/t.npy", arrays.PATH / "times/t.npy"
    target = dataset.PATH / "t.target.npy"
    header = values.read_bytes()[:128]
    huge = header.replace(b"(100, 2)", b"(9999999999999, 2)").replace(b" " * 12 + b"\n", b"\n")
    for path, stages in (
        (values, [evaluate.main, predict.main]),
        (times, [predict.main]),
        (target, [evaluate.main]),
    ):
        for data in (
            b"",
            b"\x93NUMPY",
            path.read_bytes()[:-5],
            huge,
            pickled(),
            of(np.zeros(7)),
            of(np.array("x")),
        ):
            assert never_a_traceback(path, data, list(stages)), (path, data[:20])
    assert never_a_traceback(target, of(np.full(100, 99, np.int16)), [evaluate.main])
    weights = CANDIDATE / "weights.safetensors"
    for data in (b"", b"x" * 100, (2**60).to_bytes(8, "little") + b"{}", weights.read_bytes()[:-4]):
        write_bytes(weights, data)
        name_the_hash(CANDIDATE)
        with pytest.raises(InputError) as caught:
            evaluate.main()
        assert caught.value.cure.startswith("dvc repro --single-item --force train")


def of(array: np.ndarray) -> bytes:
    path = Path("x.npy")
    np.save(path, array)
    return path.read_bytes()


def pickled() -> bytes:
    path = Path("x.npy")
    np.save(path, np.array([{}], object), allow_pickle=True)
    return path.read_bytes()


@pytest.mark.parametrize("own", ["regions"], indirect=True)
def test_a_best_model_that_cannot_be_used_is_replaced(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = checkpoint.read(BEST)
    shape = {**best.network, "hidden": 2**24}
    nothing = {name: array * np.nan for name, array in best.weights.items()}
    for other in (
        replace(best, network=shape),
        replace(best, weights=nothing),
    ):
        checkpoint.write(other, replace(provenance.read(BEST), model=other.hash()), BEST)
        promote.main()
        assert "promoted: the best model cannot be loaded any more" in capsys.readouterr().out
        assert checkpoint.same(*MODELS)


def test_a_study_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    trial = study.Trial(1, "complete", {"lr": 0.1}, 0.5, 0.9, ((1, 0.7),), "", "a" * 32)
    study.write(study.Study({"labels": "x"}, (trial,)), path)
    for other in spoilt(json.loads(path.read_bytes()), 200, 1):
        write_bytes(path, json.dumps(other).encode())
        try:
            best = study.load(path).best
        except InputError as error:
            assert error.cure
        else:
            assert best is None or (isinstance(best.loss, int | float) and 0 <= best.loss < 1e309)
    unscored = {"version": 1, "about": {}, "trials": [{**vars(trial), "curve": [], "loss": None}]}
    write_bytes(path, json.dumps(unscored).encode())
    with pytest.raises(InputError) as caught:
        study.load(path)
    assert caught.value.why == "trial 1 is complete, and has no loss"
