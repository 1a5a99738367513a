"""The objective: one trial of a tuning samples hyperparameters, trains with them, and scores on held-out series.

Samples depend on the earlier trials and on a seed for each trial, so that an interrupted tuning resumes with the same
trials. Values are rounded before they are used: the params in the study are exactly those that were scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from pipelines.tune.data import TuningData
from stages import params
from stages.classification.model import Classifier, TaskSpec
from stages.classification.plan import Plan, epochs_of
from stages.classification.targets import Labeled
from stages.classification.training import Epoch, FitResult, fit_classifier
from storage.errors import InputError
from storage.printable import shortened
from storage.project_files.study import CURE, Trial

optuna.logging.set_verbosity(optuna.logging.WARNING)
REPORTS = 10  # validation losses of a model that the pruner gets, at equal shares of its epochs
WARMUP_REPORTS, STARTUP_TRIALS = 6, 6  # before a trial may be pruned
RANDOM_TRIALS = 8  # sampled at random, before TPE
DIGITS = 3
LOG = (
    "hidden_size",
    "filters_1",
    "filters_2",
    "filters_3",
    "lr",
    "weight_decay",
    "batch_size",
    "epochs",
    "steps",
)
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
# Probabilities are clipped to this: one confident mistake among few series must not dominate the loss.
MIN_PROBABILITY = 1e-4

Space = dict[str, BaseDistribution]


def space_of(ranges: params.Ranges) -> Space:
    """The search space as Optuna's distributions."""
    return {name: _distribution(name, values) for name, values in ranges.given().items()}


def _distribution(name: str, values: Sequence[Any]) -> BaseDistribution:
    low, high = values[0], values[-1]
    if isinstance(low, bool | str):
        return CategoricalDistribution(values)
    log = name in LOG and low > 0
    if isinstance(low, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def sample(
    space: Space, earlier: Sequence[Trial], current: Mapping[str, Any], seed: int
) -> tuple[optuna.Trial, dict[str, Any]]:
    """The next trial, and its params.

    Args:
        space: the search space.
        earlier: the trials before.
        current: the current params, which the first trial has as far as the space contains them.
        seed: of the tuning.
    """
    trial_seed = int(np.random.SeedSequence([seed, len(earlier)]).generate_state(1)[0])
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=trial_seed, n_startup_trials=RANDOM_TRIALS),
        pruner=optuna.pruners.MedianPruner(STARTUP_TRIALS, WARMUP_REPORTS),
    )
    study.add_trials([_frozen(trial, space) for trial in earlier])
    trial = study.ask(space)
    sampled = {name: _rounded(value, space[name]) for name, value in trial.params.items()}
    if not earlier:
        sampled |= {name: _nearest(current[name], space[name]) for name in space if current[name] is not None}
    return trial, sampled


def _frozen(trial: Trial, space: Space) -> optuna.trial.FrozenTrial:
    """An earlier trial as Optuna's; InputError where its params are outside of the ranges."""
    try:
        return create_trial(
            state=STATES[trial.state],
            value=trial.loss,
            params={name: trial.params[name] for name in space},
            distributions=space,
            intermediate_values=dict(trial.curve),
        )
    except (KeyError, TypeError, ValueError) as error:
        why = shortened(f"{type(error).__name__}: {error}")
        raise InputError(
            f"trial {trial.number} of the study is outside of these ranges", why=why, cure=CURE
        ) from error


def _nearest(value: Any, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return value if value in distribution.choices else distribution.choices[0]
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        raise TypeError(distribution)
    return min(max(value, distribution.low), distribution.high)


def _rounded(value: Any, distribution: BaseDistribution) -> Any:
    return _nearest(float(f"{value:.{DIGITS}g}"), distribution) if isinstance(value, float) else value


@dataclass
class TrialProgress:
    """Progress of a trial, reported to the pruner.

    Attributes:
        trial: Optuna's.
        curve: mean loss over the folds so far, by report.
        losses, accuracies: of the completed folds.
    """

    trial: optuna.Trial
    curve: dict[int, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)

    @property
    def points(self) -> tuple[tuple[int, float], ...]:
        """The curve as a study has it."""
        return tuple(self.curve.items())

    def report(self, epoch: Epoch, epochs: int) -> None:
        """Report an epoch; TrialPruned where it does worse than most trials."""
        share = REPORTS * epoch.number // epochs
        step = len(self.losses) * REPORTS + share
        loss = epoch.validation_loss
        if not share or step in self.curve or loss is None or not math.isfinite(loss):
            return
        self.curve[step] = (sum(self.losses) + loss) / (len(self.losses) + 1)
        self.trial.report(self.curve[step], step)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def run_trial(trial: optuna.Trial, number: int, plan: Plan, data: TuningData) -> Trial:
    """Train with a plan and score the model, on each fold; reports to Optuna's `trial`."""
    progress = TrialProgress(trial)
    try:
        for train, validation in data.folds:
            fit = fit_fold(progress, plan, train, validation, data.spec)
    except optuna.TrialPruned:
        return Trial(number, "pruned", plan.model_dump(), None, None, progress.points, "")
    except InputError as error:
        why = "; ".join(text for text in (error.what, error.where, error.why) if text)
        return Trial(number, "failed", plan.model_dump(), None, None, progress.points, why)
    loss, accuracy = float(np.mean(progress.losses)), float(np.mean(progress.accuracies))
    if not math.isfinite(loss):
        why = "its loss is not finite: there was nothing to validate on"
        return Trial(number, "failed", plan.model_dump(), None, None, progress.points, why)
    model = data.model_hash(fit)
    return Trial(number, "complete", plan.model_dump(), loss, accuracy, progress.points, "", model)


def fit_fold(
    progress: TrialProgress, plan: Plan, train: Labeled, validation: Labeled, spec: TaskSpec
) -> FitResult:
    """Train on one part of a fold, score on the other."""
    epochs = epochs_of(plan, train)
    fit = fit_classifier(train, validation, spec, plan, on_epoch=lambda epoch: progress.report(epoch, epochs))
    loss, accuracy = score(fit.model, validation)
    progress.losses.append(loss)
    progress.accuracies.append(accuracy)
    return fit


def score(model: Classifier, series: Labeled) -> tuple[float, float]:
    """Unweighted cross-entropy and accuracy, comparable between class weights and smoothing; InputError for NaN."""
    probabilities = model.probabilities(series.values)
    if not np.isfinite(probabilities).all():
        raise InputError("the model's probabilities are not finite", cure="a lower lr")
    accuracy = float((model.decide(probabilities) == series.targets).all(1).mean())
    return _cross_entropy(probabilities, series.targets, model.spec.independent), accuracy


def _cross_entropy(probabilities: NDArray[np.float32], truth: NDArray[np.bool_], independent: bool) -> float:
    clipped = probabilities.astype(np.float64).clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    if independent:
        return float(-np.log(np.where(truth, clipped, 1 - clipped)).mean())
    return float(-np.log(clipped[truth]).mean())
