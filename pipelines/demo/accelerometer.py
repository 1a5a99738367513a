"""Simulated recordings for the demo and the tests: an accelerometer on the wrist of people in a workshop.

Three channels at 50 Hz are acceleration in g: gravity, rotated by the posture of the arm and by how each person wears
the sensor; the motion of the activity; drift of the sensor; noise. There are four activities as ranges, some far
rarer than others, a knock as an instant, and background between them.
The same seed gives the same recordings on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.artifacts.region import Region

RATE = 50
CHANNELS = ("acc_x", "acc_y", "acc_z")
LABELS = ("walking", "sawing", "sanding", "drilling", "knock")
INSTANTS = ("knock",)
SHORTEST, LONGEST = 60.0, 600.0  # seconds of a recording

Rng = np.random.Generator
Signal = NDArray[np.float64]


@dataclass(frozen=True)
class Activity:
    """The signal of one activity.

    Attributes:
        share: probability that the next region is of this activity.
        seconds: shortest and longest region.
        hertz: slowest and fastest person.
        strength: amplitude in g along each channel.
        overtone: amplitude of the doubled frequency, as a share.
        tilt: posture of the arm: rotation about x and y, radians.
    """

    share: float
    seconds: tuple[float, float]
    hertz: tuple[float, float]
    strength: tuple[float, float, float]
    overtone: float
    tilt: tuple[float, float]


ACTIVITIES = {
    "walking": Activity(0.42, (6, 30), (1.7, 2.2), (0.15, 0.10, 0.30), 0.5, (0.1, 1.3)),
    "sawing": Activity(0.33, (5, 20), (1.1, 1.6), (0.70, 0.15, 0.20), 0.2, (0.5, 0.2)),
    "sanding": Activity(0.18, (4, 15), (2.8, 3.8), (0.35, 0.35, 0.05), 0.1, (0.9, 0.1)),
    "drilling": Activity(0.07, (2.5, 6), (16.0, 21.0), (0.08, 0.12, 0.08), 0.0, (0.3, 0.6)),
}
IDLE_TILT = (0.3, 0.9)
PAUSE = (1.5, 9.0)  # seconds between regions
KNOCK_EVERY = 20.0  # seconds, on average
KNOCK_AT_WORK = 0.15  # share of the knocks during an activity that are not moved to the next pause


@dataclass(frozen=True)
class Recording:
    """One simulated recording.

    Attributes:
        series: series key.
        subject: the person.
        times: float64 (timepoints,), seconds from 0.
        values: float32 (timepoints, channels), g, rounded to four digits.
        regions: the true ones, by start.
    """

    series: str
    subject: str
    times: NDArray[np.float64]
    values: NDArray[np.float32]
    regions: tuple[Region, ...]

    def to_csv(self) -> bytes:
        """The recording as a CSV with a `time` column, without loss."""
        lines = [",".join(("time", *CHANNELS))]
        for time, row in zip(self.times.tolist(), self.values.tolist(), strict=True):
            lines.append(f"{time:.2f}," + ",".join(f"{value:.4f}" for value in row))
        return ("\n".join(lines) + "\n").encode()

    def result(self, regions: Sequence[Region]) -> list[dict[str, Any]]:
        """Regions as an annotation's `result`, with the tag names of `storage.label_studio.label_config.render`."""
        return [
            {
                "id": f"{self.series}-{number:03d}",
                "from_name": "label",
                "to_name": "ts",
                "type": "timeserieslabels",
                "origin": "manual",
                "value": {
                    "start": float(self.times[region.start]),
                    "end": float(self.times[region.end]),
                    "instant": region.instant,
                    "timeserieslabels": [region.label],
                },
            }
            for number, region in enumerate(regions)
        ]


def simulate(recordings: int = 24, subjects: int = 8, seed: int = 0) -> list[Recording]:
    """Recordings, of the subjects in turn; a recording does not depend on how many there are."""
    simulated = []
    for number in range(recordings):
        person = number % subjects
        habits = np.random.default_rng([seed, 1, person])
        rng = np.random.default_rng([seed, 2, number])
        subject = f"subject{person + 1:02d}"
        simulated.append(_record(f"{subject}_{number // subjects + 1:02d}", subject, habits, rng))
    return simulated


def disagree(regions: Sequence[Region], rows: int, seed: int) -> list[Region]:
    """Regions of a second annotator: shifted edges, a few regions missed, some labels confused."""
    rng = np.random.default_rng([seed, 3])
    ranges = [label for label in LABELS if label not in INSTANTS]
    marked = []
    for region in sorted(regions):
        chosen = rng.random()
        shift = np.rint(rng.normal(0, 2 if region.instant else 8, 2)).astype(int)
        if chosen < 0.03:
            continue
        label = region.label
        if chosen < 0.05 and not region.instant:
            label = ranges[(ranges.index(label) + 1) % len(ranges)]
        start = int(np.clip(region.start + shift[0], 0, rows - 1))
        end = start if region.instant else int(np.clip(region.end + shift[1], start, rows - 1))
        marked.append(Region(start, end, label, region.instant))
    return marked


