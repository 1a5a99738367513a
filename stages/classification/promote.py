"""Reads data/candidate, data/dataset, data/arrays and the previous data/best; writes data/best, reports/promote.json.

The gate is `stages/gate.py`; here is what it measures: how many labeled test series are taken for what they are.
"""

from __future__ import annotations

from stages import gate, params
from stages.classification.compatibility import other_task
from stages.classification.model import Classifier
from stages.classification.recordings import labeled
from stages.compatibility import misfit
from stages.metrics.classification import Answers, score
from storage.artifacts import checkpoint, dataset
from storage.artifacts.checkpoint import Checkpoint
from storage.paths import CANDIDATE

# What promotion goes by where params.yaml leaves it open.
METRIC = "macro_f1"


def main() -> None:
    """Candidate to best."""
    settings, index = params.load(), dataset.read_index()
    metric = settings.promote.metric or METRIC
    test = labeled(index, "test")

    def measure(resting: Checkpoint) -> float | None:
        if test is None:
            return None
        model = Classifier.from_checkpoint(resting)
        found = model.probabilities(test.values)
        answers = Answers(model.question.task, index.labels, test.targets, model.decide(found), found)
        return gate.pick(metric, score(answers).series)

    def unlike(best: Checkpoint) -> str:
        length = best.network.get("length")
        other = f"it takes series of {length} timepoints; the project's have {index.size}"
        why = misfit(best, index.channels, index.labels, index.sampling_rate)
        why = why or other_task(best, checkpoint.read(CANDIDATE).postprocess.get("task", ""))
        return why or ("" if length == index.size else other)

    series = len(test.values) if test else 0
    gate.conclude(gate.Rules(metric, settings.promote.min_gain, series, measure, unlike))
