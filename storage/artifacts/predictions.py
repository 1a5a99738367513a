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
    """A predicted region.

    Attributes:
        start, end: times in the format of the label config; equal for an instant.
        start_row, end_row: the same as timepoints, both inclusive.
        score: probability of the region, 0 to 1, calibrated on the validation split.
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
        uncertainty: mean entropy of the class probabilities, 0 (certain) to 1 (uniform).
        regions: by start; empty where all is background.
        choices: in the order of the label config; empty for segmentation, or where no label applies.
    """

    series: str
    model: str
    score: Share
    uncertainty: Share
    regions: tuple[PredictedRegion, ...]
    choices: tuple[PredictedChoice, ...] = ()


def write(predictions: Iterable[Prediction], path: Path = PATH) -> int:
    """Replace the whole folder, one series at a time; returns their number."""
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
        InputError: there is none, its format is newer than known, or it is invalid.
    """
    file = path / f"{key}.json"
    prediction = typed.read(file, VERSION, Prediction, CURE, REMAKE)
    rows = [(region.start_row, region.end_row) for region in prediction.regions]
    if prediction.series != key or any(start > end for start, end in rows):
        other_series = f"it is of {prediction.series!r}" if prediction.series != key else ""
        why = other_series or "a region ends before it starts"
        raise InputError(f"{file} is invalid", where=str(file), why=why, cure=REMAKE)
    return prediction
