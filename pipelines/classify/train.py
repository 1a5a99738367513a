"""Whole series from CSV files, without Label Studio, git and DVC: train a model on one, let it answer for another.

The network, its params and the files of a model are those of the stages; the CSV is read by
storage/series/series_table.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.classify.model_dir import TRAIN, room, wake
from pipelines.classify.overrides import BESIDE, choose
from pipelines.classify.refusals import refuse_no_answers, refuse_no_loss, refuse_output
from stages import params
from stages.classification.model import Classifier, TaskSpec
from stages.classification.plan import Plan, epochs_of
from stages.classification.targets import Labeled
from stages.classification.training import Epoch, FitResult, fit_classifier
from storage.artifacts import checkpoint
from storage.artifacts.provenance import Provenance
from storage.errors import InputError
from storage.files import md5, md5_bytes
from storage.progress import bar
from storage.series import series_table
from storage.series.series_table import SeriesTable, Task

# The one channel of a series that is a row of a table.
CHANNEL = "x"
# Epochs that are told in the answer.
SHOWN = 8


@dataclass(frozen=True)
class Trained:
    """A model that was put into a folder.

    Attributes:
        folder: where.
        model: its hash.
        table: what it learnt from.
        taught: how that went.
        plan: the params.
        warnings: what else a person should know.
        notes: how files were read that are not of the one form.
    """

    folder: Path
    model: str
    table: SeriesTable
    taught: FitResult
    plan: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For programs."""
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
        """For people: what it learnt from, and what came of it."""
        rows, columns = self.table.values.shape
        kept = (
            f"those of epoch {self.taught.result.number}"
            if self.taught.kept == "epoch"
            else "an average of the last"
        )
        return [
            *(f"note: {note}" for note in self.notes),
            *(f"warning: {warning}" for warning in self.warnings),
            f"{self.table.task}: {rows} series of {columns} timepoints; {_counts(self.table.counts())}",
            *(f"epoch {epoch.number}: {_in_words(epoch)}" for epoch in _some(self.taught.history)),
            f"the weights are {kept}: {_in_words(self.taught.result)}",
            f"model {self.model[:8]} is in {self.folder}",
        ]


@dataclass(frozen=True)
class Predicted:
    """Answers that were written.

    Attributes:
        output: where.
        counts: how many series have each label, as the model has it.
        series: how many there are.
        accuracy: share of series of which all is right, where the file has y columns.
        notes: how the file was read where it is not of the one form.
    """

    output: Path
    counts: Mapping[str, int]
    series: int
    accuracy: float | None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "output": str(self.output),
            "labels": dict(self.counts),
            "series": self.series,
            "accuracy": self.accuracy,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """For people."""
        right = (
            [] if self.accuracy is None else [f"accuracy by the y columns of the file: {self.accuracy:.4f}"]
        )
        notes = [f"note: {note}" for note in self.notes]
        return [
            *notes,
            f"{self.series} series: {_counts(self.counts)}",
            *right,
            f"answers are in {self.output}",
        ]


def _some(history: Sequence[Epoch]) -> list[Epoch]:
    """Epochs from the first to the last, evenly; all of them are in `--json`."""
    places = np.linspace(0, len(history) - 1, min(len(history), SHOWN)).round().astype(int)
    return [history[place] for place in places]


