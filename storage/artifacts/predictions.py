"""`data/predictions/`: predictions of the best model for each series, written by predict.

Layout and example: docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from storage.errors import InputError
from storage.files import fresh_folder, write_json
from storage.text import typed
from storage.text.typed import Count, Share

PATH = Path("data/predictions")
VERSION = 2
CURE = "dvc repro predict"
REMAKE = "dvc repro --single-item --force predict"


@dataclass(frozen=True)
class PredictedRegion:
    """One region that a model found.

    Attributes:
        start, end: times in the form that the label config asks for; equal for an instant.
        start_row, end_row: the same as timepoints, both inclusive.
        score: probability that it is there, 0 to 1, calibrated on the validation split.
    """

    start: float | str
    end: float | str
    start_row: Count
    end_row: Count
    label: str
    instant: bool
    score: Share


@dataclass(frozen=True)
class PredictedChoice:
    """A label predicted for a whole series, and its probability, 0 to 1."""

    label: str
    score: Share


@dataclass(frozen=True)
class Prediction:
    """The prediction of one model for one series.

    Attributes:
        series: series key.
        model: hash of the model.
        score: mean probability, over all timepoints (or choices), that the decision is right, 0 to 1.
        uncertainty: mean entropy of the class probabilities, 0 (sure) to 1 (no idea).
        regions: by start; empty where all is background.
        choices: in the order of the label config; empty where regions are asked for, or nothing is so.
    """

    series: str
    model: str
    score: Share
    uncertainty: Share
    regions: tuple[PredictedRegion, ...]
    choices: tuple[PredictedChoice, ...] = ()


def write(predictions: Iterable[Prediction], path: Path = PATH) -> int:
    """Write the whole folder anew, one series at a time; returns how many."""
    count = 0
    with fresh_folder(path) as folder:
        for prediction in predictions:
            write_json(folder / f"{prediction.series}.json", {"version": VERSION, **asdict(prediction)})
            count += 1
    return count


def keys(path: Path = PATH) -> list[str]:
    """Series keys that have a prediction, sorted."""
    return sorted(file.relative_to(path).with_suffix("").as_posix() for file in path.rglob("*.json"))


def read(key: str, path: Path = PATH) -> Prediction:
    """Read the prediction of one series.

    Raises:
        InputError: there is none, its format is newer than known, or it is not as it must be.
    """
    place = path / f"{key}.json"
    found = typed.read(place, VERSION, Prediction, CURE, REMAKE)
    ends = [(region.start_row, region.end_row) for region in found.regions]
    if found.series != key or any(start > end for start, end in ends):
        why = f"it is of {found.series!r}" if found.series != key else "a region ends before it starts"
        raise InputError(f"{place} is not as it must be", where=str(place), why=why, cure=REMAKE)
    return found
