"""What the sets of a dataset lack, in words: series, classes, and labeled series that are in no set."""

from __future__ import annotations

from storage import sets
from storage.dataset import LEARNT, Index


def warnings(index: Index) -> list[str]:
    """What a person should know before trusting a model that learns from these sets."""
    lines = []
    for name in LEARNT:
        keys = index.of(name)
        there = {label for key in keys for label in index.series[key].labels}
        lacking = [label for label in index.labels if label not in there]
        if not keys:
            lines.append(
                f"the {name} set has no labeled series; label one of somebody else, or write {name} in {sets.PATH}"
            )
        elif lacking:
            lines.append(f"the {name} set does not contain labels from all classes: no {', '.join(lacking)}")
    unassigned = index.of("unassigned")
    if unassigned:
        lines.append(f"{len(unassigned)} labeled series are in no set: {', '.join(unassigned)}")
    return lines
