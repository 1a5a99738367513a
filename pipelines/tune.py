"""Better params for a classifier of series in a CSV file: trials, each judged on series that it has not learnt from.

Those are a validation set, or else each part of the train set in turn; a test set is never asked for. What was tried
rests in a study (storage/study.py), which a tuning that was cut off goes on with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import classify
from pipelines.model_folder import room
from pipelines.overriding import CHECKOUT
from pipelines.trials import Part, Space, attempt, draw, folds, space_of
from pipelines.tuned import SECTION, Tuned, flags_of, plot_of
from stages import params
from stages.model import devices
from stages.model.classifier import Question
from stages.model.classifier_plan import Plan
from stages.model.judging import Labeled
from stages.timeseries import trial_plot
from storage import params_edit, series_table
from storage import study as studies
from storage.errors import InputError
from storage.files import md5, write_bytes
from storage.progress import bar
from storage.series_table import SeriesTable
from storage.study import Study, Trial


def tune(
    path: Path,
    *,
    valid: Path | None = None,
    trials: int | None = None,
    study: Path | None = None,
    write: Path | None = None,
    model: Path | None = None,
) -> Tuned:
    """Try params within the ranges of `tuning`, and say which were best.

    Args:
        path: CSV to learn from.
        valid: CSV to judge by; None: each part of the first in turn.
        trials: how many there are in the end, those of an earlier run included; None: as params say.
        study: file that holds the trials; None: `study.json` beside the model, else in the current folder.
        write: params.yaml that gets the best params.
        model: folder for a model that is trained by them.

    Raises:
        InputError: a file, a place or a param will not do, the study is another one's, or no trial came to its end.
    """
    place = where(study, write, model)
    settings = params.load(params.PATH if params.PATH.exists() else CHECKOUT)
    devices.ready(settings.train.device)
    table = series_table.read(path)
    series_table.refuse_one_class(table, str(path))
    parts, judged = parts_of(table, path, valid, settings)
    space = space_of(settings.tuning.ranges)
    before = studies.read(place, about(path, valid, settings, space, len(parts)))
    after = search(before, place, table, parts, settings, trials or settings.tuning.trials)
    best = best_of(after, place)
    chosen = {name: best.params[name] for name in space}
    if "steps" in space:
        chosen["epochs"] = None
    if write:
        params_edit.put(write, SECTION, chosen)
    trained = classify.train(path, model, valid=valid, overrides=flags_of(chosen)) if model else None
    plot(after, place)
    return Tuned(table, judged, after, len(before.trials), best, chosen, place, write, trained)


def where(study: Path | None, write: Path | None, model: Path | None) -> Path:
    """Where the study rests; everything that is to be written can be, before hours are spent.

    Raises:
        InputError: it cannot.
    """
    if write:
        params.load(write)
    folder = room(model) if model else None
    place = study or (model.parent if model else Path()) / "study.json"
    if place.suffix != ".json" or place.is_dir() or (folder and place.resolve().is_relative_to(folder)):
        why = "it lies in the model's folder" if place.suffix == ".json" else "it is no .json file"
        raise InputError(
            "the study cannot be put there",
            where=str(place),
            why="it is a folder" if place.is_dir() else why,
            cure="--study study.json",
        )
    return place


def about(
    path: Path, valid: Path | None, settings: params.Params, space: Space, parts: int
) -> dict[str, Any]:
    """What all trials have in common: data, ranges, and params that are not tuned."""
    fixed = base_plan(settings)
    return {
        "train": md5(path),
        "valid": md5(valid) if valid else "",
        "folds": 0 if valid else parts,
        "ranges": {name: list(values) for name, values in settings.tuning.ranges.given().items()},
        "params": {name: value for name, value in fixed.items() if name not in space},
    }


def base_plan(settings: params.Params) -> dict[str, Any]:
    """The params of a trial before any are drawn: those that are set, with the steps of a trial."""
    plan, ranges = settings.train.classifier_plan(), settings.tuning.ranges
    if ranges.steps or (settings.tuning.steps and not ranges.epochs):
        plan |= {"epochs": None, "steps": settings.tuning.steps}
    return plan


def parts_of(
    table: SeriesTable, path: Path, valid: Path | None, settings: params.Params
) -> tuple[list[Part], str]:
    """Series to learn from and series to judge by, once or for each fold; and how that is called.

    Raises:
        InputError: the validation set does not fit, or a class has too few series for folds.
    """
    known = classify.labeled(table)
    if valid:
        held = series_table.read(valid, task=table.task, labels=table.labels, columns=table.columns)
        return [(known, classify.labeled(held))], f"the {len(held.values)} series of {valid}"
    kinds, counts = np.unique(known.targets, axis=0, return_counts=True)
    rarest = int(counts.min()) if table.task != "multilabel" else len(known.values) // 2
    count = min(settings.tuning.folds, rarest)
    if count < 2:
        held_by = kinds[counts.argmin()]
        name = next((label for label, has in zip(table.labels, held_by, strict=True) if has), table.labels[0])
        raise InputError(
            f"{path} has too few series to be judged by themselves",
            where=str(path),
            why=f"a class ({name}) has one series, which cannot be learnt from and judged by",
            cure="--valid with a file to judge by, or more series of that class",
        )
    found = []
    for rows in folds(known.targets, count, settings.train.seed):
        rest = np.setdiff1d(np.arange(len(known.values)), rows)
        found.append(tuple(Labeled(known.values[part], known.targets[part]) for part in (rest, rows)))
    fewer = f" (the rarest class has {rarest} series)" if count < settings.tuning.folds else ""
    return [(a, b) for a, b in found], f"{count} folds{fewer}"


def search(
    study: Study, place: Path, table: SeriesTable, parts: Sequence[Part], settings: params.Params, trials: int
) -> Study:
    """Go on with a study until it has so many trials; it is written after each of them."""
    if table.task is None:
        raise ValueError("a table without y columns teaches nothing")
    question = Question(table.task, table.labels, (classify.CHANNEL,), table.columns)
    ranges, seed = settings.tuning.ranges, settings.train.seed
    space, usual = space_of(ranges), settings.train.classifier_plan()
    with bar("tuning", trials) as advance:
        advance(len(study.trials))
        for number in range(len(study.trials) + 1, trials + 1):
            trial, drawn = draw(space, study.trials, usual, seed)
            plan = Plan(**(base_plan(settings) | drawn))
            study = replace(study, trials=(*study.trials, attempt(trial, number, plan, parts, question)))
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
