"""Simulated recordings: what the demo stands on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pipelines.demo.accelerometer import CHANNELS, INSTANTS, LABELS, RATE, disagree, simulate
from storage.label_studio.label_config import LabelConfig
from storage.series import recording_reader

CONFIG = LabelConfig("segmentation", "ts", "label", "csv", False, "time", None, ",", CHANNELS, LABELS)


def test_the_demo_has_what_it_promises():
    made = simulate()
    assert len(made) == 24
    assert len({r.series for r in made}) == 24
    assert len({r.subject for r in made}) == 8
    counts = {label: sum(r.label == label for m in made for r in m.regions) for label in LABELS}
    assert min(counts.values()) >= 8
    assert counts["walking"] > 3 * counts["drilling"]
    for recording in made:
        rows = len(recording.times)
        assert 60 * RATE <= rows <= 600 * RATE
        assert recording.values.shape == (rows, 3)
        assert all(0 <= r.start <= r.end < rows for r in recording.regions)
        assert all(r.instant == (r.label in INSTANTS) for r in recording.regions)
        ranges = [r for r in recording.regions if not r.instant]
        assert all(a.end + RATE < b.start for a, b in pairwise(ranges))
    assert abs(np.linalg.norm(np.concatenate([m.values for m in made]), axis=1).mean() - 1) < 0.2


def test_a_recording_does_not_depend_on_how_many_there_are():
    few, many = simulate(2, 4), simulate(6, 4)
    assert few[1].regions == many[1].regions
    assert np.array_equal(few[1].values, many[1].values)
    assert not np.array_equal(simulate(1, 4, seed=1)[0].values[:50], few[0].values[:50])


def test_the_csv_is_the_recording():
    made = simulate(1)[0]
    found = recording_reader.examine(made.to_csv(), CONFIG)
    read, problems = found.series, found.problems
    assert problems == []
    assert read is not None
    assert np.array_equal(read.values, made.values)
    assert np.array_equal(read.times, made.times)
    assert read.sampling_rate == RATE


def test_a_second_person_disagrees_a_little():
    made = simulate(4)
    true = [r for m in made for r in m.regions]
    marked = [r for n, m in enumerate(made) for r in disagree(m.regions, len(m.times), n)]
    assert disagree(made[0].regions, len(made[0].times), 7) == disagree(
        made[0].regions, len(made[0].times), 7
    )
    assert 0.85 * len(true) <= len(marked) <= len(true)
    assert marked != true
    assert all(r.instant == (r.label in INSTANTS) for r in marked)
    assert all(0 <= r.start <= r.end < 600 * RATE for r in marked)
