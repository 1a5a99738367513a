"""Reads data/candidate, data/dataset, data/arrays and the previous data/best; writes data/best, reports/promote.json.

Candidate and best are scored on the same, current test split: a score of the best on older labels would not be
comparable. A tie goes to the candidate, which was trained on the newer labels. The best becomes a copy of the
candidate, byte for byte, or stays untouched.

A missing score decides nothing. Without a best model, or without a labeled test series, the candidate is promoted
whatever it scores; where the test split has series but nothing in them to score by, the best model stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stages import compatibility, learning_task, params
from stages.learning_task import LearningTask
from stages.run import run
from storage.artifacts import checkpoint, dataset, provenance, reports
from storage.artifacts.checkpoint import Checkpoint
from storage.artifacts.reports import Decision
from storage.errors import InputError
from storage.files import write_json
from storage.label_studio import label_config
from storage.paths import BEST, CANDIDATE, LOCK
from storage.printable import say
from storage.repo.dvc_lock import Lock

NOTHING = "the test split has nothing to score by: label a test series that has some of what is to be found"
PLACES = {"candidate": CANDIDATE, "best": BEST}


@dataclass(frozen=True)
class Rules:
    """By what promotion decides.

    Attributes:
        metric: its name.
        min_gain: by which the candidate must be better; 0: as good is enough.
        series: labeled series of the test split.
        measure: the metric of a model on the test split; None where that has nothing to score by.
        incompatibility: why a model cannot be compared with the candidate; "" where it can.
    """

    metric: str
    min_gain: float
    series: int
    measure: Callable[[Checkpoint], float | None]
    incompatibility: Callable[[Checkpoint], str]


def main() -> None:
    """Candidate to best, or not."""
    verdict = decide(rules(learning_task.of(label_config.load()), dataset.read_index(), params.load()))
    if verdict.verdict == "promoted":
        checkpoint.copy(CANDIDATE, BEST)
    hashes = {f"{name}_model": provenance.read(path).model for name, path in PLACES.items()}
    write_json(reports.VERDICT, {**vars(verdict), **hashes})
    say(f"{verdict.verdict}: {verdict.reason}")


def rules(task: LearningTask, index: dataset.Index, settings: params.Params) -> Rules:
    metric, series = settings.promote.metric or task.metric, len(index.of("test"))
    scores = task.scorer(index, settings)

    def incompatibility(best: Checkpoint) -> str:
        candidate = checkpoint.read(CANDIDATE)
        if best.kind != candidate.kind:
            return f"it is of kind {best.kind}, not {candidate.kind}"
        why = compatibility.incompatibility(best, index.channels, index.labels, index.sampling_rate)
        return why or task.incompatibility(best, candidate, index)

    return Rules(
        metric,
        settings.promote.min_gain,
        series,
        lambda model: pick(metric, scores(model)) if series else None,
        incompatibility,
    )


def decide(rules: Rules) -> Decision:
    metric, candidate = rules.metric, checkpoint.read(CANDIDATE)
    value = rules.measure(candidate)
    if not BEST.exists():
        check_best_present()
        return Decision(
            "promoted", f"there was no best model yet{unscored(rules, value)}", metric, value, None
        )
    try:
        best = checkpoint.read(BEST)
        if checkpoint.same(CANDIDATE, BEST):
            return Decision("kept", "the candidate is the best model already", metric, value, value)
        if why := rules.incompatibility(best):
            reason = f"the best model is no longer compatible: {why}{unscored(rules, value)}"
            return Decision("promoted", reason, metric, value, None)
        if not rules.series:
            reason = "there is no test split to compare on: the newer model is taken"
            return Decision("promoted", reason, metric, None, None)
        best_value = rules.measure(best)
    except checkpoint.UnusableError as error:
        reason = f"the best model cannot be loaded any more: {error.what}{unscored(rules, value)}"
        return Decision("promoted", reason, metric, value, None)
    if value is None:
        reason = f"the candidate has no {metric}, for {NOTHING}: the best model stays"
        return Decision("kept", reason, metric, None, best_value)
    if best_value is None:
        reason = f"the best model has no {metric} on the test split, the candidate has {value:.4f}"
        return Decision("promoted", reason, metric, value, None)
    return compare(metric, value, best_value, rules.min_gain)


def unscored(rules: Rules, value: float | None) -> str:
    """What to add to a verdict that was not reached by a score, where there is none."""
    return f"; it has no {rules.metric}, for {NOTHING}" if rules.series and value is None else ""


def check_best_present() -> None:
    """Without the best model that this commit names, any candidate would win without a comparison.

    Raises:
        InputError: `dvc.lock` names one, and it is not in the work tree, as in a clone that did not pull.
    """
    if Lock.read(Path()).best:
        raise InputError(
            "the best model is not in the work tree, so the candidate cannot be compared with it",
            where=str(BEST),
            why=f"{LOCK} names one",
            cure=f"dvc pull {BEST}, then dvc repro",
        )


def compare(metric: str, candidate: float, best: float, min_gain: float) -> Decision:
    """The rule: as good as the best and at least `min_gain` better. Scores are compared to six digits."""
    candidate, best = round(candidate, 6), round(best, 6)
    wins = candidate >= best + min_gain - 1e-9
    relation = "better than" if candidate > best else "as good as" if candidate == best else "worse than"
    reason = f"on the test split its {metric} of {candidate:.4f} is {relation} the best model's {best:.4f}"
    if min_gain and candidate >= best:
        reason += f", {'by enough' if wins else 'but not by enough'} (min_gain {min_gain:g})"
    return Decision("promoted" if wins else "kept", reason, metric, candidate, best)


def pick(metric: str, scores: Mapping[str, float | None]) -> float | None:
    """The score that promotion goes by; None where the test split has nothing to score by.

    Raises:
        InputError: models of this kind have no such score.
    """
    if metric not in scores:
        known = ", ".join(sorted(scores))
        why = f"models of this label config have {known}"
        cure = "one of them, or null, as promote.metric in params.yaml, then dvc repro"
        raise InputError(f"there is no score {metric} to promote by", where="params.yaml", why=why, cure=cure)
    value = scores[metric]
    return None if value is None or not math.isfinite(value) else round(value, 6)


if __name__ == "__main__":
    run(main)
