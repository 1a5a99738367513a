"""From labeled series to a segmenter: training, and the choice of decoder and calibration on the validation split.

Strides, widths and lengths are computed from the regions of the train split, never constants of one kind of data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.metrics.matching import match
from stages.segmentation.batches import Plan
from stages.segmentation.calibration import Confidence
from stages.segmentation.decoding import Decoder, tune_decoder, typical_lengths
from stages.segmentation.hsmm import Grammar, order_entropy
from stages.segmentation.model import Segmenter, predict
from stages.segmentation.network import Shape
from stages.segmentation.scaling import Scaler
from stages.segmentation.targets import Example
from stages.segmentation.training_loop import Epoch, TrainedNetwork, train_network
from stages.timeseries import windows
from stages.timeseries.gaps import split_at_gaps
from stages.timeseries.runs import runs

# The epochs over those of the trial.
TRIAL = 4


@dataclass(frozen=True)
class TaskSpec:
    """Labels and channels of a segmentation task.

    Attributes:
        channels: of the recordings.
        labels: class k is `labels[k - 1]`.
        instants: the labels that stand for instants.
        instant_tolerance: timepoints on both sides of an instant that count as it in training.
        sampling_rate: Hz; None for recordings of one timepoint.
    """

    channels: tuple[str, ...]
    labels: tuple[str, ...]
    instants: tuple[str, ...]
    instant_tolerance: int
    sampling_rate: float | None


@dataclass(frozen=True)
class FitResult:
    """A trained segmenter.

    Attributes:
        fit: the training whose network it has.
        trial: the training by which everything was chosen on the validation split; the same one without `refit`.
        event_f1: on the validation split, after `trial`; None where that has no event to find.
        shuffle: probability that the regions of a recording were put into another order.
    """

    model: Segmenter
    fit: TrainedNetwork
    trial: TrainedNetwork
    event_f1: float | None
    shuffle: float

    @property
    def refit(self) -> bool:
        """Whether the model was trained on the validation split too."""
        return self.fit is not self.trial


def fit_segmenter(
    train: Sequence[Example],
    validation: Sequence[Example],
    task: TaskSpec,
    plan: Plan,
    iou: float,
    tolerance: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> FitResult:
    """Train a network and choose its decoder.

    With `plan.refit`, all is chosen by a trial of a quarter of the epochs on the validation split; unless the trial
    is good enough, the model is then trained on train and validation split together: with few people labeled, each
    counts.

    Args:
        train, validation: labeled series; without a validation split the decoder keeps its default params.
        task: labels and channels.
        plan: hyperparameters; a `shuffle` of None is computed from the data.
        iou, tolerance: from when a range, and an instant, counts as found.
        on_epoch: called after each epoch.
    """
    shuffle = plan.shuffle
    if shuffle is None:
        shuffle = order_entropy([r.label for r in sorted(e.regions)] for e in train)
        plan = plan.model_copy(update={"shuffle": shuffle})
    refit = plan.refit and bool(validation)
    first = plan.model_copy(update={"epochs": trial_epochs(plan)}) if refit else plan
    model, trial = _train(train, validation, task, first, on_epoch)
    if not validation:
        return FitResult(model, trial, trial, None, shuffle)
    found = [predict(model.network, model.scaler, e.values) for e in validation]
    pairs = [(p, e.target, e.regions, e.known) for p, e in zip(found, validation, strict=True)]
    decoder, event_f1 = tune_decoder(model.decoder, pairs, iou, tolerance)
    model = replace(model, decoder=decoder, confidence=calibrate(decoder, found, validation, iou, tolerance))
    if not refit or trial.stopped == "enough":
        return FitResult(model, trial, trial, event_f1, shuffle)
    whole, fitted = _train([*train, *validation], [], task, plan, on_epoch)
    decoder = whole.decoder.with_params_of(decoder)
    return FitResult(
        replace(whole, decoder=decoder, confidence=model.confidence), fitted, trial, event_f1, shuffle
    )


def trial_epochs(plan: Plan) -> int:
    """Epochs of the trial, where there is one."""
    return -(-plan.epochs // TRIAL)


def _train(
    train: Sequence[Example],
    validation: Sequence[Example],
    task: TaskSpec,
    plan: Plan,
    on_epoch: Callable[[Epoch], None],
) -> tuple[Segmenter, TrainedNetwork]:
    """A segmenter with its default decoder, uncalibrated."""
    lengths = windows.lengths([r for e in train for r in e.regions], task.instant_tolerance)
    classes = len(task.labels) + 1
    shape = Shape(
        front_end=plan.front_end,
        channels=len(task.channels),
        classes=classes,
        step=windows.choose_step(lengths),
        widths=windows.choose_widths(lengths),
        hidden=plan.hidden_size,
        dropout=plan.dropout,
    )
    scaler = Scaler.fit([example.values for example in train], shape.motion_width)
    fitted = train_network(train, validation, scaler, shape, plan, on_epoch)
    decoder = Decoder(
        step=shape.step,
        labels=task.labels,
        instants=task.instants,
        tolerance=task.instant_tolerance,
        typical=typical_lengths(lengths, _background(train), task.labels, shape.step),
        grammar=Grammar.fit([e.target for e in train], classes, shape.step),
    )
    model = Segmenter(
        fitted.network, scaler, decoder, Confidence(), task.channels, task.labels, task.sampling_rate
    )
    return model, fitted


def calibrate(
    decoder: Decoder,
    found: Sequence[NDArray[np.float32]],
    validation: Sequence[Example],
    iou: float,
    tolerance: int,
) -> Confidence:
    """Calibrate by the probabilities (steps, classes) of the validation split, unless that is all background."""
    if not any(example.regions for example in validation):
        return Confidence()
    scores: list[float] = []
    is_true: list[bool] = []
    for probabilities, example in zip(found, validation, strict=True):
        regions = split_at_gaps(decoder.decode(probabilities, len(example.target)), example.known)
        matched = {place for _, place in match(example.regions, [r for r, _ in regions], iou, tolerance)}
        scores += [score for _, score in regions]
        is_true += [place in matched for place in range(len(regions))]
    steps = [(p, middles(e.target, decoder.step, len(p))) for p, e in zip(found, validation, strict=True)]
    return Confidence().fit_steps(steps).fit_regions(scores, is_true)


def middles(target: NDArray[np.int16], step: int, steps: int) -> NDArray[np.int16]:
    """Target in the middle of each step, (steps,)."""
    places = np.minimum(np.arange(steps) * step + step // 2, len(target) - 1)
    found: NDArray[np.int16] = target[places]
    return found


def _background(examples: Sequence[Example]) -> list[int]:
    """Timepoints of each stretch of background."""
    found: list[int] = []
    for example in examples:
        starts, ends, codes = runs(example.target)
        found += (ends - starts + 1)[codes == 0].tolist()
    return found
