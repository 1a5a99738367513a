"""One recording in memory, and how fast it was sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64] | NDArray[np.int64]

# Beyond this ratio two sampling rates are different, and not the jitter of one clock.
RATE_TOLERANCE = 0.02


@dataclass(frozen=True)
class Series:
    """The numbers of one recording.

    Attributes:
        values: float32 (timepoints, channels), in the order of the label config; NaN where a cell is empty.
        times: (timepoints,), increasing: float64 as written, or int64 nanoseconds since 1970 UTC where the
            label config has a `timeFormat`; 0..n-1 where it has no time column.
    """

    values: NDArray[np.float32]
    times: Times

    @property
    def sampling_rate(self) -> float | None:
        """Timepoints per second (per unit of time where times are numbers)."""
        return sampling_rate(self.times)


def sampling_rate(times: Times) -> float | None:
    """Timepoints per second, to six digits, by the mean of all steps that are no pause; None for one timepoint.

    The median alone would not do: of 60 Hz written in whole milliseconds it is 17 ms, 2 % too long.
    """
    if len(times) < 2:
        return None
    unit = 1e9 if times.dtype.kind == "i" else 1.0
    steps = np.diff(times)
    median = np.median(steps)
    usual = steps[(steps > 0.5 * median) & (steps < 1.5 * median)]
    return float(f"{unit / float(usual.mean() if len(usual) else median):.6g}")


def different_rates(rates: Mapping[str, float | None]) -> tuple[float | None, dict[str, float]]:
    """Compare recordings of one project: the rate of most of them, and those that have another one."""
    known = {key: rate for key, rate in sorted(rates.items()) if rate is not None}
    if not known:
        return None, {}
    counts = Counter(known.values())
    common = max(counts, key=lambda rate: (sum(n for r, n in counts.items() if _near(r, rate)), counts[rate]))
    return common, {key: rate for key, rate in known.items() if not _near(rate, common)}


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= RATE_TOLERANCE * max(a, b)
