"""Whole series from CSV files: training, answers, and that a bad file or place leaves everything as it was."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipelines.__main__ import main
from pipelines.classify import predict as classify_predict
from pipelines.classify import train as classify_train
from storage.artifacts import checkpoint, provenance
from storage.errors import InputError, LabeltrailError, NotFoundError
from storage.files import md5

SMALL = ("epochs=8", "hidden-size=4", "filters-1=8", "filters-2=8", "filters-3=8", "lr=.02", "dropout=.2")
LENGTH = 20
SHAPES = (
    lambda t: np.sin(t),
    lambda t: np.sign(np.sin(t)),
    lambda t: np.abs(np.sin(t)) * 2 - 1,
)


def series(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Values (series, LENGTH) of three shapes at any phase, with noise; and which shape each has."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(count) % 3
    phase = rng.uniform(0, 6, (count, 1)) + np.linspace(0, 12, LENGTH)
    values = np.stack([SHAPES[kind](row) for kind, row in zip(kinds, phase, strict=True)])
    return values + rng.normal(0, 0.1, values.shape), kinds


def table(
    path: Path, values: np.ndarray, targets: np.ndarray | None = None, order: Sequence[int] = ()
) -> Path:
    """A CSV file; the x columns in this order."""
    places = list(order) or list(range(values.shape[1]))
    header = [f"x_{place + 1}" for place in places]
    rows = [[repr(float(row[place])) for place in places] for row in values]
    if targets is not None:
        header = [*(f"y_{k + 1}" for k in range(targets.shape[1])), *header]
        rows = [[*map(str, target), *row] for target, row in zip(targets.astype(int), rows, strict=True)]
    path.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n", encoding="utf-8")
    return path


def one_hot(kinds: np.ndarray) -> np.ndarray:
    return np.eye(3)[kinds]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv, valid.csv, and a model that was trained on them."""
    folder = tmp_path_factory.mktemp("classify")
    for name, count, seed in (("train", 60, 0), ("valid", 30, 1), ("test", 50, 2)):
        values, kinds = series(count, seed)
        table(folder / f"{name}.csv", values, one_hot(kinds))
    table(folder / "x.csv", series(50, 2)[0])
    classify_train.train(folder / "train.csv", folder / "model", valid=folder / "valid.csv", overrides=SMALL)
    return folder


