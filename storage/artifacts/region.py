"""A region as files hold it: a marked range or instant, in timepoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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

    def to_json(self) -> dict[str, Any]:
        """As in data/dataset/index.json."""
        return {"start": self.start, "end": self.end, "label": self.label, "instant": self.instant}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Region:
        """The inverse of `to_json`."""
        return cls(value["start"], value["end"], value["label"], value["instant"])
