"""Warnings and errors about a dataset: what was left out of it, classes that a split lacks, nothing to train on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from storage.artifacts.dataset import LABELED_SPLITS, PATH, Index
from storage.errors import InputError
from storage.paths import LABELS
from storage.printable import shortened
from storage.project_files import splits_file

UNKNOWN = "which the label config lacks"
MOST, LONGEST = 20, 1000  # lines that are shown at once, and characters of one


def warnings(index: Index) -> list[str]:
    """What a person should know before trusting a model that is trained on these splits."""
    lines = []
    for name in LABELED_SPLITS:
        keys = index.of(name)
        there = {label for key in keys for label in index.series[key].labels}
        lacking = [label for label in index.labels if label not in there]
        if not keys:
            lines.append(
                f"the {name} split has no labeled series; label one of somebody else, "
                f"or write {name} in {splits_file.PATH}"
            )
        elif lacking:
            lines.append(
                f"the {name} split does not contain labels from all classes: no {', '.join(lacking)}"
            )
    unassigned = index.of("unassigned")
    if unassigned:
        lines.append(f"{len(unassigned)} labeled series are in no split: {', '.join(unassigned)}")
    return lines


def counts(index: Index) -> str:
    """Labeled series of each split: `3 train, 1 validation, 1 test`."""
    return ", ".join(f"{len(index.of(name))} {name}" for name in LABELED_SPLITS)


def left_out(
    found: Mapping[str, Counter[str]], unknown: Set[str], unfit: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """What was not used, how often, and in which series.

    Args:
        found: by series, how many things were not used, by what they are.
        unknown: labeled series without a recording.
        unfit: why a labeled series cannot be used, by series.
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


def nothing_to_train_on(index: Index, usable: str, unused: Sequence[str] = ()) -> InputError:
    """Training cannot start: no series has what is `usable`, or none that has it is in the train split.

    Args:
        index: of the dataset.
        usable: what a labeled series has.
        unused: lines of `left_out`.
    """
    labeled = [key for key, entry in index.series.items() if entry.annotations]
    if labeled:
        where, why = (
            splits_file.PATH,
            f"{len(labeled)} series are labeled, none of them is in the train split",
        )
        cure = f"write `train` beside some of them in {splits_file.PATH}"
    else:
        where, why = Path(LABELS), f"no series has {usable}"
        cure = "label some series in Label Studio, then: labeltrail sync"
        if any(UNKNOWN in line for line in unused):
            cure = (
                "give the label config in Label Studio the choices that the series have, or the series its choices, "
                "then: labeltrail sync; dvc repro"
            )
    return InputError(
        "there is nothing to learn from", where=str(where), why=_reasons(why, unused), cure=cure
    )


def nothing_to_find(index: Index, unused: Sequence[str]) -> InputError:
    """The error that the train split has nothing but background."""
    cure = "label regions in series of the train split"
    if any(UNKNOWN in line for line in unused):
        cure = "give the label config in Label Studio the labels that the regions have, or the regions its labels"
    labels = ", ".join(index.labels[:MOST])
    if len(index.labels) > MOST:
        labels += f" and {len(index.labels) - MOST:,} more labels"
    why = f"its {len(index.of('train'))} labeled series have no region of {labels}"
    return InputError(
        "the train split has nothing to find",
        where=str(PATH),
        why=_reasons(why, unused),
        cure=f"{cure}, then: labeltrail sync; dvc repro",
    )


def shown(lines: Sequence[str]) -> list[str]:
    """Lines for a terminal, at most `MOST`."""
    most = [shortened(line, LONGEST) for line in lines[:MOST]]
    if len(lines) > MOST:
        most.append(f"and {len(lines) - MOST:,} more lines like these: {PATH / 'index.json'}")
    return most


def _reasons(why: str, unused: Sequence[str]) -> str | list[str]:
    return [why, *shown(unused)] if unused else why
