"""`dvc plots` shows what the stages write, of either task and of any sets, and misses no file."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.classification import evaluation as choices
from stages.segmentation import evaluation as regions
from storage import process, settings
from storage.artifacts import reports

ROOT = Path(__file__).parents[2]
CURVES = Path("reports/train/plots/metrics")
REGIONS = ("train/loss", "validation/balanced_accuracy", "validation/worst_f1")
CHOICES = ("train/accuracy", "train/loss", "validation/accuracy", "validation/loss")
BEATS = [["test", "normal", "normal", 3, 0.75], ["test", "normal", "premature", 1, 0.25]]
ROC = [["test", "premature", 0.0, 0.0], ["test", "premature", 0.25, 1.0], ["test", "premature", 1.0, 1.0]]
STEPS = [["validation", "walk", "walk", 300, 1.0]]


@pytest.mark.parametrize(
    ("curves", "header", "rows"),
    [
        pytest.param(REGIONS, regions.CONFUSION_HEADER, STEPS, id="regions"),
        pytest.param(REGIONS[:1], regions.CONFUSION_HEADER, [], id="regions, the train split alone"),
        pytest.param(CHOICES, choices.CONFUSION_HEADER, BEATS, id="choices"),
        pytest.param(CHOICES[:2], choices.CONFUSION_HEADER, [], id="choices, the train split alone"),
    ],
)
def test_all_plots_are_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    curves: tuple[str, ...],
    header: tuple[str, ...],
    rows: list[list[Any]],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "docs/plots", "docs/plots")
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    Path("dvc.yaml").write_text(yaml.safe_dump({"plots": plots}), encoding="utf-8")
    for name in curves:
        path = CURVES / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"step\t{path.stem}\n0\t0.5\n1\t0.25\n", encoding="utf-8")
    for path, columns, table in (
        (reports.CONFUSION, header, rows),
        (reports.CALIBRATION, reports.CALIBRATION_HEADER, [["test", "region", 0.9, 1.0, 4, 0.95, 0.75]]),
        (
            reports.EVALUATION / "roc.csv",
            reports.ROC_HEADER,
            ROC if header is choices.CONFUSION_HEADER else [],
        ),
    ):
        reports.write_csv(path, columns, table)
    dvc("init", "--quiet", "--no-scm")
    shown = json.loads(dvc("plots", "show", "--json"))
    assert "errors" not in shown
    assert sorted(shown["data"]) == sorted(
        [
            "Confusion on the test split",
            "Calibration",
            "ROC",
            *((CURVES / f"{name}.tsv").as_posix() for name in curves),
        ]
    )
    assert all(drawn["revisions"] == ["workspace"] for found in shown["data"].values() for drawn in found)


def dvc(*words: str) -> str:
    return process.run([sys.executable, "-m", "dvc", *words], env=settings.stage_environment())