def _record(series: str, subject: str, habits: Rng, rng: Rng) -> Recording:
    seconds = SHORTEST * (LONGEST / SHORTEST) ** rng.beta(1.0, 1.8)
    rows = round(seconds * RATE)
    regions = _plan(rows, rng)
    tilt = np.tile(np.array(IDLE_TILT), (rows, 1)) + 0.5 * _wander(rows, 4.0, 2, rng)
    motion = 0.06 * _wander(rows, 0.4, 3, rng)
    pace = {name: habits.uniform(*activity.hertz) for name, activity in ACTIVITIES.items()}
    vigour = {name: habits.uniform(0.75, 1.25) for name in ACTIVITIES}
    worn = habits.normal(0, 0.15, 2)
    for region in regions:
        if region.instant:
            continue
        activity, inside = ACTIVITIES[region.label], slice(region.start, region.end + 1)
        tilt[inside] = np.array(activity.tilt) + 0.12 * _wander(region.rows, 3.0, 2, rng)
        motion[inside] += vigour[region.label] * _move(activity, pace[region.label], region.rows, rng)
    for region in regions:
        if region.instant:
            _knock(motion, region.start, rng)
    values = _gravity(_smooth(tilt, RATE // 2) + worn) + motion
    values += 0.03 * _wander(rows, 60.0, 3, rng) + rng.normal(0, 0.02, (rows, 3))
    times = np.round(np.arange(rows) / RATE, 2)
    return Recording(series, subject, times, np.round(values, 4).astype(np.float32), tuple(sorted(regions)))


def _plan(rows: int, rng: Rng) -> list[Region]:
    """Plan the regions: activities with pauses between them, and knocks, never close together."""
    regions: list[Region] = []
    names = list(ACTIVITIES)
    shares = np.array([ACTIVITIES[name].share for name in names])
    at = round(rng.uniform(*PAUSE) * RATE)
    while True:
        label = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        length = round(rng.uniform(*ACTIVITIES[label].seconds) * RATE)
        if at + length >= rows:
            break
        regions.append(Region(at, at + length - 1, label))
        at += length + round(rng.uniform(*PAUSE) * RATE)
    return regions + _knocks(regions, rows, rng)


def _knocks(ranges: list[Region], rows: int, rng: Rng) -> list[Region]:
    """Instants, most of them in pauses, as few people knock during an activity; never two within a second."""
    found: list[int] = []
    at = RATE
    while (at := at + round(rng.exponential(KNOCK_EVERY) * RATE)) < rows - RATE:
        place = at
        work = next((i for i, r in enumerate(ranges) if r.start <= at <= r.end), None)
        if work is not None and rng.random() > KNOCK_AT_WORK:
            following = ranges[work + 1].start if work + 1 < len(ranges) else rows
            place = ranges[work].end + round(rng.uniform(0.3, 0.7) * (following - ranges[work].end))
        if all(abs(place - other) > RATE for other in found):
            found.append(place)
    return [Region(row, row, "knock", instant=True) for row in sorted(found)]


def _move(activity: Activity, hertz: float, rows: int, rng: Rng) -> Signal:
    """(rows, 3): a rhythm whose frequency and amplitude vary slowly."""
    speed = hertz * (1 + 0.08 * _wander(rows, 2.0, 1, rng)[:, 0])
    phase = 2 * np.pi * (np.cumsum(speed) / RATE + rng.random())
    swell = 1 + 0.25 * _wander(rows, 1.5, 1, rng)
    lag = np.array([0.0, np.pi / 2, np.pi / 4])
    wave = np.sin(phase[:, None] + lag) + activity.overtone * np.sin(2 * phase[:, None] + lag)
    moved: Signal = np.array(activity.strength) * swell * wave
    return moved


def _knock(motion: Signal, row: int, rng: Rng) -> None:
    """Add a damped oscillation of a fifth of a second, in place."""
    rows = np.arange(min(RATE // 5, len(motion) - row))
    ring = np.exp(-rows / (0.05 * RATE)) * np.cos(2 * np.pi * 14 * rows / RATE)
    blow = rng.normal(0, 1, 3)
    motion[row : row + len(rows)] += rng.uniform(0.8, 2.0) * ring[:, None] * blow / np.linalg.norm(blow)


def _gravity(tilt: Signal) -> Signal:
    """1 g in the axes of the rotated sensor: (rows, 2) rotations about x and y to (rows, 3)."""
    about_x, about_y = tilt[:, 0], tilt[:, 1]
    return np.stack(
        [np.sin(about_y), np.sin(about_x) * np.cos(about_y), np.cos(about_x) * np.cos(about_y)], 1
    )


def _wander(rows: int, seconds: float, count: int, rng: Rng) -> Signal:
    """(rows, count): smooth random curves of standard deviation about 1 that vary within so many seconds."""
    knots = rng.normal(size=(int(rows / (seconds * RATE)) + 3, count))
    at = np.arange(rows) / (seconds * RATE)
    curves: Signal = np.stack([np.interp(at, np.arange(len(knots)), knots[:, i]) for i in range(count)], 1)
    return curves


def _smooth(values: Signal, width: int) -> Signal:
    """Moving mean, so that an arm does not jump from one posture to the next."""
    padded = np.pad(values, ((width // 2, width - width // 2), (0, 0)), mode="edge")
    total = np.cumsum(padded, 0)
    mean: Signal = (total[width:] - total[:-width]) / width
    return mean
