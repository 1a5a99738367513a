"""Values as a network likes them: without holes, each channel around 0 and about 1 wide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
# Windows of a recording that are looked at together for its level.
PART = 4096


@dataclass(frozen=True)
class Scaler:
    """One mean and one standard deviation per channel, from the train set; never per recording.

    A recording of its own scale would lose what tells a lying person from a standing one.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def fit(cls, series: Iterable[Values]) -> Scaler:
        """Mean and standard deviation of all timepoints; NaN counts for nothing, a constant channel keeps its size.

        Sums are taken around the first value seen, so that a large offset costs no digits.
        """
        origin, total, squares, count = None, 0.0, 0.0, 0
        for values in series:
            known = np.asarray(values, np.float64)
            if origin is None:
                origin = np.nan_to_num(np.nanmean(known, 0)) if len(known) else np.zeros(known.shape[1])
            known = known - origin
            total = total + np.nansum(known, 0)
            squares = squares + np.nansum(known * known, 0)
            count = count + (~np.isnan(known)).sum(0)
        if origin is None:
            raise ValueError("no series to fit a scaler to")
        shift = total / np.maximum(count, 1)
        variance = np.maximum(squares / np.maximum(count, 1) - shift**2, 0)
        mean = origin + shift
        # Below what float32 can tell apart a channel is constant: dividing by it would blow up rounding errors.
        constant = np.sqrt(variance) <= 1e-7 * np.maximum(np.abs(mean), 1e-30)
        deviation = np.where(constant, 1.0, np.sqrt(variance))
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scaler:
        """Read `scaler` of model.json."""
        return cls(tuple(value["mean"]), tuple(value["deviation"]))

    def to_json(self) -> dict[str, Any]:
        """The inverse of `from_json`."""
        return {"mean": list(self.mean), "deviation": list(self.deviation)}

    def __call__(self, values: Values) -> Values:
        """Scaled values, (timepoints, channels); holes are bridged by a straight line, a dead channel is 0."""
        return self.scale(fill(values))

    def scale(self, filled: Values) -> Values:
        """The same of a part of a recording whose holes are bridged."""
        scaled = ((filled - np.array(self.mean)) / np.array(self.deviation)).astype(np.float32)
        return np.where(np.isnan(scaled), np.float32(0), scaled)


def fill(values: Values) -> Values:
    """Bridge NaN by a straight line between its neighbours; a channel without any number stays NaN."""
    holes = np.isnan(values)
    if not holes.any():
        return values
    filled = np.array(values)
    rows = np.arange(len(values))
    for channel in np.flatnonzero(holes.any(0) & ~holes.all(0)):
        hole = holes[:, channel]
        filled[hole, channel] = np.interp(rows[hole], rows[~hole], values[~hole, channel])
    return filled


def level(filled: Values, scaler: Scaler, width: int) -> Values:
    """Where the scaled channels of a recording are while it moves, (channels,): the median there.

    A sensor is never worn twice in the same way. Where it is while its wearer moves tells how, and how far from there
    it is tells what the wearer does when still.

    Args:
        filled: the recording, its holes bridged.
        scaler: of the channels.
        width: timepoints over which it is judged whether anything moves; the most lively third counts.
    """
    means, motion = [], []
    for start in range(0, len(filled), PART * width):
        part = scaler.scale(filled[start : start + PART * width])
        n = max(len(part) // width, 1)
        pieces = part[: n * width].reshape(n, -1, part.shape[1]).astype(np.float64)
        means.append(pieces.mean(1))
        motion.append(pieces.var(1).sum(1))
    every, lively = np.concatenate(means), np.concatenate(motion)
    found: Values = np.median(every[lively >= np.quantile(lively, 2 / 3)], 0).astype(np.float32)
    return found
