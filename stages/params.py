"""`params.yaml` as typed, frozen values: everything that changes results, and nothing else.

A param is versioned with the code and makes the same model anywhere; what differs between machines (addresses,
credentials, engines) is a setting and comes from the environment. There are no defaults here: what is not in
`params.yaml` does not exist, so the file shows all there is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from stages.classifier_params import Classifier as Classifier
from stages.classifier_params import Fraction, HiddenSize, LearningRate, Probability, Section
from stages.classifier_params import Ranges as Ranges
from stages.classifier_params import Tuning as Tuning
from storage.project_files import params_file

PATH = Path("params.yaml")
Metric = Literal[
    "event_f1", "event_macro_f1", "balanced_accuracy", "macro_f1", "worst_f1", "accuracy", "roc_auc"
]


class Shares(Section):
    """Fractions of the labeled series; they add up to 1."""

    train: float = Field(gt=0, le=1, description="fraction of labeled series to train on")
    validation: Fraction = Field(description="fraction to stop the training and choose decoding by")
    test: Fraction = Field(description="fraction to score models on, never used to choose anything")

    @model_validator(mode="after")
    def _whole(self) -> Shares:
        if abs(self.train + self.validation + self.test - 1) > 1e-6:
            raise ValueError("train, validation and test must add up to 1")
        return self


class Splits(Section):
    """How `labeltrail sync` gives newly labeled series to splits; what has a split keeps it."""

    group: str = Field(
        description="key of the task data that names whom a series is of; '' takes each series alone"
    )
    shares: Shares
    seed: int = Field(ge=0, lt=2**63, description="order in which new groups are dealt out")


class Sync(Section):
    """When `labeltrail sync` asks for confirmation."""

    ask_deleted: Probability = Field(
        description="share of all annotations; a sync that would delete more of them, and two or more, is refused "
        "without --yes; 1: never"
    )


class Ingest(Section):
    """Recordings to arrays."""

    gap: float = Field(
        gt=1,
        lt=1e9,
        description="sample intervals; a longer pause is a gap: reported in quality.json, never resampled across, "
        "and no predicted region reaches over it; a channel that is missing for longer is not trained on there",
    )
    rates: Literal["refuse", "resample"] = Field(
        description="recordings of another sampling rate than most: refuse (left out and named), or resample "
        "(brought to the rate of most; regions keep the times of the recording)"
    )


class Window(Section):
    """Labels to targets and windows."""

    disagreement: Literal["vote", "newest", "agree"] = Field(
        description="targets where annotators differ and none is ground truth: vote (each annotator's newest "
        "annotation has one vote at each timepoint, ties go to the newest), newest (the newest annotation alone), "
        "agree (only timepoints on which all agree; the others are unknown)"
    )

    size: int = Field(
        ge=0,
        le=1_000_000,
        description="timepoints of a window in training; longer: more context, fewer and slower "
        "batches; 0: several times a long region, as the train split has them",
    )
    instant_tolerance: int = Field(
        ge=0,
        le=1_000_000,
        description="timepoints before and after an instant that count as that instant in training; fewer: finer, "
        "slower, harder to learn",
    )


class Segmenter(Section):
    """Params by which a segmenter is trained."""

    epochs: int = Field(
        ge=1, le=100_000, description="passes over the train split at most; the learning rate follows them"
    )
    patience: int = Field(
        ge=1,
        le=1_000_000,
        description="epochs without a gain on the validation split before it stops; with refit those of the trial, "
        "so above a quarter of epochs it has no effect",
    )
    enough_balanced_accuracy: float = Field(
        gt=0,
        le=1,
        description="with enough_worst_f1: stop as soon as the validation split reaches both, 0 to 1; such a model "
        "is taken as it is, without refit",
    )
    enough_worst_f1: float = Field(gt=0, le=1, description="F1 of the worst class that is enough, 0 to 1")
    batch_size: int = Field(
        ge=1, le=4096, description="windows for each step of the optimiser; more: fewer and steadier steps"
    )
    min_batches: int = Field(
        ge=1, le=100_000, description="batches an epoch at least; a small train split is passed several times"
    )
    learning_rate: LearningRate = Field(
        description="highest learning rate of the one-cycle schedule; too high: the loss jumps, too low: it needs "
        "more epochs"
    )
    weight_decay: Probability = Field(
        description="AdamW's weight decay: pull of weights to zero, as a fraction of the learning rate; against "
        "overfitting"
    )
    front_end: bool = Field(
        description="convolutions and statistics before the LSTM; false: a plain LSTM on scaled values, faster and "
        "less exact"
    )
    hidden_size: HiddenSize = Field(description="LSTM units in each direction; more: slower, finer")
    dropout: Fraction = Field(description="fraction of features dropped in training; against overfitting")
    class_weights: bool = Field(
        description="rare classes count more in the loss (square root of their rarity)"
    )
    flip: Probability = Field(
        description="probability that the sign of a channel of a window is flipped in training: for "
        "sensors that may be worn upside down"
    )
    splice: Probability = Field(
        description="probability that what follows a random cut in the windows of a batch comes from their "
        "neighbours in the batch: of other recordings"
    )
    shuffle: Probability | None = Field(
        description="probability that a recording is cut between its regions and trained on in another order; "
        "null: from the train split, near 0 where all recordings follow a protocol, near 1 where they do not"
    )
    refit: bool = Field(
        description="choose everything by a trial of a quarter of the epochs, then train on train and validation "
        "split together; only where there is a test split, for else nothing would be held out"
    )
    device: Literal["cpu", "cuda"] = Field(
        description="what trains: cpu, or cuda (a GPU; its weights differ from those of a CPU in the last digits)"
    )
    seed: int = Field(
        ge=0,
        lt=2**32,
        description="of weights, order and augmentation; another one makes another model, about as good",
    )


class Train(Segmenter):
    """Dataset to candidate."""

    draft: bool = Field(description="a quarter of the epochs: a quick look, a little worse")
    start: str | None = Field(
        description="hash of the model in data/start, whose weights and scaling training starts from, for whole "
        "series only; `labeltrail start-from` puts both there; null: from scratch"
    )
    precision: Literal["float32", "bfloat16"] | None = Field(
        description="what the convolutions of a classifier multiply: float32, or bfloat16 (half the "
        "time, as accurate in the end); null: bfloat16 where the processor has instructions for it"
    )
    classifier: Classifier

    @field_validator("start", mode="before")
    @classmethod
    def _whole_hash(cls, value: object) -> object:
        if value is None or (isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value)):
            return value
        raise ValueError(
            f"{value!r} is no model's hash of 32 hex digits; `labeltrail start-from MODEL` writes it and brings the "
            "model, null trains from scratch"
        )

    def plan(self) -> dict[str, Any]:
        """The params by which a segmenter is trained."""
        epochs = -(-self.epochs // 4) if self.draft else self.epochs
        return self.model_dump(include=set(Segmenter.model_fields)) | {"epochs": epochs}

    def classifier_plan(self) -> dict[str, Any]:
        """The params by which a classifier is trained."""
        return self.classifier.model_dump() | self.model_dump(include={"device", "precision", "seed"})


class Evaluate(Section):
    """Candidate to scores."""

    iou: float = Field(
        gt=0, le=1, description="overlap (intersection over union) from which a range counts as found"
    )
    instant_tolerance: int = Field(
        ge=0, le=1_000_000, description="timepoints by which a found instant may be off"
    )


class Promote(Section):
    """Candidate to best."""

    metric: Metric | None = Field(
        description="score on the test split by which candidate and best are compared; null: event_f1 of regions, "
        "macro_f1 of whole series"
    )
    min_gain: Fraction = Field(description="the candidate must be better by this much; 0: as good is enough")


class Predict(Section):
    """Best to predictions."""

    series: Literal["all", "unassigned"] = Field(description="all series, or only those without a split")


class Publish(Section):
    """Predictions to Label Studio: nothing to choose."""


class Report(Section):
    """One page to look at: nothing to choose."""


class Params(Section):
    """The whole of `params.yaml`."""

    splits: Splits
    sync: Sync
    ingest: Ingest
    window: Window
    train: Train
    evaluate: Evaluate
    promote: Promote
    predict: Predict
    publish: Publish
    report: Report
    tuning: Tuning

    @model_validator(mode="before")
    @classmethod
    def _has_no_earlier_name(cls, value: Any) -> Any:
        if isinstance(value, dict) and "sets" in value:  # before 0.2.0
            raise ValueError("the section `sets` is called `splits` since 0.2.0: rename it")
        return value


def load(path: Path = PATH) -> Params:
    """Read and check `params.yaml`.

    Raises:
        InputError: it is not there, is not YAML, or has values that are not allowed; names all of them.
    """
    return params_file.load(path, Params)