def _in_words(epoch: Epoch) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in scores(epoch).items())


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def scores(epoch: Epoch) -> dict[str, float]:
    """Loss and accuracy by name; those of the validation set where there is one."""
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
) -> Trained:
    """Train a model on the series of a CSV file, and put it into a folder.

    Args:
        path: with y and x columns.
        folder: for the model; one that is there is replaced.
        valid: series that are only looked at, to say how well it goes and which weights are kept.
        start: folder of a model to go on from.
        task: what the y columns ask; None: as they have it.
        overrides: params as NAME=VALUE.

    Raises:
        InputError: a file, a param or the folder will not do; nothing is written.
        NotFoundError: there is no model to go on from.
    """
    place = room(folder)
    earlier = wake(start) if start else None
    known = earlier.question if earlier else None
    settings = choose(overrides, earlier)
    table = series_table.read(
        path,
        task=task or (_asked(known) if known else None),
        labels=known.labels if known else None,
        columns=known.columns or None if known else None,
    )
    series_table.refuse_one_class(table, str(path))
    unseen = None
    warnings: tuple[str, ...] = ()
    notes = table.notes
    if valid:
        unseen = series_table.read(valid, task=table.task, labels=table.labels, columns=table.columns)
        warnings = repeated(table, unseen, path, valid)
        notes += tuple(f"{valid}: {note}" for note in unseen.notes if note not in notes)
    taught = teach(table, unseen, settings, earlier)
    if valid:
        refuse_no_loss(taught, valid)
    about = tell(taught, valid, start)
    model = taught.model.to_checkpoint(about)
    checkpoint.write(model, origin(model, path, settings, start), place)
    return Trained(folder, model.hash(), table, taught, settings.classifier_plan(), warnings, notes)


def repeated(table: SeriesTable, unseen: SeriesTable, path: Path, valid: Path) -> tuple[str, ...]:
    """A warning where series that are to be judged by are learnt from too, whatever they are labeled."""
    # + 0: a 0 that is negative has other bytes. By hash, so that a big table is not held twice.
    learnt = {md5_bytes((row + 0).tobytes()) for row in table.values}
    count = sum(md5_bytes((row + 0).tobytes()) in learnt for row in unseen.values)
    if not count:
        return ()
    what = f"{count} of the {len(unseen.values)} series of {valid} are in {path} too"
    return (f"{what}: they are learnt from, so the validation figures are too good",)


def teach(
    table: SeriesTable, valid: SeriesTable | None, settings: params.Train, earlier: Classifier | None
) -> FitResult:
    """Train under a progress bar."""
    if table.task is None:
        raise ValueError("a table without y columns teaches nothing")
    plan = Plan(**settings.classifier_plan())
    question = TaskSpec(table.task, table.labels, (CHANNEL,), table.columns)
    known = labeled(table)
    with bar("training", epochs_of(plan, known)) as advance:

        def on_epoch(epoch: Epoch) -> None:
            advance(description=f"training, loss {epoch.loss:.3f}")

        return fit_classifier(known, labeled(valid) if valid else None, question, plan, earlier, on_epoch)


def labeled(table: SeriesTable) -> Labeled:
    """A table as the network takes it: one channel."""
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
    """Where the model comes from: the file, by its bytes, the params, and the model it began with."""
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


def predict(folder: Path, path: Path, output: Path) -> Predicted:
    """Let a model answer for the series of a CSV file; y columns in it are compared with what is said.

    Raises:
        InputError: the file, the model or the place for the answers will not do; nothing is written.
        NotFoundError: there is no model.
    """
    refuse_output(output, path, folder)
    model = wake(folder)
    asked = model.question
    if not asked.columns:
        why, cure = "it has learnt from recordings, not from a table", TRAIN
        raise InputError(f"{folder} does not take CSV tables", where=str(folder), why=why, cure=cure)
    table = series_table.read(
        path, task=_asked(asked), labels=asked.labels, columns=asked.columns, answered=False
    )
    chances = model.probabilities(table.values[:, None])
    refuse_no_answers(chances, path, table.line)
    said = model.decide(chances)
    series_table.write_predictions(output, asked.labels, said, chances)
    counts = dict(zip(asked.labels, said.sum(0).tolist(), strict=True))
    return Predicted(output, counts, len(said), _accuracy(said, table.targets), table.notes)


def _accuracy(said: NDArray[np.bool_], targets: NDArray[np.bool_] | None) -> float | None:
    return None if targets is None else float((said == targets).all(1).mean())


def _asked(question: TaskSpec) -> Task | None:
    return None if question.task == "segmentation" else question.task
