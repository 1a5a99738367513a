"""The study of a tuning: one JSON file that says what was tried, on which data, and how it did.

It is written anew after each trial, so that a tuning that was cut off goes on behind its last one. A file of our own
and none of Optuna's storages: those hold clock times and ids of processes, and the same tuning makes the same bytes.
Layout: docs/recipes/tuning-classifier.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from storage.errors import InputError
from storage.files import read_json, write_json

VERSION = 1


@dataclass(frozen=True)
class Trial:
    """Params that were tried.

    Attributes:
        number: from 1.
        state: complete; pruned: given up, for it did worse than most; failed: `why` says how.
        params: all that the training went by, the seed among them.
        loss: cross-entropy on series that were not learnt from; None where it is not complete.
        accuracy: share of those series of which everything that is said is right; None likewise.
        curve: loss by step of the way through the trial, as far as it went.
        why: of a failure.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    params: Mapping[str, Any]
    loss: float | None
    accuracy: float | None
    curve: Mapping[int, float]
    why: str

    @property
    def end(self) -> float | None:
        """The loss it ended with, or stood at when it was given up."""
        return self.loss if self.loss is not None else next(reversed([*self.curve.values()]), None)


@dataclass(frozen=True)
class Study:
    """All trials so far, and all that they have in common.

    Attributes:
        about: data by MD5, ranges and fixed params; a tuning can only go on where these are the same.
        trials: in the order in which they were tried.
    """

    about: Mapping[str, Any]
    trials: tuple[Trial, ...]

    @property
    def ranking(self) -> list[Trial]:
        """Complete trials by their loss, then the pruned ones by where they stood, then the failed ones."""
        order = ("complete", "pruned", "failed")
        return sorted(
            self.trials, key=lambda t: (order.index(t.state), math.inf if t.end is None else t.end, t.number)
        )

    @property
    def best(self) -> Trial | None:
        """The complete trial of the lowest loss; the earlier of two."""
        first = self.ranking[0] if self.trials else None
        return first if first and first.state == "complete" else None

    def to_json(self) -> dict[str, Any]:
        """What the file holds."""
        return {
            "version": VERSION,
            "about": dict(self.about),
            "trials": [
                asdict(trial) | {"curve": [[step, loss] for step, loss in trial.curve.items()]}
                for trial in self.trials
            ],
        }


def read(path: Path, about: Mapping[str, Any]) -> Study:
    """The study at `path`; an empty one where nothing is there.

    Raises:
        InputError: the file is no study, or one of other data, ranges or params; names what differs.
    """
    if not path.exists():
        return Study(about, ())
    cure = "--study with the name of a new file"
    value = read_json(path, VERSION, cure)
    if not isinstance(value.get("about"), dict) or not isinstance(value.get("trials"), list):
        raise InputError(f"{path} is no study of a tuning", where=str(path), cure=cure)
    differs = [
        name for name in sorted({*about, *value["about"]}) if value["about"].get(name) != about.get(name)
    ]
    if differs:
        raise InputError(
            "this study cannot be gone on with",
            where=str(path),
            why=f"it has other {', '.join(differs)}",
            cure=f"{cure}, or give it what it began with",
        )
    trials = [Trial(**{**trial, "curve": dict(trial["curve"])}) for trial in value["trials"]]
    return Study(value["about"], tuple(trials))


def write(study: Study, path: Path) -> None:
    """Put it at `path`."""
    write_json(path, study.to_json())
