"""Outputs of stages checked out from DVC's cache: those that were asked for, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.repo.dvc_lock import Lock
from storage.repo.repository import Repository
from tests.storage.repo.test_store import repository, run

__all__ = ["repository"]
STAGES = """
stages:
  first:
    cmd: mkdir -p x z && echo 1 > x/file && echo 1 > z/file
    outs: [x, z]
  second:
    cmd: mkdir -p y && echo 1 > y/file
    deps: [x]
    outs: [y]
"""


def files(root: Path) -> dict[str, str]:
    return {name: path.read_text() for name in "xyz" if (path := root / name / "file").exists()}


def spoil(root: Path) -> None:
    for name in files(root):
        (root / name / "file").write_text("spoilt\n")


@pytest.fixture
def ran(repository: Repository) -> Repository:
    (repository.root / "dvc.yaml").write_text(STAGES, encoding="utf-8")
    return repository


def test_an_output_of_a_stage_that_never_ran_stays(ran: Repository) -> None:
    run(ran.root, ["dvc", "repro", "--quiet", "first"])
    (ran.root / "y").mkdir()
    spoil(ran.root)
    (ran.root / "y/file").write_text("a person's\n")
    assert ran.checkout_outputs(Lock.read(ran.root).outputs()) == []
    assert files(ran.root) == {"x": "1\n", "y": "a person's\n", "z": "1\n"}


@pytest.mark.parametrize("wanted", ["x", "xy", "xyz"])
def test_only_what_is_asked_for_comes_back(ran: Repository, wanted: str) -> None:
    run(ran.root, ["dvc", "repro", "--quiet"])
    spoil(ran.root)
    outputs = Lock.read(ran.root).outputs()
    assert ran.checkout_outputs({name: outputs[name] for name in wanted}) == []
    assert files(ran.root) == {name: "1\n" if name in wanted else "spoilt\n" for name in "xyz"}


def test_a_pointer_and_a_stage_together(ran: Repository) -> None:
    run(ran.root, ["dvc", "repro", "--quiet"])
    (ran.root / "more").mkdir()
    (ran.root / "more/file").write_text("1\n")
    pointed = ran.add("more")
    spoil(ran.root)
    (ran.root / "more/file").write_text("spoilt\n")
    assert ran.checkout_outputs({"more": pointed, "x": Lock.read(ran.root).outputs()["x"]}) == []
    assert (ran.root / "more/file").read_text() == "1\n"
    assert files(ran.root) == {"x": "1\n", "y": "spoilt\n", "z": "spoilt\n"}
