"""One trial of a tuning: draw params, learn by them, judge on series that were not learnt from.

What is drawn follows from the trials before and from a seed of its own for each trial, so that a tuning that was cut
off and goes on tries what it would have tried in one go. Figures are rounded before they are tried: the params that
are written down are the ones that were judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from pipelines.tune.data import Material
from stages import params
from stages.classification.model import Classifier
from stages.classification.plan import Plan, epochs_of
from stages.classification.targets import Labeled
from stages.classification.training import Epoch, FitResult, fit_classifier
from storage.errors import InputError
from storage.printable import shortened
from storage.project_files.study import CURE, Trial

optuna.logging.set_verbosity(optuna.logging.WARNING)
# A model of a trial is looked at so often on its way, at equal shares of its epochs. It may be pruned from look WARM
# on, once FIRST trials are complete. RANDOM trials are drawn without regard to those before.
LOOKS, WARM, FIRST, RANDOM = 10, 6, 6, 8
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
# Chances are held away from 0 by so much: one sure mistake among few series is not to be the whole loss.
LEAST = 1e-4

Space = dict[str, BaseDistribution]


def space_of(ranges: params.Ranges) -> Space:
    """What each param may be, as Optuna has it."""
    return {name: _distribution(name, values) for name, values in ranges.given().items()}


def _distribution(name: str, values: Sequence[Any]) -> BaseDistribution:
    low, high = values[0], values[-1]
    if isinstance(low, bool | str):
        return CategoricalDistribution(values)
    log = name in LOG and low > 0
    if isinstance(low, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def draw(
    space: Space, done: Sequence[Trial], usual: Mapping[str, Any], seed: int
) -> tuple[optuna.Trial, dict[str, Any]]:
    """The next trial, and its params.

    Args:
        space: what may be drawn.
        done: the trials before.
        usual: the params as they are: what is tried first, as far as the space holds them.
        seed: of the tuning.
    """
    own = int(np.random.SeedSequence([seed, len(done)]).generate_state(1)[0])
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=own, n_startup_trials=RANDOM),
        pruner=optuna.pruners.MedianPruner(FIRST, WARM),
    )
    study.add_trials([_tried(trial, space) for trial in done])
    trial = study.ask(space)
    drawn = {name: _tidy(value, space[name]) for name, value in trial.params.items()}
    if not done:
        drawn |= {name: _nearest(usual[name], space[name]) for name in space if usual[name] is not None}
    return trial, drawn


def _tried(trial: Trial, space: Space) -> optuna.trial.FrozenTrial:
    """An earlier trial as Optuna has it.

    Raises:
        InputError: its params are not of these ranges: somebody else wrote the study.
    """
    try:
        return _past(trial, space)
    except (KeyError, TypeError, ValueError) as error:
        why = shortened(f"{type(error).__name__}: {error}")
        raise InputError(
            f"trial {trial.number} of the study is none of these ranges", why=why, cure=CURE
        ) from error


def _past(trial: Trial, space: Space) -> optuna.trial.FrozenTrial:
    return create_trial(
        state=STATES[trial.state],
        value=trial.loss,
        params={name: trial.params[name] for name in space},
        distributions=space,
        intermediate_values=dict(trial.curve),
    )


def _nearest(value: Any, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return value if value in distribution.choices else distribution.choices[0]
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        raise TypeError(distribution)
    return min(max(value, distribution.low), distribution.high)


def _tidy(value: Any, distribution: BaseDistribution) -> Any:
    return _nearest(float(f"{value:.{DIGITS}g}"), distribution) if isinstance(value, float) else value


@dataclass
class Watch:
    """How a trial goes: looked at on its way, given up where it does worse than most.

    Attributes:
        trial: Optuna's.
        curve: mean loss over the parts so far, by look.
        losses, accuracies: of the parts that are done.
    """

    trial: optuna.Trial
    curve: dict[int, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)

    def look(self, epoch: Epoch, epochs: int) -> None:
        """After an epoch.

        Raises:
            TrialPruned: it is not worth going on.
        """
        share = LOOKS * epoch.number // epochs
        step = len(self.losses) * LOOKS + share
        loss = epoch.validation_loss
        if not share or step in self.curve or loss is None or not math.isfinite(loss):
            return
        self.curve[step] = (sum(self.losses) + loss) / (len(self.losses) + 1)
        self.trial.report(self.curve[step], step)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def attempt(trial: optuna.Trial, number: int, plan: Plan, material: Material) -> Trial:
    """Learn by a plan and judge it, on each part.

    Args:
        trial: Optuna's, which is told how it goes.
        number: of the trial.
        plan: how to learn.
        material: what to learn from and to judge by.
    """
    watch = Watch(trial)
    try:
        for known, held in material.parts:
            taught = judge_part(watch, plan, known, held, material)
    except optuna.TrialPruned:
        return Trial(number, "pruned", asdict(plan), None, None, watch.curve, "")
    except InputError as error:
        why = "; ".join(text for text in (error.what, error.where, error.why) if text)
        return Trial(number, "failed", asdict(plan), None, None, watch.curve, why)
    loss, accuracy = float(np.mean(watch.losses)), float(np.mean(watch.accuracies))
    if not math.isfinite(loss):
        why = "it has no loss: there was nothing to judge it by"
        return Trial(number, "failed", asdict(plan), None, None, watch.curve, why)
    made = material.model_hash(taught)
    return Trial(number, "complete", asdict(plan), loss, accuracy, watch.curve, "", made)


def judge_part(watch: Watch, plan: Plan, known: Labeled, held: Labeled, material: Material) -> FitResult:
    """Learn from one part, judge by the other."""
    epochs = epochs_of(plan, known)
    taught = fit_classifier(
        known, held, material.question, plan, on_epoch=lambda epoch: watch.look(epoch, epochs)
    )
    loss, accuracy = score(taught.model, held)
    watch.losses.append(loss)
    watch.accuracies.append(accuracy)
    return taught


def score(model: Classifier, held: Labeled) -> tuple[float, float]:
    """Cross-entropy and accuracy; plain, so that trials of other class weights or smoothing compare.

    Raises:
        InputError: the model answers with NaN.
    """
    chances = model.probabilities(held.values)
    if not np.isfinite(chances).all():
        raise InputError("the model's answers are no numbers", cure="a lower lr")
    right = float((model.decide(chances) == held.targets).all(1).mean())
    return _cross_entropy(chances, held.targets, model.question.independent), right


def _cross_entropy(chances: NDArray[np.float32], truth: NDArray[np.bool_], independent: bool) -> float:
    wide = chances.astype(np.float64).clip(LEAST, 1 - LEAST)
    if independent:
        return float(-np.log(np.where(truth, wide, 1 - wide)).mean())
    return float(-np.log(wide[truth]).mean())
