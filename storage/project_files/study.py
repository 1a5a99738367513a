"""The study of a tuning: one JSON file with its trials, data and scores.

It is written anew after each trial, so that an interrupted tuning resumes after its last one. A file of our own
and none of Optuna's storages: those hold clock times and ids of processes, and the same tuning makes the same bytes.
A project has one for each dataset, ranges and fixed params, named by them: git keeps it with the labels that it is
of, and none overwrites another. Layout: docs/recipes/tuning-classifier.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from storage.errors import InputError, NotFoundError
from storage.files import md5_bytes, write_json
from storage.text import typed
from storage.text.typed import Count

FOLDER = Path("data/tuning")
CURE = "--study with the name of another file"
VERSION = 1


@dataclass(frozen=True)
class Trial:
    """Params that were tried.

    Attributes:
        number: from 1.
        state: complete; pruned: stopped, for it did worse than most; failed: `why` says how.
        params: all params of the training, the seed among them.
        loss: cross-entropy on series that it was not trained on; None where it is not complete.
        accuracy: share of those series whose prediction is right in all labels; None likewise.
        curve: loss by step of the way through the trial, as far as it went.
        why: of a failure.
        model: hash of the model that it made; "" where it made none trained on the whole train split: it was
            cross-validated, pruned, or failed.
    """

    number: Count
    state: Literal["complete", "pruned", "failed"]
    params: Mapping[str, Any]
    loss: float | None
    accuracy: float | None
    curve: tuple[tuple[Count, float], ...]
    why: str
    model: str = ""

    @property
    def end(self) -> float | None:
        """The final loss, or the last one before it was pruned."""
        return self.loss if self.loss is not None else self.curve[-1][1] if self.curve else None


@dataclass(frozen=True)
class Study:
    """All trials so far, and all that they have in common.

    Attributes:
        about: data by MD5, ranges and fixed params; a tuning can only be resumed where these are the same.
        trials: in the order in which they were tried.
    """

    about: Mapping[str, Any]
    trials: tuple[Trial, ...]

    @property
    def ranking(self) -> list[Trial]:
        """Complete trials by their loss, then the pruned ones by their last loss, then the failed ones."""
        order = ("complete", "pruned", "failed")
        return sorted(
            self.trials, key=lambda t: (order.index(t.state), math.inf if t.end is None else t.end, t.number)
        )

    @property
    def best(self) -> Trial | None:
        """The complete trial of the lowest loss; the earlier of two."""
        first = self.ranking[0] if self.trials else None
        return first if first and first.state == "complete" and first.loss is not None else None

    def to_json(self) -> dict[str, Any]:
        """What the file holds."""
        return {"version": VERSION, **asdict(self)}


def read(path: Path, about: Mapping[str, Any]) -> Study:
    """The study at `path`; an empty one where nothing is there.

    Raises:
        InputError: the file is no study, or one of other data, ranges or params; names what differs.
    """
    if not path.exists():
        return Study(about, ())
    study = load(path)
    differs = [name for name in sorted({*about, *study.about}) if study.about.get(name) != about.get(name)]
    if differs:
        what, why = "this study cannot be resumed", f"it has other {', '.join(differs)}"
        raise InputError(what, where=str(path), why=why, cure=f"{CURE}, or give it what it began with")
    return study


def load(path: Path) -> Study:
    """The study at `path`, whatever it is of.

    Raises:
        NotFoundError: nothing is there.
        InputError: the file is no study.
    """
    if not path.exists():
        others = ", ".join(str(other) for other in sorted(path.parent.glob("*.json")) if _is_one(other))
        why = f"there are: {others}" if others else "nothing was tuned yet"
        cure = "--study with one of them" if others else "labeltrail classify tune"
        raise NotFoundError("there is no study of a tuning", where=str(path), why=why, cure=cure)
    try:
        study = typed.read(path, VERSION, Study, CURE)
    except InputError as error:
        what = f"{path} is no study of a tuning"
        raise InputError(what, where=str(path), why=error.why or error.what, cure=CURE) from error
    complete = [trial for trial in study.trials if trial.state == "complete"]
    unscored = next((t.number for t in complete if t.loss is None or t.loss < 0), None)
    if unscored is not None:
        why = f"trial {unscored} is complete, and has no loss"
        raise InputError(f"{path} is no study of a tuning", where=str(path), why=why, cure=CURE)
    return study


def _is_one(path: Path) -> bool:
    try:
        load(path)
    except InputError:
        return False
    return True


def place_of(about: Mapping[str, Any]) -> Path:
    """Where the study of a project rests: a name that follows from what all its trials have in common."""
    return FOLDER / f"{md5_bytes(json.dumps(about, sort_keys=True).encode())[:8]}.json"


def of_project(root: Path) -> Iterator[tuple[Path, Study]]:
    """The studies of a project's own data, by the name of their files, relative to its top folder."""
    for path in sorted((root / FOLDER).glob("*.json")):
        study = load(path)
        if "labels" in study.about:
            yield path.relative_to(root), study


def write(study: Study, path: Path) -> None:
    """Put it at `path`."""
    write_json(path, study.to_json())
