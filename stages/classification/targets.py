"""Annotations to the true classes of a whole series.

The rules are those of `stages/segmentation/targets.py`: skipped annotations do not count; the newest ground truth
wins alone; else by the param `disagreement`: `vote` (the newest annotation of each annotator has one vote, ties go to
the newest; several choices are voted on one by one), `newest` alone, or `agree` (left out where they do not agree).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.timeseries.voting import Disagreement, Record, quoted, voters
from storage.label_studio.label_config import LabelConfig


@dataclass(frozen=True)
class Target:
    """The true classes of one series.

    Attributes:
        choices: in the order of the label config.
        annotations: ids of the label records that counted, sorted; empty: not labeled.
        left_out: how many things were not used, by what they are.
    """

    choices: tuple[str, ...]
    annotations: tuple[str, ...]
    left_out: Counter[str]


@dataclass(frozen=True)
class Labeled:
    """Labeled series: values float32 (series, channels, length), targets bool (series, classes)."""

    values: NDArray[np.float32]
    targets: NDArray[np.bool_]


def make_target(
    records: Sequence[Record], config: LabelConfig, disagreement: Disagreement = "vote"
) -> Target:
    """The true classes of one series, from all its label records."""
    left_out: Counter[str] = Counter()
    left_out["skipped annotation"] = sum(bool(record.get("was_cancelled")) for record in records)
    ballots = [
        (str(record["id"]), read_choices(record, config, left_out))
        for record in voters(records, disagreement)
    ]
    given = [(name, choices) for name, choices in ballots if choices is not None]
    if not given:
        return Target((), (), +left_out)
    chosen = [choices for _, choices in given]
    if disagreement == "agree" and any(choices != chosen[0] for choices in chosen):
        left_out["series on which annotators disagree"] += 1
        return Target((), (), +left_out)
    return Target(elect(chosen, config), tuple(sorted(name for name, _ in given)), +left_out)


def elect(ballots: Sequence[tuple[str, ...]], config: LabelConfig) -> tuple[str, ...]:
    """The majority; `ballots` are newest first, and where votes tie the newest decides."""
    if config.task != "multilabel":
        counts = Counter(ballots)
        return max(ballots, key=lambda ballot: counts[ballot])
    votes = {label: sum(label in ballot for ballot in ballots) for label in config.labels}
    half = len(ballots) / 2
    return tuple(n for n in config.labels if votes[n] > half or (votes[n] == half and n in ballots[0]))


def read_choices(record: Record, config: LabelConfig, left_out: Counter[str]) -> tuple[str, ...] | None:
    """The choices of one annotation, None without one; what cannot be used is counted, by what it is.

    Where any number of choices may be made, none is a choice too; one that the label config lacks is not none.
    """
    found: list[str] = []
    for item in record["result"]:
        if item.get("type") != "choices" or item.get("from_name") != config.control_tag:
            left_out["result item that is no choice of the control tag"] += 1
            continue
        value = item.get("value")
        names = value.get("choices") if isinstance(value, dict) else None
        found += [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    meant = {name: config.label_of(name) for name in found}
    for name in sorted(name for name, label in meant.items() if label is None):
        left_out[f"choice {quoted(name)}, which the label config lacks"] += 1
    known = tuple(label for label in config.labels if label in meant.values())
    if not found and config.task != "multilabel":
        left_out["annotation without a choice, where one is asked for"] += 1
    if len(known) > 1 and config.task != "multilabel":
        left_out["annotation with several choices, where one is asked for"] += 1
        return None
    return known if known or (config.task == "multilabel" and not found) else None


def why_unfit(values: NDArray[np.float32], length: int) -> str:
    """Why a network of series of this length cannot take values (timepoints, channels); "" where it can."""
    if len(values) != length:
        return f"it has {len(values):,} timepoints, the others have {length:,}"
    missing = int(np.count_nonzero(np.isnan(values)))
    return f"it lacks {missing:,} number{'s' * (missing > 1)}" if missing else ""
