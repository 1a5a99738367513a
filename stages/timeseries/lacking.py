"""What a dataset lacks, in words: what was left out of it, what its sets do not have, anything to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set

from storage import sets
from storage.dataset import LABELS, LEARNT, Index
from storage.errors import InputError


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


def left_out(
    found: Mapping[str, Counter[str]], unknown: Set[str], unfit: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """What was not used, how often, and in which series.

    Args:
        found: by series, how many things were not used, by what they are.
        unknown: labeled series that ingest knows nothing of.
        unfit: why a labeled series is none to learn from.
    """
    lines = counted(found) + [f"labeled series {key}: {why}" for key, why in (unfit or {}).items()]
    if unknown:
        lines.append(
            f"{len(unknown)} labeled series without a usable recording: {', '.join(sorted(unknown))}"
        )
    return tuple(f"left out: {line}" for line in lines)


def counted(found: Mapping[str, Counter[str]]) -> list[str]:
    """One line for each kind of thing: how many, and where."""
    places: dict[str, dict[str, int]] = {}
    for key, counts in sorted(found.items()):
        for what, n in counts.items():
            places.setdefault(what, {})[key] = n
    return [
        f"{sum(where.values())} x {what}: {', '.join(f'{key} ({n})' for key, n in where.items())}"
        for what, where in sorted(places.items())
    ]


def nothing_to_learn(index: Index, usable: str) -> InputError:
    """Training cannot start: no series has what is `usable`, or none that has it is in the train set."""
    labeled = [key for key, entry in index.series.items() if entry.annotations]
    if labeled:
        where, why = sets.PATH, f"{len(labeled)} series are labeled, none of them is in the train set"
        cure = f"write `train` beside some of them in {sets.PATH}"
    else:
        where, why = LABELS, f"no series has {usable}"
        cure = "label some series in Label Studio, then: labeltrail sync"
    return InputError("there is nothing to learn from", where=str(where), why=why, cure=cure)
