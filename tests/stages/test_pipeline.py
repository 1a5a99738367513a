"""dvc.yaml names as deps the code that each stage really uses: no more runs than needed, and none too few.

Computing code is everything under stages/ that a stage imports, by any number of steps. Of storage/, deps are the
modules that form what the stage writes: another wording in the check of a CSV must not train a model anew.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
SILENT = (
    "stages/params.py",
    "stages/run.py",
    "stages/compatibility.py",
    "stages/provenance.py",
    "stages/gate.py",
)
KINDS = {"stages/segmentation", "stages/classification"}  # one of them is called, by the label config
LOADING = {"stages/training", "stages/metrics"}  # what loading a model and predicting do not depend on
NOT_DEPS = {
    "evaluate": LOADING,
    "promote": LOADING,
    "predict": LOADING,
    "report": {*LOADING, *KINDS, "stages/timeseries"},  # what these change is in the results that it reads
}


def imported(path: Path, seen: set[str]) -> set[str]:
    """Files of the project that a file imports, by any number of steps."""
    name = path.relative_to(ROOT).as_posix()
    if name in seen or name in SILENT:
        return seen
    seen.add(name)
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        folder = ROOT / node.module.replace(".", "/")
        modules = [folder.with_suffix(".py"), *(folder / f"{alias.name}.py" for alias in node.names)]
        for module in modules:
            if module.exists() and module.is_relative_to(ROOT):
                imported(module, seen)
    return seen


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_code_that_is_used(stage: str):
    used = imported(ROOT / f"stages/{stage}.py", set())
    folders = {"/".join(path.split("/")[:2]) for path in used if path.startswith("stages/")}
    named = {dep for dep in STAGES[stage]["deps"] if dep.startswith("stages/")}
    assert folders - named <= NOT_DEPS.get(stage, set())
    assert named - folders - KINDS == set()


def test_a_changed_label_never_runs_ingest():
    assert not {"data/labels", "data/sets.csv", "data/tasks.jsonl"} & set(STAGES["ingest"]["deps"])


def test_best_and_receipt_persist():
    assert STAGES["promote"]["outs"][0] == {"data/best": {"persist": True}}
    assert STAGES["publish"]["outs"] == [{"data/receipt.json": {"persist": True}}]
