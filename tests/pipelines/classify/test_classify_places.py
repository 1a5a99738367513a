"""Where models and answers of series in CSV files may be put, and figures that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.classify import predict, train
from storage.artifacts import checkpoint
from storage.files import md5
from tests.pipelines.classify.test_classify import SMALL, one_hot, refused, series, table


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv, x.csv and a model."""
    folder = tmp_path_factory.mktemp("classify")
    values, kinds = series(9)
    table(folder / "train.csv", values, one_hot(kinds))
    table(folder / "x.csv", values)
    train.train(folder / "train.csv", folder / "model", overrides=("epochs=1", *SMALL[1:]))
    return folder


def test_answers_never_take_the_place_of_the_model(place: Path, tmp_path: Path) -> None:
    checkpoint.copy(place / "model", tmp_path / "model")
    before, x = md5(tmp_path), place / "x.csv"
    for name in checkpoint.FILES:
        error = refused(predict.predict, tmp_path / "model", x, tmp_path / "model" / name)
        assert error.why == "it is a file of the model"
    assert md5(tmp_path) == before


def test_nothing_can_be_written_below_a_file(place: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", series(3)[0])
    why = f"{file} is a file"
    assert refused(train.train, place / "train.csv", file / "model").why == why
    assert refused(predict.predict, place / "model", place / "x.csv", file / "out.csv").why == why


def test_values_that_no_number_holds_once_they_are_scaled(place: Path, tmp_path: Path) -> None:
    values, kinds = series(9)
    far = values.copy()
    far[4] *= 1e38
    known = table(tmp_path / "known.csv", values * 1e-9, one_hot(kinds))
    bad = table(tmp_path / "bad.csv", far, one_hot(kinds))
    options = ("epochs=1", "scaling=train", *SMALL[1:])
    train.train(known, tmp_path / "model", overrides=options)
    error = refused(predict.predict, tmp_path / "model", bad, tmp_path / "out.csv")
    assert error.what == f"the model has no prediction for 1 of the 9 series of {bad}: line 6"
    assert error.where == f"{bad}:6"
    error = refused(train.train, known, tmp_path / "new", valid=bad, overrides=options)
    assert error.where == str(bad)
    assert {path.name for path in tmp_path.iterdir()} == {"known.csv", "bad.csv", "model"}
