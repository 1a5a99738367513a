"""Reads data/candidate, data/dataset and data/arrays; writes reports/evaluate and, the headline of it,
reports/evaluate.json.

Scores the candidate on the validation and the test split, with confidence intervals and calibration. Nothing is
chosen here; by scores of the test split nothing is chosen but promotion. The work is done by
stages/segmentation/evaluation.py or stages/classification/evaluation.py, whichever the label config asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

from stages import compatibility, learning_task, params
from stages.run import run
from storage.artifacts import checkpoint, dataset, reports
from storage.label_studio import label_config
from storage.paths import CANDIDATE
from storage.printable import say

SPLITS = ("validation", "test")


def main() -> None:
    """Candidate to scores."""
    settings, index = params.load(), dataset.read_index()
    task, model = learning_task.of(label_config.load()), checkpoint.read(CANDIDATE)
    why = compatibility.incompatibility(model, index.channels, index.labels, index.sampling_rate)
    compatibility.check(why, CANDIDATE, "dataset")
    trained_on = model.training.get("learnt_from", ["train"])
    scored = [name for name in SPLITS if name not in trained_on and index.of(name)]
    found = task.evaluate(model, index, scored, settings)
    reports.write_evaluation(found)
    for line in lines(found, scored, trained_on):
        say(line)


def lines(found: reports.Evaluation, scored: Sequence[str], trained_on: Sequence[str]) -> list[str]:
    """The scores of each split in words; then the splits, and the series, that have none."""
    text = [f"{name}: {line}" for name, line in found.lines.items()]
    for name in SPLITS:
        if name in trained_on:
            text.append(f"{name}: no scores, for the model was trained on it")
        elif name not in scored:
            text.append(f"warning: no {name} split: no scores for it")
        elif name in found.warnings:
            text.append(found.warnings[name])
    return text


if __name__ == "__main__":
    run(main)
