"""`labeltrail classify trial NUMBER`: reproduce one trial of a tuning: its params, or its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.classify import train as classify_train
from pipelines.classify.model_dir import check_model_folder
from pipelines.classify.overrides import BESIDE, CHECKOUT, check_params_file
from pipelines.tune.objective import space_of
from pipelines.tune.project_data import of_project, train_trial
from pipelines.tune.result import SECTION, flags_of, yaml_text
from pipelines.tune.search import about, default_study
from pipelines.tune.trial_lineage import labels_of
from stages import params
from storage.artifacts import dataset
from storage.errors import InputError, NotFoundError
from storage.files import md5
from storage.label_studio import label_config
from storage.printable import argument
from storage.project_files import params_file
from storage.project_files import study as studies
from storage.project_files.study import Study, Trial
from storage.repo.git import Git, find_root


@dataclass(frozen=True)
class TrialResult:
    """A trial of a study.

    Attributes:
        place: file of the study.
        path, valid: the tables that were named; None: a project's dataset, or none was.
        differs: which data differ from the trial's.
        written: the file that has its params now.
        before: old values in that file of params that were not tuned, by name.
        folder, model: where a model was trained with them, and its hash.
    """

    place: Path
    study: Study
    trial: Trial
    path: Path | None
    valid: Path | None
    differs: tuple[str, ...]
    written: Path | None
    before: Mapping[str, Any]
    folder: Path | None
    model: str

    def to_json(self) -> dict[str, Any]:
        about = {name: value for name, value in self.study.about.items() if name != "annotations"}
        return {
            "study": str(self.place),
            "about": about,
            "trial": self.study.to_json()["trials"][self.trial.number - 1],
            "differs": list(self.differs),
            "written": str(self.written) if self.written else None,
            "folder": str(self.folder) if self.folder else None,
            "model": self.model or None,
        }

    def lines(self) -> list[str]:
        trial, data = self.trial, self.study.about
        scores = {"loss": trial.loss, "accuracy": trial.accuracy}
        text = [f"trial {trial.number} of {self.place}: {trial.state}"]
        text[0] += "".join(f", {name} {value:.4f}" for name, value in scores.items() if value is not None)
        if trial.why:
            text.append(f"why: {trial.why}")
        if "labels" in data:
            text.append(f"it was trained on {labels_of(Path.cwd(), str(data['labels']))}")
        else:
            text.append(f"it was trained on series of MD5 {data.get('train')}")
        if self.differs and self.written:
            what = f"other {', '.join(self.differs)} here"
            text.append(f"warning: {what}: training with these params makes another model")
        if self.written:
            text.append(f"its params are in {self.written}: train{self._replaced()}")
        else:
            text.append(f"its params: {' '.join(f'--param {flag}' for flag in flags_of(trial.params))}")
        if self.folder:
            text.append(f"model {self.model[:8]} is in {self.folder}: {self._compare_model()}")
        return text

    def _compare_model(self) -> str:
        if not self.trial.model:
            return "the trial itself trained none on the whole train split"
        if self.model == self.trial.model:
            return "identical to the trial's"
        why = "code, libraries, processor or number of workers differ"
        return f"not the trial's {self.trial.model[:8]}: {why}"

    def _replaced(self) -> str:
        params, before = self.trial.params, self.before.items()
        changed = [f"{name} {yaml_text(params.get(name))} (was {yaml_text(was)})" for name, was in before]
        return f"; besides what was tuned {', '.join(changed)}" if changed else ""

    def next_command(self) -> str:
        """What to type next."""
        project = "labels" in self.study.about
        if self.folder:
            if project:
                return f"labeltrail trace {self.trial.model[:8] or argument(f'{self.place}:{self.trial.number}')}"
            return f"labeltrail classify predict {argument(self.folder)} X.csv --output OUT.csv"
        # Without the validation split training keeps other weights.
        valid = f" --valid {argument(self.valid or 'VALID.csv')}" if self.study.about.get("valid") else ""
        table = "" if project else f" {argument(self.path or 'TRAIN.csv')}{valid}"
        if self.written:
            task = argument(self.study.about.get("task"))
            train = f"labeltrail classify train{table} --model FOLDER --task {task}"
            return "dvc repro" if project else train
        study = f"--study {argument(self.place)}"
        return f"labeltrail classify trial {self.trial.number}{table} {study} --model FOLDER"


def rerun(
    number: int,
    path: Path | None = None,
    *,
    valid: Path | None = None,
    study: Path | None = None,
    write: Path | None = None,
    model: Path | None = None,
) -> TrialResult:
    """Look up a trial; write all its params into params.yaml, or train its model.

    Args:
        number: of the trial.
        path, valid: CSV files of its train and validation split; None: the project's.
        study: its file; None: that which `tune` would resume.
        write: params.yaml for all params of the trial, steps and seed included.
        model: folder for its model.

    Raises:
        NotFoundError: there is no such study or trial.
        InputError: the data are not those of the trial, or a path is invalid.
    """
    if write:
        check_params_file(write)
    if model:
        check_model_folder(model)
    settings = params.load(params.PATH if params.PATH.exists() else CHECKOUT)
    place = study or study_path(path, settings)
    found = studies.load(place)
    trial = find_trial(found, number, place)
    current = current_data(found, path, valid)
    differs = tuple(name for name in sorted(current) if current[name] != found.about.get(name))
    model_hash = ""
    if model:
        if differs or not current:
            raise data_mismatch(trial, found, place, differs)
        model_hash = retrain(trial, found, settings, path, valid, model)
    replaced = write_params(write, trial) if write else {}
    before = {name: was for name, was in replaced.items() if name not in found.about["ranges"]}
    return TrialResult(place, found, trial, path, valid, differs, write, before, model, model_hash)


def study_path(path: Path | None, settings: params.Params) -> Path:
    """The study that `tune` would resume."""
    if path or not label_config.PATH.exists():
        return default_study(None)
    space = space_of(settings.tuning.ranges)
    return studies.path_of(about(of_project(settings), settings, space))


def find_trial(study: Study, number: int, place: Path) -> Trial:
    """The trial of that number; NotFoundError where there is none."""
    for trial in study.trials:
        if trial.number == number:
            return trial
    why = f"it has {len(study.trials)} trials"
    cure = "one of those numbers, or --study with another file"
    raise NotFoundError(f"there is no trial {number}", where=str(place), why=why, cure=cure)


def current_data(study: Study, path: Path | None, valid: Path | None) -> dict[str, str]:
    """Hashes of the current data, as in a study; empty where no table was given."""
    if "labels" in study.about:
        files = {"label_config": md5(label_config.PATH), "dataset": md5(dataset.PATH)}
        return dataset.sources() | files
    return {"train": md5(path), "valid": md5(valid) if valid else ""} if path else {}


def data_mismatch(trial: Trial, study: Study, place: Path, differs: tuple[str, ...]) -> InputError:
    """The error where the current data are not those of the trial, with how to get them."""
    why = f"other {', '.join(differs)} here" if differs else "it was trained on a table, and none was given"
    command = f"labeltrail classify trial {trial.number} TRAIN.csv --study {argument(place)}"
    cure = f"{command}, with the files of the study"
    if "labels" in study.about:
        root = find_root(Path.cwd())
        commits = Git(root).run("log", "--format=%h", "--", str(place)).split()
        commit = commits[0] if commits else "COMMIT"
        why += f"; it was trained on {labels_of(root, str(study.about['labels']))}"
        cure = f"git switch --detach {commit}; dvc checkout data/labels.dvc data/series.dvc; dvc repro window"
    return InputError("the model of this trial cannot be trained here", where=str(place), why=why, cure=cure)


def retrain(
    trial: Trial, study: Study, settings: params.Params, path: Path | None, valid: Path | None, folder: Path
) -> str:
    """Train with all params of a trial, for the task of its study; returns the model's hash."""
    if path:
        flags, task = flags_of(trial.params), study.about.get("task")
        return classify_train.train(path, folder, valid=valid, task=task, overrides=flags).model
    return train_trial(of_project(settings), trial, settings, folder)


def write_params(path: Path, trial: Trial) -> dict[str, Any]:
    """Write the params of a trial that differ into params.yaml, keeping its comments; returns the old values."""
    train = params.load(path).train
    classifier = {name: trial.params[name] for name in params.Classifier.model_fields}
    beside = {name: trial.params[name] for name in BESIDE} | {"start": None}
    replaced: dict[str, Any] = {}
    for section, place, new in ((train.classifier, SECTION, classifier), (train, SECTION[:1], beside)):
        old = {name: getattr(section, name) for name in new}
        differ = [name for name in new if new[name] != old[name]]
        params_file.put(path, place, {name: new[name] for name in differ})
        replaced |= {name: old[name] for name in differ}
    return replaced
