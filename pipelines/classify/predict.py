"""`labeltrail classify predict`: the series of a CSV file, without Label Studio, git and DVC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.classify.checks import check_output, check_probabilities
from pipelines.classify.model_dir import TRAIN, load_model, task_of
from storage.errors import InputError
from storage.series import series_table


@dataclass(frozen=True)
class PredictionResult:
    """Predictions that were written.

    Attributes:
        counts: how many series were predicted to have each label.
        accuracy: share of series with all labels correct; None where the file has no y columns.
        notes: how a file of another format was read.
    """

    output: Path
    counts: Mapping[str, int]
    series: int
    accuracy: float | None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "output": str(self.output),
            "labels": dict(self.counts),
            "series": self.series,
            "accuracy": self.accuracy,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        text = [f"note: {note}" for note in self.notes]
        text.append(f"{self.series} series: {series_table.counts_text(self.counts)}")
        if self.accuracy is not None:
            text.append(f"accuracy by the y columns of the file: {self.accuracy:.4f}")
        return [*text, f"predictions are in {self.output}"]


def predict(folder: Path, path: Path, output: Path) -> PredictionResult:
    """Predict the series of a CSV file; with y columns in it, compute the accuracy.

    Raises:
        InputError: the file, the model or the output path is invalid; nothing is written.
        NotFoundError: there is no model.
    """
    check_output(output, path, folder)
    model = load_model(folder)
    spec = model.spec
    if not spec.columns:
        why, cure = "it was trained on recordings, not on a table", TRAIN
        raise InputError(f"{folder} does not predict CSV tables", where=str(folder), why=why, cure=cure)
    table = series_table.read(
        path, task=task_of(spec), labels=spec.labels, columns=spec.columns, labeled=False
    )
    probabilities = model.probabilities(table.values[:, None])
    check_probabilities(probabilities, path, table.line)
    predicted = model.decide(probabilities)
    series_table.write_predictions(output, spec.labels, predicted, probabilities)
    counts = dict(zip(spec.labels, predicted.sum(0).tolist(), strict=True))
    targets = table.targets
    accuracy = None if targets is None else float((predicted == targets).all(1).mean())
    return PredictionResult(output, counts, len(predicted), accuracy, table.notes)
