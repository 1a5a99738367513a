"""Simulated heart beats for the classification demo and the tests: an electrode on the chest, a beat a recording.

One channel at 125 Hz, in mV: the waves around the R peak, which differ between people, breathing, hum and noise. A
beat is normal, premature (wide, no P wave, inverted T wave) or paced (a pacemaker's spike, then a wide beat). Some
hearts conduct slowly, so that their normal beats are wide too; some spikes are hardly above the noise; the position
of the beat varies. So a class is a shape, not a mean. They are no medical data.
The same seed gives the same recordings on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 125
LENGTH = 140  # timepoints of every recording
CHANNELS = ("ecg",)
LABELS = ("normal", "premature", "paced")
MIX = (0, 0, 0, 0, 0, 1, 1, 1, 2, 2)  # labels of ten beats of a person, shuffled
PEAK = (0.38, 0.54)  # seconds from the start to the R peak
SLOWED = ("Q", "R", "S")  # waves that are wider in a heart that conducts slowly

Rng = np.random.Generator
Signal = NDArray[np.float64]


@dataclass(frozen=True)
class Wave:
    """One bump of a beat.

    Attributes:
        at: seconds after the R peak.
        width: seconds, standard deviation of a Gaussian.
        height: mV.
    """

    at: float
    width: float
    height: float


BEATS = {
    "normal": {
        "P": Wave(-0.17, 0.022, 0.14),
        "Q": Wave(-0.030, 0.009, -0.12),
        "R": Wave(0.0, 0.013, 1.0),
        "S": Wave(0.032, 0.012, -0.25),
        "T": Wave(0.27, 0.045, 0.25),
    },
    "premature": {"R": Wave(0.0, 0.030, 1.0), "S": Wave(0.085, 0.035, -0.38), "T": Wave(0.29, 0.055, -0.22)},
    "paced": {
        "spike": Wave(-0.080, 0.004, 0.45),
        "R": Wave(0.0, 0.029, 0.95),
        "S": Wave(0.082, 0.034, -0.36),
        "T": Wave(0.29, 0.055, -0.20),
    },
}


@dataclass(frozen=True)
class Heart:
    """How one person's beats differ from the average, in all recordings of that person.

    Attributes:
        gain: of the electrode, as a factor.
        slow: factor of the widths of Q, R and S of a normal beat.
        heights: factor of each wave's height, by its name.
        breath: mV, amplitude of the baseline wander.
        noise: mV, standard deviation.
    """

    gain: float
    slow: float
    heights: dict[str, float]
    breath: float
    noise: float


@dataclass(frozen=True)
class Beat:
    """One simulated recording.

    Attributes:
        series: series key.
        subject: the person.
        times: float64 (timepoints,), seconds from 0.
        values: float32 (timepoints, 1), mV, rounded to four digits.
        label: the true one.
    """

    series: str
    subject: str
    times: NDArray[np.float64]
    values: NDArray[np.float32]
    label: str

    def to_csv(self) -> bytes:
        """The recording as a CSV with a `time` column, without loss."""
        lines = [",".join(("time", *CHANNELS))]
        lines += [
            f"{t:.3f},{v:.4f}" for t, v in zip(self.times.tolist(), self.values[:, 0].tolist(), strict=True)
        ]
        return ("\n".join(lines) + "\n").encode()

    def result(self, label: str) -> list[dict[str, Any]]:
        """A label as an annotation's `result`, with the tag names of `storage.label_studio.label_config.render`."""
        return [
            {
                "id": f"{self.series}-label",
                "from_name": "label",
                "to_name": "ts",
                "type": "choices",
                "origin": "manual",
                "value": {"choices": [label]},
            }
        ]


def simulate(recordings: int = 160, subjects: int = 16, seed: int = 0) -> list[Beat]:
    """Recordings, of the subjects in turn; a recording does not depend on how many there are."""
    simulated = []
    for number in range(recordings):
        person = number % subjects
        habits = np.random.default_rng([seed, 1, person])
        heart, labels = _heart(habits), habits.permutation(MIX)
        rng = np.random.default_rng([seed, 2, number])
        subject = f"subject{person + 1:02d}"
        turn = number // subjects
        label = LABELS[labels[turn % len(MIX)]]
        simulated.append(_record(f"{subject}_{turn + 1:02d}", subject, label, heart, rng))
    return simulated


def disagree(label: str, seed: int) -> str:
    """The label of a second annotator: sometimes another one."""
    rng = np.random.default_rng([seed, 3])
    others = [other for other in LABELS if other != label]
    return others[int(rng.integers(len(others)))] if rng.random() < 0.06 else label


def _heart(habits: Rng) -> Heart:
    return Heart(
        gain=habits.uniform(0.6, 1.5),
        slow=habits.uniform(1.0, 1.9),
        heights={name: habits.uniform(0.6, 1.4) for name in ("P", "Q", "R", "S", "T", "spike")},
        breath=habits.uniform(0.05, 0.25),
        noise=habits.uniform(0.03, 0.07),
    )


def _record(series: str, subject: str, label: str, heart: Heart, rng: Rng) -> Beat:
    times = np.round(np.arange(LENGTH) / RATE, 3)
    after = times - rng.uniform(*PEAK)
    beat = np.zeros(LENGTH)
    for name, wave in BEATS[label].items():
        slow = heart.slow if label == "normal" and name in SLOWED else 1.0
        beat += heart.heights[name] * _wave(after, wave, slow, rng)
    values = heart.gain * beat + _disturbances(times, heart, rng)
    return Beat(series, subject, times, np.round(values, 4).astype(np.float32)[:, None], label)


def _wave(after: Signal, wave: Wave, slow: float, rng: Rng) -> Signal:
    """One wave in mV, (timepoints,), with random variation; `after` is seconds after the R peak."""
    at = wave.at * slow + rng.normal(0, 0.008)
    width = wave.width * slow * rng.uniform(0.8, 1.2)
    shown: Signal = wave.height * rng.uniform(0.8, 1.2) * np.exp(-0.5 * ((after - at) / width) ** 2)
    return shown


def _disturbances(times: Signal, heart: Heart, rng: Rng) -> Signal:
    """Breathing, the hum of the mains and noise, in mV, (timepoints,)."""
    breathing = np.sin(2 * np.pi * (rng.uniform(0.2, 0.4) * times + rng.random()))
    hum = np.sin(2 * np.pi * (50 * times + rng.random()))
    drift = rng.normal(0, 0.2) + heart.breath * breathing
    summed: Signal = drift + 0.3 * heart.noise * hum + rng.normal(0, heart.noise, len(times))
    return summed
