"""Better params for a classifier of whole series: trials, each judged on series that it has not learnt from.

The series are those of a CSV file, or of the project that the command runs in. What is judged by is a validation set,
or else each part of the train set in turn; a test set is never asked for. What was tried rests in a study
(storage/project_files/study.py), which a tuning that was cut off goes on with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.classify import train
from pipelines.classify.model_dir import room
from pipelines.classify.overrides import CHECKOUT, to_be_written
from pipelines.tune import trial_plot
from pipelines.tune.data import Material, of_table
from pipelines.tune.objective import Space, attempt, draw, space_of
from pipelines.tune.project_data import of_project
from pipelines.tune.result import SECTION, Tuned, flags_of, plot_of
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
) -> Tuned:
    """Try params within the ranges of `tuning`, and say which were best.

    Args:
        path: CSV to learn from; None: the project's train set.
        valid: CSV to judge by; None: each part of the first in turn. A project has its own validation set.
        task: what the y columns of the CSV ask; None: as they have it.
        trials: how many there are in the end, those of an earlier run included; None: as params say.
        study: file that holds the trials; None: `study.json` beside the model, else in the current folder; of a
            project one in data/tuning that is named by its data.
        write: params.yaml that gets the best params.
        model: folder for a model that is trained by them; a project's is made by `dvc repro`.

    Raises:
        InputError: the data, a place or a param will not do, the study is another one's, or no trial came to its end.
    """
    check(path, {"--model": model, "--valid": valid, "--task": task}, study, write, model)
    settings = params.load(params.PATH if params.PATH.exists() else CHECKOUT)
    devices.prepare(settings.train.device)
    material = of_table(path, valid, settings, task) if path else of_project(settings)
    space = space_of(settings.tuning.ranges)
    shared = about(material, settings, space)
    place = study or (beside(model) if path else studies.place_of(shared))
    before = studies.read(place, shared)
    after = search(before, place, material, settings, trials or settings.tuning.trials)
    best = best_of(after, place)
    chosen = {name: best.params[name] for name in space}
    if "steps" in space:
        chosen["epochs"] = None
    if write:
        params_file.put(write, SECTION, chosen)
    trained = None
    if path and model:
        trained = train.train(path, model, valid=valid, task=task, overrides=flags_of(chosen))
    plot(after, place)
    return Tuned(material, after, len(before.trials), best, chosen, place, write, trained)


def check(
    path: Path | None,
    tables: Mapping[str, object],
    study: Path | None,
    write: Path | None,
    model: Path | None,
) -> None:
    """Everything that is to be written can be, before hours are spent; `tables` are options that want a table.

    Raises:
        InputError: it cannot.
    """
    alone = next((name for name, given in tables.items() if given), "")
    if not path and alone:
        raise InputError(
            f"{alone} belongs to a table of series, and none was named",
            why="without TRAIN.csv a project is tuned: its validation set is in data/sets.csv, its task in the label "
            "config, its model is made by dvc repro",
            cure=f"labeltrail classify tune {'--write params.yaml; dvc repro' if model else 'TRAIN.csv'}",
        )
    if write:
        to_be_written(write)
    folder = room(model) if model else None
    place = study or beside(model)
    if place.suffix != ".json" or place.is_dir() or (folder and place.resolve().is_relative_to(folder)):
        why = "it lies in the model's folder" if place.suffix == ".json" else "it is no .json file"
        raise InputError(
            "the study cannot be put there",
            where=str(place),
            why="it is a folder" if place.is_dir() else why,
            cure="--study study.json",
        )


def beside(model: Path | None) -> Path:
    """Where the study of a table rests when nobody says."""
    return (model.parent if model else Path()) / "study.json"


def about(material: Material, settings: params.Params, space: Space) -> dict[str, Any]:
    """What all trials have in common: data, ranges, and params that are not tuned."""
    fixed = base_plan(settings)
    return {
        **material.data,
        "ranges": {name: list(values) for name, values in settings.tuning.ranges.given().items()},
        "params": {name: value for name, value in fixed.items() if name not in space},
    }


def base_plan(settings: params.Params) -> dict[str, Any]:
    """The params of a trial before any are drawn: those that are set, with the steps of a trial."""
    plan, ranges = settings.train.classifier_plan(), settings.tuning.ranges
    if ranges.steps or (settings.tuning.steps and not ranges.epochs):
        plan |= {"epochs": None, "steps": settings.tuning.steps}
    return plan


def search(study: Study, place: Path, material: Material, settings: params.Params, trials: int) -> Study:
    """Go on with a study until it has so many trials; it is written after each of them."""
    space, usual = space_of(settings.tuning.ranges), settings.train.classifier_plan()
    with bar("tuning", trials) as advance:
        advance(len(study.trials))
        for number in range(len(study.trials) + 1, trials + 1):
            trial, drawn = draw(space, study.trials, usual, settings.train.seed)
            plan = Plan(**(base_plan(settings) | drawn))
            study = replace(study, trials=(*study.trials, attempt(trial, number, plan, material)))
            studies.write(study, place)
            plot(study, place)
            best = study.best
            advance(description=f"tuning, best loss {best.loss:.3f}" if best else "tuning")
    return study


def plot(study: Study, place: Path) -> None:
    """Draw a study beside it."""
    marks = [
        trial_plot.Mark(trial.number, trial.state, trial.end, f"trial {trial.number}: {_words(trial)}")
        for trial in study.trials
    ]
    write_bytes(plot_of(place), trial_plot.draw(marks).encode())


def _words(trial: Trial) -> str:
    if trial.state == "failed":
        return trial.why
    return trial.state if trial.end is None else f"{trial.state}, loss {trial.end:.4f}"


def best_of(study: Study, place: Path) -> Trial:
    """The best trial.

    Raises:
        InputError: none came to its end.
    """
    if study.best is None:
        why = next((trial.why for trial in study.trials if trial.why), "none was tried to its end")
        raise InputError(
            f"none of {len(study.trials)} trials came to its end",
            where=str(place),
            why=why,
            cure="other ranges in params.yaml (tuning.ranges), and --study with a new file",
        )
    return study.best
