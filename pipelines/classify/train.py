"""`labeltrail classify train`: whole series from CSV files, without Label Studio, git and DVC.

Network, params and model files are those of the stages; storage/series/series_table.py reads the CSV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.classify.checks import check_validation_loss
from pipelines.classify.model_dir import check_model_folder, load_model, task_of
from pipelines.classify.overrides import BESIDE, choose
from stages import params
from stages.classification.model import Classifier, TaskSpec
from stages.classification.plan import Plan, epochs_of
from stages.classification.targets import Labeled
from stages.classification.training import Epoch, FitResult, fit_classifier
from storage.artifacts import checkpoint
from storage.artifacts.provenance import Provenance
from storage.files import md5, md5_bytes
from storage.progress import bar
from storage.series import series_table
from storage.series.series_table import SeriesTable, Task, counts_text

# The one channel of a series that is a row of a table.
CHANNEL = "x"
# Epochs that are printed.
SHOWN = 8


@dataclass(frozen=True)
class TrainingResult:
    """A model that was written to a folder.

    Attributes:
        model: its hash.
        table: the training data.
        fit: the fitted model and its scores.
        plan: the params.
        notes: how files of other formats were read.
    """

    folder: Path
    model: str
    table: SeriesTable
    fit: FitResult
    plan: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "folder": str(self.folder),
            "task": self.table.task,
            "labels": self.table.counts(),
            "series": len(self.table.values),
            "timepoints": len(self.table.columns),
            "kept": self.fit.kept,
            "scores": scores(self.fit.result),
            "epochs": [{"epoch": epoch.number, **scores(epoch)} for epoch in self.fit.history],
            "params": dict(self.plan),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """For people: training data and scores."""
        rows, columns = self.table.values.shape
        epoch = f"those of epoch {self.fit.result.number}"
        kept = epoch if self.fit.kept == "epoch" else "an average of the last"
        return [
            *(f"note: {note}" for note in self.notes),
            *(f"warning: {warning}" for warning in self.warnings),
            f"{self.table.task}: {rows} series of {columns} timepoints; {counts_text(self.table.counts())}",
            *(f"epoch {epoch.number}: {_describe(epoch)}" for epoch in _some(self.fit.history)),
            f"the weights are {kept}: {_describe(self.fit.result)}",
            f"model {self.model[:8]} is in {self.folder}",
        ]


def _some(history: Sequence[Epoch]) -> list[Epoch]:
    """SHOWN epochs at equal distances, with the first and the last; `--json` has all."""
    places = np.linspace(0, len(history) - 1, min(len(history), SHOWN)).round().astype(int)
    return [history[place] for place in places]


def _describe(epoch: Epoch) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in scores(epoch).items())


def scores(epoch: Epoch) -> dict[str, float]:
    """Loss and accuracy by name; those of the validation split where there is one."""
    found = {"train_loss": epoch.loss, "train_accuracy": epoch.accuracy}
    if epoch.validation_loss is not None and epoch.validation_accuracy is not None:
        found |= {"validation_loss": epoch.validation_loss, "validation_accuracy": epoch.validation_accuracy}
    return found


def train(
    path: Path,
    folder: Path,
    *,
    valid: Path | None = None,
    start: Path | None = None,
    task: Task | None = None,
    overrides: Sequence[str] = (),
) -> TrainingResult:
    """Train a model on the series of a CSV file, and write it to a folder.

    Args:
        path: with y and x columns.
        folder: for the model; an existing one is replaced.
        valid: validation split, for scores and for choosing the weights.
        start: folder of a model to continue from.
        task: None: inferred from the y columns.
        overrides: params as NAME=VALUE.

    Raises:
        InputError: a file, a param or the folder is invalid; nothing is written.
        NotFoundError: there is no model to continue from.
    """
    place = check_model_folder(folder)
    earlier = load_model(start) if start else None
    spec = earlier.spec if earlier else None
    settings = choose(overrides, earlier)
    table = series_table.read(
        path,
        task=task or (task_of(spec) if spec else None),
        labels=spec.labels if spec else None,
        columns=spec.columns or None if spec else None,
    )
    series_table.check_several_classes(table, str(path))
    valid_table = None
    warnings: tuple[str, ...] = ()
    notes = table.notes
    if valid:
        valid_table = series_table.read(valid, task=table.task, labels=table.labels, columns=table.columns)
        warnings = repeated(table, valid_table, path, valid)
        notes += tuple(f"{valid}: {note}" for note in valid_table.notes if note not in notes)
    fit = _fit(table, valid_table, settings, earlier)
    if valid:
        check_validation_loss(fit, valid)
    model = fit.model.to_checkpoint(training_record(fit, valid, start))
    checkpoint.write(model, _provenance(model, path, settings, start), place)
    return TrainingResult(folder, model.hash(), table, fit, settings.classifier_plan(), warnings, notes)


def repeated(table: SeriesTable, valid_table: SeriesTable, path: Path, valid: Path) -> tuple[str, ...]:
    """A warning where series of the validation split are in the train split too, whatever their labels."""
    # + 0 turns -0 into 0, whose bytes differ. Hashes are compared, so that a large table is not copied.
    trained_on = {md5_bytes((row + 0).tobytes()) for row in table.values}
    count = sum(md5_bytes((row + 0).tobytes()) in trained_on for row in valid_table.values)
    if not count:
        return ()
    what = f"{count} of the {len(valid_table.values)} series of {valid} are in {path} too"
    return (f"{what}: the model is trained on them, so the validation scores are too good",)


def _fit(
    table: SeriesTable, valid: SeriesTable | None, settings: params.Train, earlier: Classifier | None
) -> FitResult:
    """Train with a progress bar."""
    plan, train = Plan(**settings.classifier_plan()), labeled(table)
    validation = labeled(valid) if valid else None
    with bar("training", epochs_of(plan, train)) as advance:

        def on_epoch(epoch: Epoch) -> None:
            advance(description=f"training, loss {epoch.loss:.3f}")

        return fit_classifier(train, validation, task_spec(table), plan, earlier, on_epoch)


def task_spec(table: SeriesTable) -> TaskSpec:
    """Task, labels, channel and columns of a table."""
    if table.task is None:
        raise ValueError("a table without y columns cannot be trained on")
    return TaskSpec(table.task, table.labels, (CHANNEL,), table.columns)


def labeled(table: SeriesTable) -> Labeled:
    """A table as input of the network: one channel."""
    if table.targets is None:
        raise ValueError("a table without y columns has no targets")
    return Labeled(table.values[:, None], table.targets)


def training_record(fit: FitResult, valid: Path | None, start: Path | None) -> dict[str, Any]:
    """`training` of model.json."""
    scores = {"loss": fit.result.validation_loss, "accuracy": fit.result.validation_accuracy}
    return {
        **fit.record(),
        "from": checkpoint.model_hash(start) if start else "",
        "validation": {**scores, "dataset": md5(valid)} if valid else None,
    }


def _provenance(
    model: checkpoint.Checkpoint, path: Path, settings: params.Train, start: Path | None
) -> Provenance:
    """Provenance: hash of the file, the params, and the model that training continued from."""
    return Provenance(
        model=model.hash(),
        labels="",
        series="",
        label_config="",
        dataset=md5(path),
        params={"train": settings.model_dump(include={"classifier", *BESIDE})},
        annotations={},
        start=checkpoint.model_hash(start) if start else "",
    )
