"""`reports/`: results of the stages, for `dvc metrics` and the report page.

Layout and examples: docs/formats.md and docs/formats-choices.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.errors import InputError
from storage.files import fresh_folder, write_bytes, write_json
from storage.printable import shortened
from storage.text import csv_text, typed
from storage.text.json_text import parse_json

PAGE = Path("reports/index.html")
VERDICT = Path("reports/promote.json")
HEADLINE = Path("reports/evaluate.json")
EVALUATION = Path("reports/evaluate")
SCORES, CLASSES, SUBJECTS, CONFUSION, CALIBRATION = (
    EVALUATION / f"{name}.csv" for name in ("scores", "classes", "subjects", "confusion", "calibration")
)
CURVES = Path("reports/train/plots/metrics")
LARGEST = 1e15  # of a number in a curve
# By split, level and name.
Scores = dict[str, dict[str, dict[str, int | float | None]]]


SCORES_HEADER = ("split", "level", "name", "score")
CALIBRATION_HEADER = ("split", "level", "low", "high", "answers", "confidence", "right")
ROC_HEADER = ("split", "label", "false_positive_rate", "true_positive_rate")

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a model.

    Attributes:
        scores: by split, level and name.
        headline: names, by level, of the scores that `dvc metrics` shows.
        tables: header and rows by file name.
        lines: a line about each scored split.
        warnings: by split, why some of its series were not scored.
    """

    scores: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    headline: Mapping[str, Sequence[str]]
    tables: Mapping[str, Table]
    lines: Mapping[str, str]
    warnings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """Whether the candidate is promoted, why, and both scores; None where there was nothing to score."""

    verdict: str
    reason: str
    metric: str
    candidate: float | None
    best: float | None


@dataclass(frozen=True)
class Verdict(Decision):
    """`promote.json`: the decision, and the hashes of both models."""

    candidate_model: str
    best_model: str


def write_evaluation(evaluation: Evaluation) -> None:
    """Write the folder of tables, and the headline. Without a ROC that table has no rows."""
    scores = [
        [split, level, name, value]
        for split, levels in evaluation.scores.items()
        for level, values in levels.items()
        for name, value in values.items()
    ]
    tables = {"roc": (ROC_HEADER, []), **evaluation.tables, SCORES.stem: (SCORES_HEADER, scores)}
    with fresh_folder(EVALUATION) as folder:
        for file, (header, rows) in tables.items():
            write_csv(folder / f"{file}.csv", header, rows)
    headline = {
        split: {
            level: {name: levels[level][name] for name in names}
            for level, names in evaluation.headline.items()
        }
        for split, levels in evaluation.scores.items()
    }
    write_json(HEADLINE, headline)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table; floats to four digits, None as an empty cell."""
    rounded = ([round(v, 4) if isinstance(v, float) else v for v in row] for row in rows)
    write_bytes(path, csv_text.dump([header, *rounded]))


def rounded(
    levels: Mapping[str, Mapping[str, float | None]], intervals: Mapping[str, tuple[float, float]]
) -> dict[str, dict[str, float | None]]:
    """The scores of a split, to four digits, with the ends of their intervals as two more levels; no empty levels."""
    ends = {
        "interval_low": {name: low for name, (low, _) in intervals.items()},
        "interval_high": {name: high for name, (_, high) in intervals.items()},
    }
    return {
        level: {name: None if value is None else round(value, 4) for name, value in scores.items()}
        for level, scores in {**levels, **ends}.items()
        if scores
    }


def score_text(title: str, value: float | None, interval: tuple[float, float] | None) -> str:
    """A score as text, with its confidence interval; "none" where there is no score."""
    if value is None:
        return f"{title} none"
    ends = f" (95 %: {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return f"{title} {value:.3f}{ends}"


def read_csv(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Rows by column name; none where the file does not exist."""
    if not path.exists():
        return []
    return parse_csv(path.read_bytes(), delimiter)


def parse_csv(data: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    """Rows by column name.

    Raises:
        ValueError: it is no valid table in UTF-8.
    """
    rows = [row for _, row in csv_text.parse(data.decode("utf-8"), delimiter)]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def parse_scores(data: bytes, where: str) -> Scores:
    """The scores of a model, from the bytes of `scores.csv`.

    Raises:
        InputError: they are invalid.
    """
    scores: dict[str, Any] = {}
    try:
        for row in parse_csv(data):
            split, level, name, text = (row[column] for column in SCORES_HEADER)
            number = (int(text) if text.isdecimal() else _parse_number(text)) if text else None
            scores.setdefault(split, {}).setdefault(level, {})[name] = number
    except (KeyError, ValueError) as error:
        why = shortened(f"{type(error).__name__}: {error}")
        raise InputError("scores cannot be read", where=where, why=why, cure=remake("evaluate")) from error
    return typed.check(Scores, scores, where, remake("evaluate"))


def parse_headline(data: bytes, where: str) -> Scores:
    """Scores of a model, from the bytes of `evaluate.json`, which had all of them before 0.2.0.

    Raises:
        InputError: they are invalid.
    """
    return typed.check(Scores, parse_json(where, data), where, remake("evaluate"))


def parse_verdict(data: bytes, where: str) -> Verdict:
    """The verdict, from the bytes of `promote.json`.

    Raises:
        InputError: they are invalid.
    """
    return typed.check(Verdict, parse_json(where, data), where, remake("promote"))


def read_scores() -> Scores:
    """`SCORES` of the work tree; empty where evaluate has not run."""
    return parse_scores(SCORES.read_bytes(), str(SCORES)) if SCORES.exists() else {}


def read_verdict() -> Verdict | None:
    """`VERDICT` of the work tree; None where promote has not run."""
    return parse_verdict(VERDICT.read_bytes(), str(VERDICT)) if VERDICT.exists() else None


@contextmanager
def translate_table_errors() -> Iterator[None]:
    """Translate the errors that a damaged table or curve raises.

    Raises:
        InputError: a column is missing, or a cell is no number.
    """
    try:
        yield
    except (KeyError, ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError) as error:
        why = shortened(f"{type(error).__name__}: {error}")
        where, cure = str(SCORES.parent), "dvc repro --single-item --force train evaluate, then: dvc repro"
        raise InputError("a table of the report cannot be read", where=where, why=why, cure=cure) from error


def remake(stage: str) -> str:
    """The command that rewrites the report of a stage."""
    return f"dvc repro --single-item --force {stage}, then: dvc repro"


def read_curves() -> dict[str, list[float]]:
    """Training curves by name, one value for each epoch, from the column with the file's name.

    Raises:
        ValueError: a value is no valid number.
    """
    return {
        path.relative_to(CURVES).with_suffix("").as_posix(): [
            _parse_number(row[path.stem]) for row in read_csv(path, "\t")
        ]
        for path in CURVES.rglob("*.tsv")
    }


def _parse_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or abs(number) > LARGEST:
        raise ValueError(f"{text} is no number of a curve")
    return number
