"""Reads data/series and the label config's channels; writes data/arrays.

Each recording becomes a float32 array and its times, beside an index and a data-quality report. Labels are not
read here, so a changed label never runs this again. A recording that must be refused is named in quality.json
with its row and cure; the others go on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages import params
from stages.run import run
from stages.timeseries.quality import describe
from storage import arrays, label_config
from storage import series as recordings
from storage.errors import InputError
from storage.files import md5
from storage.label_config import LabelConfig
from storage.problems import Problem
from storage.progress import track
from storage.series import Series


def main() -> None:
    """Recordings to arrays."""
    config = label_config.load()
    gap = params.load().ingest.gap
    files = sorted(p for p in recordings.PATH.rglob("*") if p.is_file() and p.name != ".gitignore")
    accepted, problems = read_all([p for p in files if p.suffix == ".csv"], config)
    refused = {
        key: [p for p in found if p.fatal] for key, found in problems.items() if any(p.fatal for p in found)
    }
    if not accepted:
        raise nothing_accepted(refused)
    index = make_index(accepted, config)
    quality = {
        "series": {key: report(accepted[key], problems[key], config, gap) for key in accepted},
        "refused": {key: [written(p) for p in found] for key, found in refused.items()},
        "not_recordings": [str(p.relative_to(recordings.PATH)) for p in files if p.suffix != ".csv"],
        "other_sampling_rates": recordings.different_rates(
            {key: entry.sampling_rate for key, entry in index.series.items()}
        )[1],
    }
    arrays.write(accepted, index, quality)
    print(f"{len(accepted)} recordings, {sum(e.rows for e in index.series.values()):,} timepoints")
    for key, found in refused.items():
        print(f"refused: {key}: {found[0].what}; {found[0].cure}")


def read_all(files: list[Path], config: LabelConfig) -> tuple[dict[str, Series], dict[str, list[Problem]]]:
    """The recordings that can be used, and what is wrong or odd about each."""
    accepted, problems = {}, {}
    for path in track(files, "reading recordings"):
        key = recordings.key_of(path)
        series, problems[key] = recordings.inspect(path, config)
        if series is not None:
            accepted[key] = series
    return accepted, problems


def nothing_accepted(refused: dict[str, list[Problem]]) -> InputError:
    """No recording is left to work with."""
    if not refused:
        cure = "labeltrail import PATH"
        return InputError("there are no recordings", where=str(recordings.PATH), cure=cure)
    key, (first, *_) = next(iter(refused.items()))
    where = f"{recordings.PATH / key}.csv:{first.row or 1}"
    return InputError(
        f"all {len(refused)} recordings are refused: {first.what}", where=where, cure=first.cure
    )


def make_index(accepted: dict[str, Series], config: LabelConfig) -> arrays.Index:
    """What is where, and how fast it was sampled."""
    entries = {
        key: arrays.Entry(len(s.values), md5(recordings.PATH / f"{key}.csv"), s.sampling_rate)
        for key, s in accepted.items()
    }
    common, _ = recordings.different_rates({key: entry.sampling_rate for key, entry in entries.items()})
    return arrays.Index(config.channels, common, entries)


def report(series: Series, problems: list[Problem], config: LabelConfig, gap: float) -> dict[str, Any]:
    """The line of one series in quality.json."""
    found = describe(series.values, series.times, config.channels, gap)
    return {**found, "notes": [written(p) for p in problems]}


def written(problem: Problem) -> dict[str, Any]:
    """A problem as it is written down."""
    return {"row": problem.row, "what": problem.what, "cure": problem.cure}


if __name__ == "__main__":
    run(main)
