"""The result of a tuning: a table of its trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.classify.train import TrainingResult
from pipelines.tune.data import TuningData
from pipelines.tune.trial_plot import COLOURS
from stages import params
from storage.printable import argument
from storage.project_files.study import Study, Trial, path_of

SECTION = ("train", "classifier")


@dataclass(frozen=True)
class TuningResult:
    """The result of a tuning.

    Attributes:
        study: the trials; `earlier` of them are from earlier runs.
        best, chosen: the trial of the lowest loss, and its tuned params.
        place: the file of the study; the plot is beside it.
        written: the file that the best params were written to.
        model: what was trained with them.
    """

    data: TuningData
    study: Study
    earlier: int
    best: Trial
    chosen: Mapping[str, Any]
    place: Path
    written: Path | None
    model: TrainingResult | None

    @property
    def flags(self) -> str:
        """The best params for the command line."""
        return " ".join(f"--param {flag}" for flag in flags_of(self.chosen))

    def next_command(self) -> str:
        """What to type next."""
        path = self.data.path
        if self.model:
            return f"labeltrail classify predict {argument(self.model.folder)} X.csv --output OUT.csv"
        if self.written and (path is None or (self.written.parent / "dvc.yaml").exists()):
            return "dvc repro"
        if path is None:
            study = "" if self.place == path_of(self.study.about) else f" --study {argument(self.place)}"
            trials = f"--trials {len(self.study.trials)}{study}"
            return f"labeltrail classify tune {trials} --write {params.PATH} && dvc repro"
        flags = "" if self.written else f" {self.flags}"
        task = f" --task {self.data.task}" if self.data.task else ""
        valid = f" --valid {argument(self.data.valid)}" if self.data.valid else ""
        return f"labeltrail classify train {argument(path)}{valid} --model FOLDER{task}{flags}"

    def to_json(self) -> dict[str, Any]:
        value = self.study.to_json()
        return {
            "about": value["about"],
            "trials": value["trials"],
            "ranking": [trial.number for trial in self.study.ranking],
            "best": {
                "trial": self.best.number,
                "loss": self.best.loss,
                "accuracy": self.best.accuracy,
                "params": dict(self.chosen),
            },
            "study": str(self.place),
            "plot": str(plot_of(self.place)),
            "written": str(self.written) if self.written else None,
            "model": self.model.to_json() if self.model else None,
        }

    def lines(self) -> list[str]:
        """For people: the trials, best first."""
        rows, _, columns = self.data.train.values.shape
        counts = Counter[str](trial.state for trial in self.study.trials)
        states = ", ".join(f"{counts[state]} {state}" for state in COLOURS)
        before = f"; {self.earlier} from earlier runs" if self.earlier else ""
        failed = Counter(trial.why for trial in self.study.trials if trial.why)
        written = f"params of trial {self.best.number} are in {self.written}: {'.'.join(SECTION)}"
        return [
            f"{self.data.spec.task}: {rows} series of {columns} timepoints; validated on {self.data.validated_on}",
            *self.data.notes,
            f"{len(self.study.trials)} trials: {states}{before}",
            *table_of(self.study.ranking, list(self.chosen)),
            *(f"failed, {count} times: {why}" for why, count in sorted(failed.items())),
            written if self.written else f"the best params: {self.flags}",
            f"the study is {self.place}, plotted in {plot_of(self.place)}",
            *(self.model.lines()[-2:] if self.model else ()),
        ]


def table_of(trials: Sequence[Trial], names: Sequence[str]) -> list[str]:
    """A table with a line for each trial; params that are the same in all are left out."""
    differ = [name for name in names if len({trial.params[name] for trial in trials}) > 1]
    cells = [["trial", "state", "loss", "accuracy", *differ]]
    for trial in trials:
        scores = ["" if score is None else f"{score:.4f}" for score in (trial.loss, trial.accuracy)]
        values = [yaml_text(trial.params[name]) for name in differ]
        cells.append([str(trial.number), trial.state, *scores, *values])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = ((cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return ["  ".join(row).rstrip() for row in padded]


def yaml_text(value: Any) -> str:
    """A param as in YAML and `--param`."""
    return "null" if value is None else str(value).lower()


def flags_of(chosen: Mapping[str, Any]) -> list[str]:
    """Params as NAME=VALUE."""
    return [f"{name.replace('_', '-')}={yaml_text(value)}" for name, value in chosen.items()]


def plot_of(study: Path) -> Path:
    """The plot of a study."""
    return study.with_suffix(".svg")
