"""A best model whose files somebody else wrote, or a disk damaged: named with a cure by what only looks at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from storage.artifacts import lineage
from storage.errors import InputError
from tests.support.history_project import Past

ORIGIN = {"model": "a" * 32, "labels": "", "series": "", "params": {}, "annotations": {"one": ["1-a"]}}
ODD = {
    "no object": [],
    "cut off": "{",
    "no list of ids": ORIGIN | {"annotations": {"one": 5}},
    "a number for a hash": ORIGIN | {"model": 7},
    "nothing": {},
}


def lay(root: Path, origin: Any, model: Any) -> None:
    """`data/best` in the work tree."""
    (root / "data/best").mkdir(parents=True, exist_ok=True)
    for name, value in (("provenance.json", origin), ("model.json", model)):
        text = value if isinstance(value, str) else json.dumps(value)
        (root / "data/best" / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", ODD)
def test_a_model_that_is_none_is_an_error_that_names_its_file(name: str, tmp_path: Path) -> None:
    past = Past(tmp_path / "clone")
    lay(past.root, ODD[name], {"kind": "lstm"})
    with pytest.raises(InputError) as caught:
        lineage.models(past.repository)
    assert "data/best/provenance.json" in str(caught.value)
    assert caught.value.cure == "dvc checkout --force data/best"


def test_what_an_older_labeltrail_wrote_is_traced(tmp_path: Path) -> None:
    past = Past(tmp_path / "clone")
    lay(past.root, ORIGIN | {"version": 1}, {"kind": "lstm", "more": 1})
    (model,) = lineage.models(past.repository)
    assert (model.hash, model.kind, model.start, model.earlier) == ("a" * 32, "lstm", "", {})
    assert model.was_trained_on({"id": "1-a", "series": "one"})
