"""Sections of `params.yaml` for classifying whole series: the classifier's own, and how `labeltrail classify tune`
looks for better ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

Filters = Annotated[int, Field(ge=1, le=4096)]
KernelSize = Annotated[int, Field(ge=1, le=10_000)]
HiddenSize = Annotated[int, Field(ge=1, le=1024)]
LearningRate = Annotated[float, Field(gt=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """Frozen; an unknown key is refused, so that a misspelt param is not silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Classifier(Section):
    """Whole series to classes, where the label config asks for choices: an LSTM-FCN."""

    num_layers: int = Field(ge=1, le=16, description="LSTM layers")
    hidden_size: HiddenSize = Field(description="LSTM units in each layer")
    dropout: Fraction = Field(description="fraction of LSTM features dropped in training, after each layer")
    filters_1: Filters = Field(description="filters of the first convolution")
    filters_2: Filters = Field(description="filters of the second convolution")
    filters_3: Filters = Field(description="filters of the third; their means over time are its features")
    kernel_size_1: KernelSize = Field(description="kernel size of the first convolution, in timepoints")
    kernel_size_2: KernelSize = Field(description="kernel size of the second convolution")
    kernel_size_3: KernelSize = Field(description="kernel size of the third convolution")
    lr: LearningRate = Field(
        description="highest learning rate of the one-cycle schedule; too high: the loss jumps, too low: it needs "
        "more steps"
    )
    weight_decay: Probability = Field(
        description="AdamW's weight decay: pull of weights to zero, as a fraction of the learning rate"
    )
    batch_size: int = Field(
        ge=2,
        le=65_536,
        description="series for each step of the optimiser, at most; few make batch norm noisy, many the steps few",
    )
    epochs: int | None = Field(
        ge=1, le=1_000_000, description="passes over the train split; null: as many as `steps` are"
    )
    steps: int | None = Field(
        ge=1,
        le=10_000_000,
        description="steps of the optimiser where epochs is null; null: as many as a minute of one core allows, "
        "3,000 at most",
    )
    label_smoothing: Fraction = Field(
        description="share of a target that is given to the other classes; against overconfidence"
    )
    class_weights: bool = Field(
        description="rare classes count more in the loss (square root of their rarity)"
    )
    scaling: Literal["series", "train"] = Field(
        description="series: each series by its own mean and deviation; train: all by those of the train split, for "
        "classes that differ by level"
    )


def _several(value: Any) -> Any:
    """A value that stands alone is a range of one."""
    return (value,) if isinstance(value, bool | int | float | str) else value


Wholes = Annotated[tuple[int, ...], BeforeValidator(_several)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_several)]
Flags = Annotated[tuple[bool, ...], BeforeValidator(_several)]
Scalings = Annotated[tuple[Literal["series", "train"], ...], BeforeValidator(_several)]


class Ranges(Section):
    """What each param of the classifier may be: [lowest, highest], or a list of choices; one value fixes it."""

    num_layers: Wholes = Field(description="range of LSTM layers")
    hidden_size: Wholes = Field(description="range of LSTM units in each layer, on a log scale")
    dropout: Numbers = Field(description="range of the fraction of LSTM features dropped in training")
    filters_1: Wholes = Field(description="range of the first convolution's filters, on a log scale")
    filters_2: Wholes = Field(description="range of the second convolution's filters, on a log scale")
    filters_3: Wholes = Field(description="range of the third convolution's filters, on a log scale")
    kernel_size_1: Wholes = Field(description="range of kernel size of the first convolution, in timepoints")
    kernel_size_2: Wholes = Field(description="range of kernel size of the second convolution")
    kernel_size_3: Wholes = Field(description="range of kernel size of the third convolution")
    lr: Numbers = Field(description="range of the highest learning rate, on a log scale")
    weight_decay: Numbers = Field(
        description="range of the pull of weights to zero, on a log scale where the lowest is above 0"
    )
    batch_size: Wholes = Field(description="range of series for each step, on a log scale")
    epochs: Wholes | None = Field(
        description="range of passes over the train split, on a log scale; null: not tuned, each trial takes "
        "`tuning.steps`"
    )
    steps: Wholes | None = Field(
        description="range of steps of the optimiser, on a log scale, instead of epochs; null: not tuned"
    )
    label_smoothing: Numbers = Field(
        description="range of the share of a target that is given to other classes; with more than one value trials "
        "are not pruned"
    )
    class_weights: Flags = Field(
        description="choices: do rare classes count more; with both trials are not pruned"
    )
    scaling: Scalings = Field(description="choices: series, train, or both")

    @model_validator(mode="after")
    def _increasing(self) -> Ranges:
        if self.epochs and self.steps:
            raise ValueError("epochs and steps cannot both have a range: one of them is null")
        for name, values in self.given().items():
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} needs one value or several that differ")
            if not isinstance(values[0], bool | str) and list(values) != sorted(values)[:2]:
                raise ValueError(f"{name} is [lowest, highest], or one value")
        return self

    @model_validator(mode="after")
    def _allowed(self) -> Ranges:
        """Both ends of each range are what the classifier takes."""
        for end in (0, -1):
            ends = {name: values[end] if values else None for name, values in self}
            try:
                Classifier.model_validate(ends)
            except ValidationError as error:
                problem = error.errors()[0]
                rule = problem["msg"].removeprefix("Input ")
                raise ValueError(f"{problem['loc'][0]} may not be {problem['input']!r}: it {rule}") from error
        return self

    def given(self) -> dict[str, tuple[Any, ...]]:
        """The ranges by name, without those that are null."""
        return {name: values for name, values in self if values is not None}


class Tuning(Section):
    """How `labeltrail classify tune` looks for params of a classifier."""

    trials: int = Field(ge=1, le=10_000, description="how often params are drawn and tried")
    folds: int = Field(
        ge=2,
        le=100,
        description="parts of the train split, each scored by a model of the others, where no validation split "
        "is given; fewer where the rarest class has fewer series",
    )
    steps: int | None = Field(
        ge=1,
        le=10_000_000,
        description="steps of the optimiser for each model of a trial, where neither epochs nor steps has a range; "
        "null: as many as in `train.classifier`",
    )
    ranges: Ranges
