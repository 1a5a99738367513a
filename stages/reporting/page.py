"""The report, one page about a model: what both kinds of task have in common.

Dataset and candidate must exist; what else is missing is named on the page with the command that makes it. Markup
and style are in templates/page.html and report.css, which Jinja fills and escapes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError

from stages import params
from stages.reporting import dataset_summary, tables
from stages.reporting.figures import Chart
from stages.reporting.tables import HELD_OUT
from storage.artifacts import arrays, checkpoint, dataset, provenance, reports
from storage.artifacts.checkpoint import Checkpoint
from storage.artifacts.provenance import Provenance
from storage.errors import InputError
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.labels import snapshot
from storage.paths import BEST, CANDIDATE
from storage.printable import say, shortened


@dataclass(frozen=True)
class Inputs:
    """The inputs of the page; None or empty: the stage that writes it has not run."""

    config: LabelConfig
    params: params.Params
    index: dataset.Index
    model: Checkpoint
    provenance: Provenance
    best: str | None
    annotators: dict[str, str]
    verdict: reports.Verdict | None
    scores: reports.Scores
    classes: list[dict[str, str]]
    subjects: list[dict[str, str]]
    calibration: list[dict[str, str]]
    confusion: list[dict[str, str]]
    curves: dict[str, list[float]]
    quality: dict[str, Any] | None


def load() -> Inputs:
    """Read what there is.

    Raises:
        InputError: there is no dataset, candidate, label config or params yet, or a file is invalid.
    """
    best = BEST.exists()
    with reports.translate_table_errors():
        curves = reports.read_curves()
        classes, subjects = reports.read_csv(reports.CLASSES), reports.read_csv(reports.SUBJECTS)
        calibration, confusion = reports.read_csv(reports.CALIBRATION), reports.read_csv(reports.CONFUSION)
    return Inputs(
        config=label_config.load(),
        params=params.load(),
        index=dataset.read_index(),
        model=_with_defaults(checkpoint.read(CANDIDATE)),
        provenance=provenance.read(CANDIDATE),
        best=provenance.read(BEST).model if best else None,
        annotators={
            record["id"]: str(record.get("annotator", ""))
            for records in snapshot.read().values()
            for record in records
        },
        verdict=reports.read_verdict(),
        scores=reports.read_scores(),
        classes=classes,
        subjects=subjects,
        calibration=calibration,
        confusion=confusion,
        curves=curves,
        quality=arrays.read_quality(),
    )


def _with_defaults(model: Checkpoint) -> Checkpoint:
    """The model, with defaults for what its training record lacks."""
    unknown: dict[str, Any] = {"epochs": 0, "best_epoch": 0, "stopped": "", "kept": "", "accuracy": None}
    validation = {"accuracy": None, **(model.training.get("validation") or {})}
    return replace(model, training={**unknown, **model.training, "validation": validation})


def held_out(index: dataset.Index) -> dict[str, list[str]]:
    """Groups of the labeled series of each split that is scored."""
    return {name: [index.series[key].group for key in index.of(name)] for name in HELD_OUT}


def calibration_errors(scores: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Expected calibration error by split and level, timepoints first."""
    return {
        name: dict(sorted(scores[name].get("calibration", {}).items(), reverse=True))
        for name in HELD_OUT
        if name in scores
    }


def write(template: str, found: Inputs, charts: list[Chart], **values: Any) -> None:
    """Write the page; `values` are those that only this template uses."""
    try:
        text = _page(template, found, charts, values)
    except (
        UndefinedError,
        TypeError,
        ValueError,
    ) as error:  # of the scores, which hold what evaluate of another version wrote
        cure = reports.remake("evaluate")
        raise InputError(
            "the scores lack what the report shows",
            where=str(reports.SCORES),
            why=shortened(str(error)),
            cure=cure,
        ) from error
    write_bytes(reports.PAGE, text.encode())
    say(f"{reports.PAGE}: {len(text.encode()) / 1024:,.0f} KiB")


def _page(template: str, found: Inputs, charts: list[Chart], values: dict[str, Any]) -> str:
    return render(
        template,
        found=found,
        # Where times are plain numbers, their unit is not known.
        hertz=found.index.sampling_rate if found.config.time_format else None,
        origin=dataset_summary.origin(found.index, found.annotators, found.provenance.annotations),
        bootstrap={name: tables.bootstrap_unit(groups) for name, groups in held_out(found.index).items()},
        quality=dataset_summary.quality(found.quality) if found.quality else None,
        charts=charts,
        **values,
    )


def render(template: str, **values: Any) -> str:
    """Values to HTML; a missing value is an error."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": "{:,}".format,
        "share": tables.share,
        "score": tables.score,
        "colour": label_config.colour,
        "ink": ink,
    }
    return environment.get_template(template).render(values)


def ink(index: int) -> str:
    """Black or white, whichever is read more easily on the colour of the class with this index."""
    red, green, blue = (int(label_config.colour(index)[i : i + 2], 16) / 255 for i in (1, 3, 5))
    light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "#fff" if light < 0.18 else "#111"