def rows(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def refused(call: object, *arguments: object, **options: object) -> LabeltrailError:
    with pytest.raises(LabeltrailError) as caught:
        call(*arguments, **options)  # type: ignore[operator]
    assert caught.value.cure
    return caught.value


def test_a_model_that_knows_its_files(place: Path) -> None:
    model = checkpoint.read(place / "model")
    origin = provenance.read(place / "model")
    assert (model.labels, model.channels) == (("y_1", "y_2", "y_3"), ("x",))
    assert model.postprocess == {"task": "multiclass", "columns": [f"x_{i + 1}" for i in range(LENGTH)]}
    assert (origin.dataset, origin.labels, origin.annotations) == (md5(place / "train.csv"), "", {})
    assert origin.params["train"]["classifier"]["hidden_size"] == 4
    assert model.training["validation"]["dataset"] == md5(place / "valid.csv")
    assert model.training["validation"]["accuracy"] >= 0.9


def test_answers_are_right_and_in_the_order_of_the_rows(place: Path, tmp_path: Path) -> None:
    done = classify_predict.predict(place / "model", place / "x.csv", tmp_path / "out.csv")
    found = np.array([row.split(",") for row in rows(tmp_path / "out.csv")[1:]], float)
    assert rows(tmp_path / "out.csv")[0] == "y_1,y_2,y_3,p_1,p_2,p_3"
    assert (found[:, :3].argmax(1) == series(50, 2)[1]).mean() >= 0.9
    assert np.array_equal(found[:, :3].argmax(1), found[:, 3:].argmax(1))
    assert (done.series, done.accuracy) == (50, None)
    again = classify_predict.predict(place / "model", place / "test.csv", tmp_path / "again.csv")
    assert md5(tmp_path / "again.csv") == md5(tmp_path / "out.csv")
    assert again.accuracy == (found[:, :3].argmax(1) == series(50, 2)[1]).mean()


def test_a_series_is_answered_alike_alone_and_among_others(place: Path, tmp_path: Path) -> None:
    values, _ = series(50, 2)
    classify_predict.predict(place / "model", place / "x.csv", tmp_path / "all.csv")
    together = rows(tmp_path / "all.csv")
    for number, row in enumerate(values, 1):
        alone = table(tmp_path / "alone.csv", row[None])
        classify_predict.predict(place / "model", alone, tmp_path / "one.csv")
        assert rows(tmp_path / "one.csv") == [together[0], together[number]]
    classify_predict.predict(
        place / "model", table(tmp_path / "back.csv", values[::-1]), tmp_path / "back.out.csv"
    )
    assert rows(tmp_path / "back.out.csv")[:0:-1] == together[1:]


def test_columns_may_stand_in_any_order(place: Path, tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(LENGTH).tolist()
    for name, count, seed in (("train", 60, 0), ("valid", 30, 1)):
        values, kinds = series(count, seed)
        table(tmp_path / f"{name}.csv", values, one_hot(kinds), order)
    table(tmp_path / "x.csv", series(50, 2)[0], order=order)
    classify_train.train(
        tmp_path / "train.csv", tmp_path / "model", valid=tmp_path / "valid.csv", overrides=SMALL
    )
    weights = "model/weights.safetensors"
    assert (tmp_path / weights).read_bytes() == (place / weights).read_bytes()
    for name in ("a", "b"):
        classify_predict.predict(
            place / "model", (place if name == "a" else tmp_path) / "x.csv", tmp_path / name
        )
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_the_same_files_give_the_same_model_anywhere(place: Path, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model"
    classify_train.train(place / "train.csv", target, valid=place / "valid.csv", overrides=SMALL)
    assert md5(target) == md5(place / "model")


def test_yes_or_no(tmp_path: Path) -> None:
    values, kinds = series(60)
    path = table(tmp_path / "train.csv", values, (kinds == 1)[:, None])
    done = classify_train.train(path, tmp_path / "model", overrides=SMALL)
    assert done.table.task == "binary"
    assert classify_predict.predict(tmp_path / "model", path, tmp_path / "out.csv").accuracy == pytest.approx(
        1, abs=0.1
    )
    found = np.array([row.split(",") for row in rows(tmp_path / "out.csv")[1:]], float)
    assert np.array_equal(found[:, 0] == 1, found[:, 1] >= 0.5)


def test_several_labels_to_a_series(tmp_path: Path) -> None:
    values, kinds = series(60)
    path = table(tmp_path / "train.csv", values, np.stack([kinds != 0, kinds != 1], 1))
    done = classify_train.train(path, tmp_path / "model", overrides=SMALL)
    assert done.table.task == "multilabel"
    accuracy = classify_predict.predict(tmp_path / "model", path, tmp_path / "out.csv").accuracy
    assert accuracy is not None
    assert accuracy >= 0.9


def test_going_on_from_a_model(place: Path, tmp_path: Path) -> None:
    before, began = md5(place / "model"), checkpoint.model_hash(place / "model")
    options = {"valid": place / "valid.csv", "start": place / "model", "overrides": ("epochs=1", "lr=1e-4")}
    done = classify_train.train(place / "train.csv", tmp_path / "model", **options)  # type: ignore[arg-type]
    assert done.fit.result.validation_accuracy is not None
    assert done.fit.result.validation_accuracy >= 0.9
    assert done.plan["hidden_size"] == 4
    assert checkpoint.read(tmp_path / "model").training["from"] == began
    assert md5(place / "model") == before


def test_going_on_from_a_model_in_its_own_folder(place: Path, tmp_path: Path) -> None:
    checkpoint.copy(place / "model", tmp_path / "model")
    began = checkpoint.model_hash(tmp_path / "model")
    classify_train.train(
        place / "train.csv", tmp_path / "model", start=tmp_path / "model", overrides=("epochs=1",)
    )
    assert checkpoint.read(tmp_path / "model").training["from"] == began
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


def test_where_training_cannot_go_on(place: Path, tmp_path: Path) -> None:
    values, kinds = series(60)
    begin = {"start": place / "model"}
    two = table(tmp_path / "two.csv", values, one_hot(kinds)[:, :2], range(LENGTH))
    short = table(tmp_path / "short.csv", values[:, 1:], one_hot(kinds))
    train, folder = classify_train.train, tmp_path / "model"
    assert "the y columns of" in refused(train, two, folder, task="multilabel", **begin).what
    assert "without x_20" in refused(train, short, folder, **begin).what
    wider = refused(train, place / "train.csv", folder, overrides=("hidden-size=5",), **begin)
    assert wider.why == "its hidden_size is 4, here it is 5"
    other = refused(train, place / "train.csv", folder, task="multilabel", **begin)
    assert other.why == "its task is multiclass, here it is multilabel"
    assert isinstance(refused(train, place / "train.csv", folder, start=tmp_path / "no"), NotFoundError)
    assert not folder.exists()


BAD = {
    "train": ("y_1,y_2,x_1,x_2\n1,0,2,3\n0,1,2\n", "not as many cells"),
    "gap": ("y_1,y_2,x_1,x_2\n1,0,2,3\n0,1,2,\n", "a missing value: line 3 (x_2)"),
    "one class": ("y_1,y_2,x_1,x_2\n1,0,2,3\n1,0,2,4\n", "has one class only: y_1 is 1 in all of its 2 rows"),
}


@pytest.mark.parametrize("kind", BAD)
def test_nothing_is_written_after_a_bad_file(kind: str, place: Path, tmp_path: Path) -> None:
    text, words = BAD[kind]
    bad = tmp_path / "bad.csv"
    bad.write_text(text, encoding="utf-8")
    checkpoint.copy(place / "model", tmp_path / "model")
    before = md5(tmp_path)
    assert words in refused(classify_train.train, bad, tmp_path / "model").what
    assert words in refused(classify_train.train, bad, tmp_path / "new").what
    refused(classify_train.train, place / "train.csv", tmp_path / "new", valid=bad)
    refused(classify_predict.predict, tmp_path / "model", bad, tmp_path / "out.csv")
    assert md5(tmp_path) == before


def test_a_validation_set_may_be_of_one_class(place: Path, tmp_path: Path) -> None:
    values, kinds = series(9)
    valid = table(tmp_path / "valid.csv", values[kinds == 2], one_hot(kinds)[kinds == 2])
    done = classify_train.train(
        place / "train.csv", tmp_path / "model", valid=valid, overrides=("epochs=1", *SMALL[1:])
    )
    assert done.table.task == "multiclass"


def test_where_a_model_may_not_be_put(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("all of it", encoding="utf-8")
    (tmp_path / "empty" / "below").mkdir(parents=True)
    before = md5(tmp_path)
    train = place / "train.csv"
    assert (
        refused(classify_train.train, train, tmp_path / "full").why
        == "it has other files than a model's: thesis.txt"
    )
    assert refused(classify_train.train, train, tmp_path / "full" / "thesis.txt").why == "it is a file"
    monkeypatch.chdir(tmp_path / "empty" / "below")
    assert refused(classify_train.train, train, Path()).why == "it is the current folder"
    assert refused(classify_train.train, train, Path("..")).why == "it has other files than a model's: below"
    assert md5(tmp_path) == before


def test_where_answers_may_not_be_put_and_what_is_no_model(place: Path, tmp_path: Path) -> None:
    before, x = md5(place), place / "x.csv"
    assert refused(classify_predict.predict, place / "model", x, tmp_path).why == "it is a folder"
    assert refused(classify_predict.predict, place / "model", x, x).why == "it is the input file"
    assert isinstance(
        refused(classify_predict.predict, tmp_path / "no", x, tmp_path / "out.csv"), NotFoundError
    )
    checkpoint.copy(place / "model", tmp_path / "hurt")
    (tmp_path / "hurt" / "weights.safetensors").write_bytes(b"")
    assert refused(classify_predict.predict, tmp_path / "hurt", x, tmp_path / "out.csv").what.endswith(
        "is damaged"
    )
    assert not (tmp_path / "out.csv").exists()
    assert md5(place) == before


def called(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object
) -> tuple[int, str]:
    """Exit code and standard output of a command."""
    monkeypatch.setattr(sys, "argv", ["labeltrail", "classify", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0), capsys.readouterr().out


def test_the_commands_in_a_folder_that_is_no_project(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    params = [word for param in SMALL for word in ("--param", param)]
    files = (place / "train.csv", "--valid", place / "valid.csv", "--model", "m")
    code, text = called(capsys, monkeypatch, "train", *files, *params)
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == "multiclass: 60 series of 20 timepoints; y_1 20, y_2 20, y_3 20"
    assert lines[1].startswith("epoch 1: train loss ")
    assert lines[8].startswith("epoch 8: train loss ")
    assert "validation accuracy" in lines[9]
    assert lines[-1] == "next: labeltrail classify predict m X.csv --output OUT.csv"
    code, text = called(capsys, monkeypatch, "train", *files, *params, "--json")
    found = json.loads(text)
    assert (code, found["version"], found["labels"]) == (0, 1, {"y_1": 20, "y_2": 20, "y_3": 20})
    assert [epoch["epoch"] for epoch in found["epochs"]] == list(range(1, 9))
    assert set(found["scores"]) == {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy"}
    code, text = called(capsys, monkeypatch, "predict", "m", place / "test.csv", "--output", "out.csv")
    assert (code, text.splitlines()[0][:11]) == (0, "50 series: ")
    assert md5(tmp_path / "m") == md5(place / "model")
    code, text = called(capsys, monkeypatch, "predict", "m", "no.csv", "--output", "out2.csv", "--json")
    assert (code, json.loads(text)["error"]["why"]) == (InputError.exit_code, "there is no such file")
    assert not (tmp_path / "out2.csv").exists()
