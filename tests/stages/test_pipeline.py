"""dvc.yaml names as deps the code that each stage really uses: no more runs than needed, and none too few.

Computing code is everything under stages/ that a stage imports, by any number of steps. Of storage/, deps are the
modules that form what the stage writes: another wording in the check of a CSV must not train a model anew.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages import evaluate
from storage.artifacts import provenance, reports
from storage.paths import CANDIDATE
from tests.support import classified_project, report_project

ROOT = Path(__file__).parents[2]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES = PIPELINE["stages"]
SILENT = (
    "stages/params.py",
    "stages/classifier_params.py",
    "stages/run.py",
    "stages/compatibility.py",
    "stages/provenance.py",
)
PICKING = "stages/learning_task.py"  # decides nothing that the label config does not
KINDS = {"stages/segmentation", "stages/classification"}  # one of them is called, by the label config
LOADING = {"stages/training", "stages/metrics"}  # what loading a model and predicting do not depend on
MOST_DEPS, MOST_METRICS = 8, 10
NOT_DEPS = {
    "window": LOADING,
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
    assert folders - named - {PICKING} <= NOT_DEPS.get(stage, set())
    assert named - folders - KINDS == set()


@pytest.mark.parametrize("stage", STAGES)
def test_dependencies_can_be_read_at_a_glance(stage: str):
    assert len(STAGES[stage]["deps"]) <= MOST_DEPS


def test_what_the_report_shows_and_does_not_name_changes_what_it_names(tmp_path: Path, monkeypatch: Any):
    """Dataset, labels, label config and best model are on the page and no deps of it: deps hold their hashes.

    The candidate's provenance has those of the first three, promote.json that of the best model. The headline of the
    scores is in the tables too.
    """
    monkeypatch.chdir(tmp_path)
    report_project.lay()
    named = provenance.read(CANDIDATE)
    assert {"dataset", "labels", "label_config"} <= vars(named).keys()
    assert "best_model" in json.loads(reports.VERDICT.read_bytes())
    every = reports.read_scores()
    for split, levels in json.loads(reports.HEADLINE.read_bytes()).items():
        for level, figures in levels.items():
            assert figures.items() <= every[split][level].items()


@pytest.mark.parametrize("project", [report_project, classified_project])
def test_headline_metrics_fit_a_screen(project: Any, tmp_path: Path, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    project.lay()
    if project is classified_project:
        evaluate.main()
    splits = json.loads(reports.HEADLINE.read_bytes())
    assert set(splits) == {"validation", "test"}
    assert sum(len(figures) for levels in splits.values() for figures in levels.values()) <= MOST_METRICS


def test_the_best_model_is_declared():
    assert PIPELINE["artifacts"]["model"] | {"desc": ""} == {"path": "data/best", "type": "model", "desc": ""}


def test_a_changed_label_never_runs_ingest():
    assert not {"data/labels", "data/splits.csv", "data/tasks.jsonl"} & set(STAGES["ingest"]["deps"])


def test_best_and_receipt_persist():
    assert STAGES["promote"]["outs"][0] == {"data/best": {"persist": True}}
    assert STAGES["publish"]["outs"] == [{"data/receipt.json": {"persist": True}}]
