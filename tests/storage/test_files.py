"""Whole files or none, versions, hashes, and models that rest as JSON and tensors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from storage.artifacts import arrays, checkpoint, dataset, predictions
from storage.artifacts import provenance as provenances
from storage.artifacts.region import Region
from storage.errors import InputError
from storage.files import fresh_folder, md5, read_json, write_bytes, write_json
from storage.repo.pointer import pointer_md5
from storage.series.recording import Series


def test_json_is_sorted_and_stable(tmp_path: Path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"b": 1, "a": "é"})
    assert path.read_text() == '{\n "a": "é",\n "b": 1\n}\n'
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"b": 1, "a": "é"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "is not there yet"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_the_next_command(tmp_path: Path, text: str | None, what: str):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=what) as caught:
        read_json(path, 1, "dvc repro train")
    assert "dvc repro train" in caught.value.cure


def test_a_newer_version_is_refused(tmp_path: Path):
    write_json(tmp_path / "a.json", {"version": 2})
    with pytest.raises(InputError) as caught:
        read_json(tmp_path / "a.json", 1, "x")
    assert caught.value.why == "its version is 2; this checkout reads up to 1"


def test_a_folder_takes_its_place_when_it_is_whole(tmp_path: Path):
    place = tmp_path / "out"
    write_bytes(place / "old", b"1")
    with pytest.raises(RuntimeError), fresh_folder(place) as folder:
        write_bytes(folder / "new", b"2")
        raise RuntimeError
    assert [p.name for p in place.iterdir()] == ["old"]
    with fresh_folder(place) as folder:
        write_bytes(folder / "new", b"2")
    assert [p.name for p in place.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [place]


def test_a_folder_whose_successor_did_not_come_is_there_again(tmp_path: Path):
    write_bytes(tmp_path / ".out.old" / "old", b"1")
    with pytest.raises(RuntimeError), fresh_folder(tmp_path / "out"):
        raise RuntimeError
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "old"]


def test_folders_that_a_person_put_aside_stay(tmp_path: Path):
    kept = [tmp_path / "model.old" / "weights", tmp_path / "model.part" / "weights"]
    for path in (*kept, tmp_path / "model" / "weights"):
        write_bytes(path, b"1")
    with fresh_folder(tmp_path / "model") as folder:
        write_bytes(folder / "weights", b"2")
    assert [path.read_bytes() for path in kept] == [b"1", b"1"]
    assert {path.name for path in tmp_path.iterdir()} == {"model", "model.old", "model.part"}


def test_hashes_are_those_of_dvc(tmp_path: Path):
    write_bytes(tmp_path / "d" / "b" / "x", b"x")
    write_bytes(tmp_path / "d" / "a", b"a")
    assert md5(tmp_path / "d" / "a") == "0cc175b9c0f1b6a831c399e269772661"
    listing = b'[{"md5": "0cc175b9c0f1b6a831c399e269772661", "relpath": "a"}, '
    listing += b'{"md5": "9dd4e461268c8034f5c8564e155c67a6", "relpath": "b/x"}]'
    write_bytes(tmp_path / "listing", listing)
    assert md5(tmp_path / "d") == md5(tmp_path / "listing") + ".dir"
    assert md5(tmp_path / "none") == pointer_md5(tmp_path / "none.dvc") == ""


def test_arrays_read_back(tmp_path: Path):
    series = Series(np.array([[1, np.nan]], np.float32), np.array([1767225600000000001]))
    index = arrays.Index(("x", "y"), None, {"a/b.c": arrays.Entry(1, None)})
    arrays.save(tmp_path, "a/b.c", series)
    arrays.save_index(tmp_path, index, {"series": {}})
    assert arrays.read_index(tmp_path) == index
    assert arrays.times("a/b.c", tmp_path).tolist() == [1767225600000000001]
    assert np.array_equal(arrays.values("a/b.c", tmp_path), series.values, equal_nan=True)


def test_a_dataset_reads_back(tmp_path: Path):
    entry = dataset.Entry(9, "train", "ann", ("1-a",), (Region(0, 3, "A"), Region(5, 5, "B", True)))
    index = dataset.Index(
        ("x",), ("A", "B"), ("B",), 50.0, 3, dataset.Window(4, 4), {"s": entry},
        {"train": (("s", 0), ("s", 4))}, ("l",), ("w",), {"labels": "", "series": ""},
    )  # fmt: skip
    dataset.save_target(tmp_path / "d", "s", np.arange(9, dtype=np.int16))
    dataset.save_index(tmp_path / "d", index)
    assert dataset.read_index(tmp_path / "d") == index
    assert dataset.target("s", tmp_path / "d").tolist() == list(range(9))
    assert index.of("train") == ["s"]


def a_model(weight: float = 1.0) -> checkpoint.Checkpoint:
    weights = {"b": np.array([weight], np.float32), "a": np.zeros((2, 2), np.float32)}
    return checkpoint.Checkpoint("lstm", ("x",), ("A",), 50.0, {}, {}, {}, {}, {}, weights)


def provenance(model: checkpoint.Checkpoint) -> provenances.Provenance:
    return provenances.Provenance(model.hash(), "l.dir", "s.dir", "c", "d.dir", {"train": {}}, {"s": ["1-a"]})


def test_a_model_reads_back_and_its_hash_is_its_content(tmp_path: Path):
    model, place = a_model(), tmp_path / "candidate"
    checkpoint.write(model, provenance(model), place)
    again = checkpoint.read(place)
    assert again.hash() == model.hash() == checkpoint.model_hash(place)
    assert again.channels == ("x",)
    assert np.array_equal(again.weights["b"], model.weights["b"])
    assert provenances.read(place) == provenance(model)
    assert a_model(2.0).hash() != model.hash()
    assert sorted(p.name for p in place.iterdir()) == ["model.json", "provenance.json", "weights.safetensors"]


def test_a_copy_is_the_same_bytes(tmp_path: Path):
    model = a_model()
    checkpoint.write(model, provenance(model), tmp_path / "candidate")
    checkpoint.copy(tmp_path / "candidate", tmp_path / "best")
    assert checkpoint.same(tmp_path / "candidate", tmp_path / "best")


def test_half_a_model_is_refused(tmp_path: Path):
    model, place = a_model(), tmp_path / "best"
    with pytest.raises(InputError) as caught:
        checkpoint.read(place)
    assert caught.value.cure == "dvc repro promote"
    checkpoint.write(model, provenance(model), place)
    (place / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="is not whole"):
        checkpoint.read(place)


def test_a_prediction_reads_back(tmp_path: Path):
    region = predictions.PredictedRegion("2026-01-01", "2026-01-02", 3, 5, "A", False, 0.5)
    made = predictions.Prediction("a/b", "m", 0.5, 0.1, (region,))
    assert predictions.write([made], tmp_path / "p") == 1
    assert predictions.keys(tmp_path / "p") == ["a/b"]
    assert predictions.read("a/b", tmp_path / "p") == made


def test_no_series_lies_in_the_place_of_another(tmp_path: Path):
    keys = ("x", "x.time", "x.target", "x/y", "values/x", "index.json")
    for n, key in enumerate(keys):
        arrays.save(tmp_path / "a", key, Series(np.full((2, 1), n, np.float32), np.array([n, n + 1.0])))
        dataset.save_target(tmp_path / "d", key, np.full(2, n, np.int16))
    for n, key in enumerate(keys):
        assert arrays.values(key, tmp_path / "a").tolist() == [[n], [n]]
        assert arrays.times(key, tmp_path / "a").tolist() == [n, n + 1]
        assert dataset.target(key, tmp_path / "d").tolist() == [n, n]
