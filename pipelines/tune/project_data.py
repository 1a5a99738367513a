"""Tuning data of a project, and training a model with the params of a trial.

Trials are trained on the train split and scored on the validation split or, where that is empty, by
cross-validation over groups of the train split. The test split is never read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.classify.model_dir import check_model_folder
from pipelines.classify.overrides import BESIDE
from pipelines.tune.data import TuningData
from pipelines.tune.folds import Fold, TooFewGroupsError, make_folds
from pipelines.tune.trial_lineage import labels_of
from stages import learning_task, params
from stages.classification.candidate import check_classes, training_record
from stages.classification.dataset import load
from stages.classification.model import TaskSpec
from stages.classification.plan import Plan, epochs_of
from stages.classification.targets import Labeled
from stages.classification.training import fit_classifier
from stages.provenance import of_candidate
from stages.timeseries.dataset_warnings import nothing_to_train_on
from storage.artifacts import checkpoint, dataset, provenance
from storage.artifacts.dataset import Index
from storage.errors import InputError
from storage.files import md5
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.printable import shortened
from storage.progress import bar
from storage.project_files import splits_file
from storage.project_files.study import CURE, Trial

# Where a class has too few series, or none.
LABEL_MORE = "label more of them in Label Studio, then: labeltrail sync; dvc repro window"


def of_project(settings: params.Params) -> TuningData:
    """The labeled series of the project in the current folder.

    Raises:
        InputError: this is no classification project, its dataset is missing or out of date, has too few series, or
            its training continues from an earlier model.
    """
    config, index = read_project()
    if settings.train.start:
        raise InputError(
            "a training that continues from an earlier model cannot be tuned",
            where="params.yaml: train.start",
            why="that model has the network's shape and its scaling already; trials are trained from scratch",
            cure=f"{provenance.SCRATCH}; labeltrail classify tune",
        )
    train, validation = load(index, "train"), load(index, "validation")
    if train is None:
        raise nothing_to_train_on(index, "a choice that can be used")
    check_classes(index, train)
    spec = TaskSpec(config.task, index.labels, index.channels, sampling_rate=index.sampling_rate)
    if validation:
        folds: tuple[Fold, ...] = ((train, validation),)
        validated_on = f"the {len(validation.values)} series of the validation split"
    else:
        folds, validated_on = _folds(train, index, spec, settings)
    trained_on = f"trained on {labels_of(Path.cwd(), index.provenance['labels'])}"
    return TuningData(
        spec=spec,
        train=train,
        validation=validation,
        folds=folds,
        validated_on=validated_on,
        data=hashes_of(index) | {"folds": 0 if validation else len(folds)},
        training_record=lambda fit: training_record(fit, None),
        notes=(trained_on, *missing_classes(index, train, validation)),
    )


def read_project() -> tuple[LabelConfig, Index]:
    """Label config and dataset of the project; InputError where no classifier can be trained on them."""
    if not label_config.PATH.exists():
        raise InputError(
            "there is nothing to tune for",
            where=str(Path.cwd()),
            why=f"no TRAIN.csv was named, and this is not the top folder of a project: no {label_config.PATH}",
            cure="labeltrail classify tune TRAIN.csv, or cd to the top of the project",
        )
    config = label_config.load()
    if not learning_task.of(config).tunable:
        raise InputError(
            "this project has no classifier to tune",
            where=str(label_config.PATH),
            why="its label config has regions (<TimeSeriesLabels>), not classes of whole recordings (<Choices>)",
            cure="edit `train` in params.yaml, then: dvc repro (docs/recipes/tuning.md); "
            "or for a table: labeltrail classify tune TRAIN.csv",
        )
    index = dataset.read_index()
    changed = [name for name, md5 in dataset.sources().items() if index.provenance.get(name) != md5]
    has_regions = any(entry.regions for entry in index.series.values())
    if has_regions or index.labels != config.labels or index.channels != config.channels:
        changed.append("label config")
    if changed:
        why = f"changed since it was made: {', '.join(changed)}"
        raise InputError("the dataset is out of date", where=str(dataset.PATH), why=why, cure=dataset.CURE)
    return config, index


def _folds(
    train: Labeled, index: Index, spec: TaskSpec, settings: params.Params
) -> tuple[tuple[Fold, ...], str]:
    """Folds of the train split by group; InputError where there are too few groups."""
    groups = [index.series[key].group for key in index.of("train")]
    try:
        folds, described = make_folds(train, groups, spec, settings)
    except TooFewGroupsError as few:
        raise InputError(
            "there is nothing to score trials on",
            where=str(splits_file.PATH),
            why="the validation split has no labeled series, and all of the train split that are "
            f"{few.label} are of one group ({few.group}), which cannot be both trained and validated on",
            cure=f"label {few.label} of another group, or write `validation` beside a group there; then: "
            f"labeltrail sync; {dataset.CURE}",
        ) from few
    return folds, f"{described} of the train split, for the validation split has no labeled series"


def hashes_of(index: Index) -> dict[str, Any]:
    """Hashes of the dataset and its inputs, and the label records of the train split."""
    return {
        "dataset": md5(dataset.PATH),
        "labels": index.provenance["labels"],
        "series": index.provenance["series"],
        "label_config": md5(label_config.PATH),
        "annotations": {key: list(index.series[key].annotations) for key in index.of("train")},
    }


def missing_classes(index: Index, train: Labeled, validation: Labeled | None) -> list[str]:
    """Warnings of classes that the train or the validation split lacks."""
    lines = []
    for name, series, effect in (
        ("train", train, "is never predicted"),
        ("validation", validation, "does not count in the score"),
    ):
        missing = [k for i, k in enumerate(index.labels) if series and not series.targets[:, i].any()]
        if missing:
            what = f"warning: the {name} split has no series that is {' or '.join(missing)}, which {effect}"
            lines.append(f"{what}; {LABEL_MORE}")
    return lines


def train_trial(data: TuningData, trial: Trial, settings: params.Params, folder: Path) -> str:
    """Train with all params of a trial, as the train stage would; returns the model's hash."""
    place = check_model_folder(folder)
    settings = settings.model_copy(update={"train": params_of(trial, settings)})
    plan = Plan(**settings.train.classifier_plan())
    with bar("training", epochs_of(plan, data.train)) as advance:
        fit = fit_classifier(data.train, data.validation, data.spec, plan, on_epoch=lambda _: advance())
    model = fit.model.to_checkpoint(data.training_record(fit))
    checkpoint.write(model, of_candidate(model, dataset.read_index(), settings), place)
    return model.hash()


def params_of(trial: Trial, settings: params.Params) -> params.Train:
    """The project's params with those of a trial; InputError where they are invalid."""
    try:
        own = {name: trial.params[name] for name in params.Classifier.model_fields}
        fixed = {name: trial.params[name] for name in BESIDE} | {"start": None}
        return params.Train.model_validate(settings.train.model_dump() | fixed | {"classifier": own})
    except (KeyError, ValueError) as error:
        what = f"the params of trial {trial.number} are invalid"
        raise InputError(what, why=shortened(" ".join(str(error).split())), cure=CURE) from error
