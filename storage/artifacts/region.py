"""A region as files hold it: a marked range or instant, in timepoints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Region:
    """One marked time range or instant.

    Attributes:
        start: first timepoint (row of the recording, from 0).
        end: last timepoint, inclusive; equal to `start` for an instant.
        label: the class name.
        instant: a point in time rather than a range; a range may also be one timepoint long.
    """

    start: int
    end: int
    label: str
    instant: bool = False

    @property
    def rows(self) -> int:
        """Its length in timepoints."""
        return self.end - self.start + 1
