"""Reads data/candidate, data/dataset, data/arrays and the previous data/best; writes data/best, reports/promote.json.

Candidate and best are scored on the same, current test set: a score the best got on older labels says nothing now.
A tie goes to the candidate, for it knows the newer labels. The best is a copy of the candidate, byte for byte, or
stays untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import params
from stages.model.segmenter import Segmenter, misfit
from stages.run import run
from stages.timeseries.gaps import stretches
from stages.timeseries.metrics import Scores
from storage import arrays, checkpoint, dataset, provenance
from storage.errors import InputError
from storage.files import write_json

VERDICT = Path("reports/promote.json")


@dataclass(frozen=True)
class Verdict:
    """What became of the candidate, why, and the two scores (None where there was nothing to score)."""

    verdict: str
    reason: str
    metric: str
    candidate: float | None
    best: float | None


def main() -> None:
    """Candidate to best."""
    settings, index = params.load(), dataset.read_index()
    verdict = judge(index, settings)
    if verdict.verdict == "promoted":
        checkpoint.copy(provenance.CANDIDATE, provenance.BEST)
    hashes = {f"{name}_model": provenance.read(path).model for name, path in PLACES.items()}
    write_json(VERDICT, {**vars(verdict), **hashes})
    print(f"{verdict.verdict}: {verdict.reason}")


PLACES = {"candidate": provenance.CANDIDATE, "best": provenance.BEST}


def judge(index: dataset.Index, settings: params.Params) -> Verdict:
    """Score both where both can be scored."""
    metric = settings.promote.metric
    candidate = checkpoint.read(provenance.CANDIDATE)
    test = load(index, settings.ingest.gap)
    value = measure(candidate, test, settings) if test else None
    if not provenance.BEST.exists():
        refuse_lost_best()
        return Verdict("promoted", "there was no best model yet", metric, value, None)
    try:
        best = checkpoint.read(provenance.BEST)
    except checkpoint.OutdatedError as error:
        return Verdict(
            "promoted", f"the best model cannot be asked any more: {error.what}", metric, value, None
        )
    if checkpoint.same(provenance.CANDIDATE, provenance.BEST):
        return Verdict("kept", "the candidate is the best model already", metric, value, value)
    why = misfit(best, index.channels, index.labels, index.sampling_rate)
    if why:
        return Verdict("promoted", f"the best model no longer fits: {why}", metric, value, None)
    if value is None:
        return Verdict(
            "promoted", "there is no test set to compare on: the newer model is taken", metric, None, None
        )
    return compare(metric, value, measure(best, test, settings), settings.promote.min_gain)


def refuse_lost_best() -> None:
    """Without the best model that this commit names, any candidate would win unseen.

    Raises:
        InputError: `dvc.lock` names one, and it is not in the work tree, as in a clone that did not pull.
    """
    lock = provenance.LOCK
    if lock.exists() and provenance.locked_best(lock.read_text(encoding="utf-8")):
        raise InputError(
            "the best model is not in the work tree, so the candidate cannot be compared with it",
            where=str(provenance.BEST),
            why=f"{lock} names one",
            cure=f"dvc pull {provenance.BEST}, then dvc repro",
        )


def compare(metric: str, candidate: float, best: float, min_gain: float) -> Verdict:
    """The rule: as good as the best and at least `min_gain` better. Scores are compared to six digits."""
    candidate, best = round(candidate, 6), round(best, 6)
    wins = candidate >= best + min_gain - 1e-9
    relation = "better than" if candidate > best else "as good as" if candidate == best else "worse than"
    reason = f"on the test set its {metric} of {candidate:.4f} is {relation} the best model's {best:.4f}"
    if min_gain and candidate >= best:
        reason += f", {'by enough' if wins else 'but not by enough'} (min_gain {min_gain:g})"
    return Verdict("promoted" if wins else "kept", reason, metric, candidate, best)


def measure(model: checkpoint.Checkpoint, test: dict[str, Any], settings: params.Params) -> float:
    """The metric of one model on the test set."""
    rules = settings.evaluate
    return pick(Segmenter.from_checkpoint(model).score(test, rules.iou, rules.instant_tolerance), settings)


def pick(scores: Scores, settings: params.Params) -> float:
    """The score that promotion goes by."""
    every = {"event_f1": scores.event["f1"], "event_macro_f1": scores.event["macro_f1"], **scores.timepoint}
    return round(every[settings.promote.metric], 6)


def load(index: dataset.Index, gap: float) -> dict[str, Any]:
    """Of each labeled test series what `Segmenter.judge` takes."""
    found = {}
    for key in index.of("test"):
        values = arrays.values(key)
        known = stretches(values, arrays.times(key), gap)
        found[key] = (values, dataset.target(key), index.series[key].regions, known)
    return found


if __name__ == "__main__":
    run(main)
