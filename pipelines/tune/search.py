"""Hyperparameter search for the classifier of whole series: trials, each scored on held-out series.

The series are those of a CSV file or of the current project. Trials are scored on a validation split or by
cross-validation, never on a test split. They are stored in a study (storage/project_files/study.py), so that an
interrupted tuning resumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.classify import train
from pipelines.classify.model_dir import check_model_folder
from pipelines.classify.overrides import CHECKOUT, check_params_file
from pipelines.tune import trial_plot
from pipelines.tune.data import TuningData, of_table
from pipelines.tune.objective import Space, run_trial, sample, space_of
from pipelines.tune.project_data import of_project
from pipelines.tune.result import SECTION, TuningResult, flags_of, plot_of
from stages import params
from stages.classification.plan import Plan
from stages.training import devices
from storage.errors import InputError
from storage.files import write_bytes
from storage.progress import bar
from storage.project_files import params_file
from storage.project_files import study as studies
from storage.project_files.study import Study, Trial
from storage.series.series_table import Task


def tune(
    path: Path | None = None,
    *,
    valid: Path | None = None,
    task: Task | None = None,
    trials: int | None = None,
    study: Path | None = None,
    write: Path | None = None,
    model: Path | None = None,
) -> TuningResult:
    """Search for the best params within the ranges of `tuning`.

    Args:
        path: CSV to train on; None: the project's train split.
        valid: CSV to validate on; None: cross-validation. A project has its own validation split.
        task: None: inferred from the y columns.
        trials: total, those of earlier runs included; None: as in params.yaml.
        study: its file; None: `study.json` beside the model, else in the current folder; of a project one in
            data/tuning that is named by its data.
        write: params.yaml to write the best params to.
        model: folder for a model that is trained with them; a project's is trained by `dvc repro`.

    Raises:
        InputError: data, a path or a param is invalid, the study is of other data, or no trial was completed.
    """
    check(path, {"--model": model, "--valid": valid, "--task": task}, study, write, model)
    settings = params.load(params.PATH if params.PATH.exists() else CHECKOUT)
    devices.prepare(settings.train.device)
    data = of_table(path, valid, settings, task) if path else of_project(settings)
    space = space_of(settings.tuning.ranges)
    shared = about(data, settings, space)
    place = study or (default_study(model) if path else studies.path_of(shared))
    before = studies.read(place, shared)
    after = search(before, place, data, settings, trials or settings.tuning.trials)
    best = best_of(after, place)
    chosen = {name: best.params[name] for name in space}
    if "steps" in space:
        chosen["epochs"] = None
    if write:
        params_file.put(write, SECTION, chosen)
    trained_model = None
    if path and model:
        trained_model = train.train(path, model, valid=valid, task=task, overrides=flags_of(chosen))
    plot(after, place)
    return TuningResult(data, after, len(before.trials), best, chosen, place, write, trained_model)


def check(
    path: Path | None,
    tables: Mapping[str, object],
    study: Path | None,
    write: Path | None,
    model: Path | None,
) -> None:
    """InputError, before hours of training, where an output path is invalid; `tables`: options that need a table."""
    option = next((name for name, given in tables.items() if given), "")
    if not path and option:
        raise InputError(
            f"{option} needs a table of series, and none was given",
            why="without TRAIN.csv a project is tuned: its validation split is in data/splits.csv, its task in the "
            "label config, its model is made by dvc repro",
            cure=f"labeltrail classify tune {'--write params.yaml; dvc repro' if model else 'TRAIN.csv'}",
        )
    if write:
        check_params_file(write)
    folder = check_model_folder(model) if model else None
    place = study or default_study(model)
    if place.suffix != ".json" or place.is_dir() or (folder and place.resolve().is_relative_to(folder)):
        why = "it is in the model's folder" if place.suffix == ".json" else "it is no .json file"
        raise InputError(
            "the study cannot be written there",
            where=str(place),
            why="it is a folder" if place.is_dir() else why,
            cure="--study study.json",
        )


def default_study(model: Path | None) -> Path:
    """The default study of a table."""
    return (model.parent if model else Path()) / "study.json"


def about(data: TuningData, settings: params.Params, space: Space) -> dict[str, Any]:
    """Header of a study: data, ranges, and params that are not tuned."""
    fixed = base_plan(settings)
    return {
        **data.data,
        "ranges": {name: list(values) for name, values in settings.tuning.ranges.given().items()},
        "params": {name: value for name, value in fixed.items() if name not in space},
    }


def base_plan(settings: params.Params) -> dict[str, Any]:
    """The params of a trial before sampling, with the steps of a trial."""
    plan, ranges = settings.train.classifier_plan(), settings.tuning.ranges
    if ranges.steps or (settings.tuning.steps and not ranges.epochs):
        plan |= {"epochs": None, "steps": settings.tuning.steps}
    return plan


def search(study: Study, place: Path, data: TuningData, settings: params.Params, trials: int) -> Study:
    """Add trials to a study until it has so many; it is written after each."""
    space, current = space_of(settings.tuning.ranges), settings.train.classifier_plan()
    with bar("tuning", trials) as advance:
        advance(len(study.trials))
        for number in range(len(study.trials) + 1, trials + 1):
            trial, sampled = sample(space, study.trials, current, settings.train.seed)
            plan = Plan(**(base_plan(settings) | sampled))
            study = replace(study, trials=(*study.trials, run_trial(trial, number, plan, data)))
            studies.write(study, place)
            plot(study, place)
            best = study.best
            advance(description=f"tuning, best loss {best.loss:.3f}" if best else "tuning")
    return study


def plot(study: Study, place: Path) -> None:
    """Plot a study beside it."""
    marks = [
        trial_plot.Mark(trial.number, trial.state, trial.end, f"trial {trial.number}: {_describe(trial)}")
        for trial in study.trials
    ]
    write_bytes(plot_of(place), trial_plot.draw(marks).encode())


def _describe(trial: Trial) -> str:
    if trial.state == "failed":
        return trial.why
    return trial.state if trial.end is None else f"{trial.state}, loss {trial.end:.4f}"


def best_of(study: Study, place: Path) -> Trial:
    """The best trial; InputError where none is complete."""
    if study.best is None:
        why = next((trial.why for trial in study.trials if trial.why), "all were pruned")
        raise InputError(
            f"none of {len(study.trials)} trials was completed",
            where=str(place),
            why=why,
            cure="other ranges in params.yaml (tuning.ranges), and --study with a new file",
        )
    return study.best
