"""Simulated heart beats: what the classification demo stands on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import yaml

from pipelines.demo.ecg import CHANNELS, LABELS, LENGTH, RATE, Beat, disagree, simulate
from stages.classification.model import TaskSpec
from stages.classification.plan import Plan
from stages.classification.targets import Labeled
from stages.classification.training import fit_classifier
from stages.params import Params
from storage.label_studio import label_config
from storage.series import recording_reader
from tests.test_structure import ROOT

CONFIG = label_config.parse(label_config.render(CHANNELS, LABELS, "time", task="multiclass"))


def test_the_demo_has_what_it_promises() -> None:
    made = simulate()
    assert len({beat.series for beat in made}) == 160
    assert len({beat.subject for beat in made}) == 16
    assert Counter(beat.label for beat in made) == {"normal": 80, "premature": 48, "paced": 32}
    for subject in {beat.subject for beat in made}:
        assert {beat.label for beat in made if beat.subject == subject} == set(LABELS)
    for beat in made:
        assert (beat.values.shape, beat.times.shape) == ((LENGTH, 1), (LENGTH,))
        assert 0.3 < np.ptp(beat.values) < 5, "mV"
    assert CONFIG.task == "multiclass"


def test_a_beat_does_not_depend_on_how_many_there_are() -> None:
    few, many = simulate(2, 4), simulate(6, 4)
    assert few[1].label == many[1].label
    assert np.array_equal(few[1].values, many[1].values)
    assert not np.array_equal(simulate(1, 4, seed=1)[0].values, few[0].values)


def test_the_csv_is_the_beat() -> None:
    made = simulate(1)[0]
    found = recording_reader.examine(made.to_csv(), CONFIG)
    read, problems = found.series, found.problems
    assert problems == []
    assert read is not None
    assert np.array_equal(read.values, made.values)
    assert np.array_equal(read.times, made.times)
    assert read.sampling_rate == RATE


def test_a_second_person_disagrees_now_and_then() -> None:
    said = [disagree("paced", seed) for seed in range(200)]
    assert said == [disagree("paced", seed) for seed in range(200)]
    assert set(said) == set(LABELS)
    assert 180 <= said.count("paced") < 200


def test_the_classes_are_shapes_and_no_means() -> None:
    """Of people who were not met: distance to a class's mean says little, the network nearly all."""
    met, unmet = _splits(simulate())
    means = np.stack([met.values[met.targets[:, k]].mean(0) for k in range(len(LABELS))])
    distance = ((unmet.values[:, None] - means) ** 2).sum((2, 3))
    assert _accuracy(distance.argmin(1), unmet) < 0.8
    params = Params.model_validate(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))
    plan = Plan(**params.train.classifier_plan() | {"steps": 400})
    model = fit_classifier(met, None, TaskSpec("multiclass", LABELS, CHANNELS), plan).model
    assert _accuracy(model.probabilities(unmet.values).argmax(1), unmet) >= 0.95


def _splits(beats: list[Beat]) -> tuple[Labeled, Labeled]:
    """Those of the first twelve people, and those of the others."""
    values = np.stack([beat.values.T for beat in beats])
    targets = np.array([[beat.label == label for label in LABELS] for beat in beats])
    met = np.array([beat.subject <= "subject12" for beat in beats])
    return Labeled(values[met], targets[met]), Labeled(values[~met], targets[~met])


def _accuracy(found: np.ndarray, truth: Labeled) -> float:
    return float((found == truth.targets.argmax(1)).mean())
