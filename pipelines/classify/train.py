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
        taught: the fit.
        plan: the params.
        notes: how files in other forms were read.
    """

    folder: Path
    model: str
    table: SeriesTable
    taught: FitResult
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
            "kept": self.taught.kept,
            "scores": scores(self.taught.result),
            "epochs": [{"epoch": epoch.number, **scores(epoch)} for epoch in self.taught.history],
            "params": dict(self.plan),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """For people: training data and scores."""
        rows, columns = self.table.values.shape
        kept = (
            f"those of epoch {self.taught.result.number}"
            if self.taught.kept == "epoch"
            else "an average of the last"
        )
        return [
            *(f"note: {note}" for note in self.notes),
            *(f"warning: {warning}" for warning in self.warnings),
            f"{self.table.task}: {rows} series of {columns} timepoints; {counts_text(self.table.counts())}",
            *(f"epoch {epoch.number}: {_describe(epoch)}" for epoch in _some(self.taught.history)),
            f"the weights are {kept}: {_describe(self.taught.result)}",
            f"model {self.model[:8]} is in {self.folder}",
        ]


def _some(history: Sequence[Epoch]) -> list[Epoch]:
    """Epochs from the first to the last, evenly; all of them are in `--json`."""
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
    known = earlier.spec if earlier else None
    settings = choose(overrides, earlier)
    table = series_table.read(
        path,
        task=task or (task_of(known) if known else None),
        labels=known.labels if known else None,
        columns=known.columns or None if known else None,
    )
    series_table.check_several_classes(table, str(path))
    unseen = None
    warnings: tuple[str, ...] = ()
    notes = table.notes
    if valid:
        unseen = series_table.read(valid, task=table.task, labels=table.labels, columns=table.columns)
        warnings = repeated(table, unseen, path, valid)
        notes += tuple(f"{valid}: {note}" for note in unseen.notes if note not in notes)
    taught = teach(table, unseen, settings, earlier)
    if valid:
        check_validation_loss(taught, valid)
    about = tell(taught, valid, start)
    model = taught.model.to_checkpoint(about)
    checkpoint.write(model, origin(model, path, settings, start), place)
    return TrainingResult(folder, model.hash(), table, taught, settings.classifier_plan(), warnings, notes)


def repeated(table: SeriesTable, unseen: SeriesTable, path: Path, valid: Path) -> tuple[str, ...]:
    """A warning where series of the validation split are in the train split too, whatever their labels."""
    # + 0: a 0 that is negative has other bytes. By hash, so that a big table is not held twice.
    trained_on = {md5_bytes((row + 0).tobytes()) for row in table.values}
    count = sum(md5_bytes((row + 0).tobytes()) in trained_on for row in unseen.values)
    if not count:
        return ()
    what = f"{count} of the {len(unseen.values)} series of {valid} are in {path} too"
    return (f"{what}: the model is trained on them, so the validation scores are too good",)


def teach(
    table: SeriesTable, valid: SeriesTable | None, settings: params.Train, earlier: Classifier | None
) -> FitResult:
    """Train under a progress bar."""
    if table.task is None:
        raise ValueError("a table without y columns cannot be trained on")
    plan = Plan(**settings.classifier_plan())
    spec = TaskSpec(table.task, table.labels, (CHANNEL,), table.columns)
    known = labeled(table)
    with bar("training", epochs_of(plan, known)) as advance:

        def on_epoch(epoch: Epoch) -> None:
            advance(description=f"training, loss {epoch.loss:.3f}")

        return fit_classifier(known, labeled(valid) if valid else None, spec, plan, earlier, on_epoch)


def labeled(table: SeriesTable) -> Labeled:
    """A table as input of the network: one channel."""
    if table.targets is None:
        raise ValueError("a table without y columns has no targets")
    return Labeled(table.values[:, None], table.targets)


def tell(taught: FitResult, valid: Path | None, start: Path | None) -> dict[str, Any]:
    """`training` of model.json."""
    result = taught.result
    held = {"loss": result.validation_loss, "accuracy": result.validation_accuracy}
    return {
        **taught.record(),
        "from": checkpoint.model_hash(start) if start else "",
        "validation": {**held, "dataset": md5(valid)} if valid else None,
    }


def origin(
    model: checkpoint.Checkpoint, path: Path, settings: params.Train, start: Path | None
) -> Provenance:
    """Provenance: hash of the file, the params, and the model that training continued from."""
    values = settings.model_dump(include={"classifier", *BESIDE})
    return Provenance(
        model=model.hash(),
        labels="",
        series="",
        label_config="",
        dataset=md5(path),
        params={"train": values},
        annotations={},
        start=checkpoint.model_hash(start) if start else "",
    )
