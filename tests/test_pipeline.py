"""dvc.yaml names as deps the code that each stage really uses: no more runs than needed, and none too few.

Computing code is everything under stages/ that a stage imports, by any number of steps. Of storage/, deps are the
modules that form what the stage writes: another wording in the check of a CSV must not train a model anew.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
SILENT = ("stages/params.py", "stages/run.py")


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
    whole = ROOT / f"stages/classification/{stage}.py"  # stages/run.py calls it by its name
    if whole.exists():
        used = imported(whole, used)
    named = [dep for dep in STAGES[stage]["deps"] if dep.startswith("st") and dep.endswith(("model", ".py"))]
    covered = {f for f in used if any(f == dep or f.startswith(f"{dep}/") for dep in named)}
    assert sorted(f for f in used - covered if f.startswith("stages/")) == []
    assert [dep for dep in named if not any(f == dep or f.startswith(f"{dep}/") for f in used)] == []


def test_a_changed_label_never_runs_ingest():
    assert not {"data/labels", "data/sets.csv", "data/tasks.jsonl"} & set(STAGES["ingest"]["deps"])


def test_best_and_receipt_persist():
    assert STAGES["promote"]["outs"][0] == {"data/best": {"persist": True}}
    assert STAGES["publish"]["outs"] == [{"data/receipt.json": {"persist": True}}]
