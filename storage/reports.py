"""`reports/`: what stages say about a model, for people, `dvc metrics` and the page.

Layout and examples: docs/formats.md and docs/formats-choices.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storage import csv_text
from storage.files import write_bytes

PAGE = Path("reports/index.html")
VERDICT = Path("reports/promote.json")
SCORES = Path("reports/evaluate.json")
CLASSES = Path("reports/classes.csv")
SUBJECTS = Path("reports/subjects.csv")
CONFUSION = Path("reports/confusion.csv")
CALIBRATION = Path("reports/calibration.csv")
CURVES = Path("reports/train/plots/metrics")


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table; fractions to four digits, None is empty."""
    rounded = ([round(v, 4) if isinstance(v, float) else v for v in row] for row in rows)
    write_bytes(path, csv_text.dump([header, *rounded]))


def rounded(
    levels: Mapping[str, Mapping[str, float | None]], intervals: Mapping[str, tuple[float, float]]
) -> dict[str, dict[str, float | None]]:
    """The scores of a set as `SCORES` has them: to four digits, None (`null`) where there is none, with the ends of
    intervals; empty levels left out."""
    ends = {
        "interval_low": {name: low for name, (low, _) in intervals.items()},
        "interval_high": {name: high for name, (_, high) in intervals.items()},
    }
    return {
        level: {name: None if value is None else round(value, 4) for name, value in found.items()}
        for level, found in {**levels, **ends}.items()
        if found
    }


def in_words(title: str, value: float | None, interval: tuple[float, float] | None) -> str:
    """A score for a line of output, with the ends of its interval; "none" where there is nothing to score by."""
    if value is None:
        return f"{title} none"
    ends = f" (95 %: {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return f"{title} {value:.3f}{ends}"


def read_csv(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Rows by column name; none where the file is not there."""
    if not path.exists():
        return []
    rows = [row for _, row in csv_text.parse(path.read_bytes().decode("utf-8"), delimiter)]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def read_json(path: Path) -> Any:
    """What a stage wrote; None where it has not run."""
    return json.loads(path.read_bytes()) if path.exists() else None


def read_curves() -> dict[str, list[float]]:
    """What was measured in each epoch of the training, by name; a file's column is named after it."""
    return {
        path.relative_to(CURVES).with_suffix("").as_posix(): [
            float(row[path.stem]) for row in read_csv(path, "\t")
        ]
        for path in CURVES.rglob("*.tsv")
    }
