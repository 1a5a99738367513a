"""The study of a tuning: one JSON file with its trials and their scores.

It is rewritten after each trial, so that an interrupted tuning resumes after the last one. Not one of Optuna's
storages, which hold clock times and process ids: the same tuning makes the same bytes. A project has a study for each
combination of dataset, ranges and fixed params, named by their hash, in git. Layout:
docs/recipes/tuning-classifier.md.
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
    """One trial of a tuning.

    Attributes:
        number: from 1.
        state: complete; pruned: stopped, for it did worse than most; failed: `why` says how.
        params: all params of the training, the seed among them.
        loss: cross-entropy on held-out series; None where it is not complete.
        accuracy: share of those series with all labels right; None likewise.
        curve: step and loss of each report, as far as the trial went.
        why: reason of a failure.
        model: hash of its model; "" where it trained none on the whole train split: it was cross-validated, pruned,
            or failed.
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
    """All trials so far, and what they have in common.

    Attributes:
        about: data by MD5, ranges and fixed params; a tuning can only be resumed where these are the same.
        trials: in the order of their numbers.
    """

    about: Mapping[str, Any]
    trials: tuple[Trial, ...]

    @property
    def ranking(self) -> list[Trial]:
        """Complete trials by loss, then pruned ones by their last loss, then failed ones."""
        order = ("complete", "pruned", "failed")
        return sorted(
            self.trials, key=lambda t: (order.index(t.state), math.inf if t.end is None else t.end, t.number)
        )

    @property
    def best(self) -> Trial | None:
        """The complete trial with the lowest loss; of equal ones the first."""
        first = self.ranking[0] if self.trials else None
        return first if first and first.state == "complete" and first.loss is not None else None

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        return {"version": VERSION, **asdict(self)}


def read(path: Path, about: Mapping[str, Any]) -> Study:
    """The study at `path`; an empty one where there is no file.

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
    """The study at `path`, of any data.

    Raises:
        NotFoundError: there is no file.
        InputError: the file is no study.
    """
    if not path.exists():
        others = ", ".join(str(other) for other in sorted(path.parent.glob("*.json")) if _is_study(other))
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


def _is_study(path: Path) -> bool:
    try:
        load(path)
    except InputError:
        return False
    return True


def path_of(about: Mapping[str, Any]) -> Path:
    """Path of a project's study, named by the hash of what its trials have in common."""
    return FOLDER / f"{md5_bytes(json.dumps(about, sort_keys=True).encode())[:8]}.json"


def of_project(root: Path) -> Iterator[tuple[Path, Study]]:
    """The studies of a project's own data, with their paths relative to its top folder."""
    for path in sorted((root / FOLDER).glob("*.json")):
        study = load(path)
        if "labels" in study.about:
            yield path.relative_to(root), study


def write(study: Study, path: Path) -> None:
    """Write a study."""
    write_json(path, study.to_json())
