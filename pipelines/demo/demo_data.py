"""Data of the demo: simulated recordings, and the annotations of two people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pipelines.demo import accelerometer, ecg
from pipelines.demo.accelerometer import Recording
from pipelines.demo.ecg import Beat
from storage.label_studio import label_config

RECORDINGS, SUBJECTS = 24, 8
LABELED = 6  # subjects; the model predicts the recordings of the others
REVIEWED = 6  # labeled recordings that the second person labels too

BEATS, HEARTS = 160, 16
HEARTS_LABELED = 14
BEATS_REVIEWED = 28

R = TypeVar("R", Recording, Beat)
Results = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Simulation:
    """Recordings, label config, and the annotations of two people.

    Attributes:
        label_config: XML.
        recordings: all of them.
        first, second: a person's `result` of an annotation by series, in the order in which they label.
    """

    label_config: str
    recordings: Sequence[Recording | Beat]
    first: Results
    second: Results


def simulate(classify: bool) -> Simulation:
    """The data of `labeltrail demo`, or of `labeltrail demo --classify`."""
    if classify:
        return hearts(ecg.simulate(BEATS, HEARTS))
    return workshop(accelerometer.simulate(RECORDINGS, SUBJECTS))


def workshop(recordings: Sequence[Recording]) -> Simulation:
    """Recordings of people at work, labeled with regions."""
    labeled = _of_people(recordings, LABELED)
    return Simulation(
        label_config.render(accelerometer.CHANNELS, accelerometer.LABELS, "time"),
        recordings,
        {r.series: r.result(r.regions) for r in labeled},
        {
            r.series: r.result(accelerometer.disagree(r.regions, len(r.times), number))
            for number, r in enumerate(labeled[:REVIEWED])
        },
    )


def hearts(recordings: Sequence[Beat]) -> Simulation:
    """Recordings of heart beats, each labeled with a class."""
    labeled = _of_people(recordings, HEARTS_LABELED)
    config = label_config.render(ecg.CHANNELS, ecg.LABELS, "time", task="multiclass")
    return Simulation(
        config,
        recordings,
        {b.series: b.result(b.label) for b in labeled},
        {b.series: b.result(ecg.disagree(b.label, n)) for n, b in enumerate(labeled[:BEATS_REVIEWED])},
    )


def _of_people(recordings: Sequence[R], count: int) -> list[R]:
    people = sorted({r.subject for r in recordings})[:count]
    return [r for r in recordings if r.subject in people]
