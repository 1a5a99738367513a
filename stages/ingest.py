"""Reads data/series and the label config's channels; writes data/arrays.

Each recording becomes a float32 array and its times, beside an index and a data-quality report. Labels are not
read here, so a changed label never runs this again. A recording that must be refused is named in quality.json
with its row and cure; the others are kept. One of another sampling rate than most is refused or resampled, by param.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages import params
from stages.run import run
from stages.timeseries import resampling
from stages.timeseries.quality import describe
from storage.artifacts import arrays
from storage.errors import InputError
from storage.files import fresh_folder
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.printable import say
from storage.progress import track
from storage.s3 import keys
from storage.series import recording
from storage.series import recording_reader as recordings
from storage.series.validation import Problem

# A recording in another unit of time may seem to have one timepoint in a year.
MAX_RESAMPLED = 100_000_000  # timepoints after resampling
MAX_FACTOR = 10  # times as many as before, where that is more


def main() -> None:
    """Recordings to arrays."""
    config, settings = label_config.load(), params.load().ingest
    files = sorted(p for p in recordings.PATH.rglob("*") if p.is_file() and p.name != ".gitignore")
    with fresh_folder(arrays.PATH) as folder:
        read = {
            recordings.key_of(path): convert(path, config, settings.gap, folder)
            for path in track([p for p in files if p.suffix == ".csv"], "reading recordings")
        }
        rate, others = unify_sampling_rates(read, settings, folder)
        accepted = {key: found for key, found in read.items() if found.entry}
        refused = {key: found.problems for key, found in read.items() if not found.entry}
        if not accepted:
            raise nothing_accepted(refused)
        entries = {key: found.entry for key, found in accepted.items() if found.entry}
        quality = {
            "series": {key: found.quality for key, found in accepted.items()},
            "refused": {key: [to_json(p) for p in problems] for key, problems in refused.items()},
            "not_recordings": [str(p.relative_to(recordings.PATH)) for p in files if p.suffix != ".csv"],
            "other_sampling_rates": others,
        }
        arrays.save_index(folder, arrays.Index(config.channels, rate, entries), quality)
    say(f"{len(entries)} recordings, {sum(entry.rows for entry in entries.values()):,} timepoints")
    for key, problems in refused.items():
        say(f"refused: {key}: {problems[0].what}; {problems[0].cure}")
    for key in sorted(others.keys() & entries.keys()):
        say(f"resampled: {key} has {others[key]:g} timepoints per unit of time, most have {rate:g}")


@dataclass(frozen=True)
class Converted:
    """One recording: its line of the index (None: refused), what is odd about it, and what is wrong."""

    entry: arrays.Entry | None
    quality: dict[str, Any]
    problems: list[Problem]


def convert(path: Path, config: LabelConfig, gap: float, folder: Path) -> Converted:
    """Read one recording and write its arrays; only one is in memory at a time."""
    why = keys.key_problem(recordings.key_of(path))
    if why:
        return Converted(None, {}, [Problem(None, f"no series can have this name: {why}", "rename the file")])
    try:
        found = recordings.examine(path, config, rewrite=False)
    except OSError as error:
        return Converted(None, {}, [Problem(None, f"it cannot be read: {error.strerror}", "check the file")])
    series, problems = found.series, found.problems
    if series is None or not found.shown:
        # Regions that somebody marks on other numbers, or at other times, would be trained on at the wrong places.
        return Converted(None, {}, problems if series is None else [recordings.misread_problem(found)])
    arrays.save(folder, recordings.key_of(path), series)
    quality = describe(series.values, series.times, config.channels, gap)
    quality["notes"] = [to_json(p) for p in problems]
    return Converted(arrays.Entry(len(series.values), series.sampling_rate), quality, problems)


def unify_sampling_rates(
    read: dict[str, Converted], settings: params.Ingest, folder: Path
) -> tuple[float | None, dict[str, float]]:
    """Refuse or resample recordings of another rate: a network takes every timepoint for the same time.

    Returns:
        The rate of the project, and the rates of those recordings, as they were.
    """
    entries = {key: found.entry for key, found in read.items() if found.entry}
    rate, others = recording.different_rates({key: entry.sampling_rate for key, entry in entries.items()})
    if rate is None:
        return None, {}
    for key, its in others.items():
        resample, rows = settings.rates == "resample", entries[key].rows
        far = resample and rows * max(rate / its, 1.0) > max(MAX_RESAMPLED, MAX_FACTOR * rows)
        if resample and not far:
            entry = resample_arrays(key, entries[key], rate, settings.gap, folder)
            read[key] = replace(read[key], entry=entry)
        else:
            arrays.remove(folder, key)
            read[key] = Converted(None, {}, [other_rate_problem(its, rate, far)])
    return rate, others


def resample_arrays(key: str, entry: arrays.Entry, rate: float, gap: float, folder: Path) -> arrays.Entry:
    """Replace a recording's arrays by those at the project's rate."""
    values, times = arrays.values(key, folder), arrays.times(key, folder)
    onto = resampling.even_times(times, rate, gap)
    blocks = resampling.resample(values, times, onto, rate, gap)
    arrays.replace(folder, key, onto, resampling.nearest_times(times, onto), blocks)
    return replace(entry, rows=len(onto), sampling_rate=rate)


def other_rate_problem(its: float, rate: float, far: bool) -> Problem:
    """Why a recording of another rate is refused; `far`: at the project's rate it would fill memory and disk."""
    what = f"it has {its:g} timepoints per unit of time, most recordings have {rate:g}"
    if far:
        return Problem(
            None,
            f"{what}: too few to resample it",
            "write its times in the unit of the others, or leave it out",
        )
    return Problem(None, what, "set ingest.rates to resample in params.yaml, or export it as the others are")


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


def to_json(problem: Problem) -> dict[str, Any]:
    """A problem as quality.json has it."""
    return {"row": problem.row, "what": problem.what, "cure": problem.cure}


if __name__ == "__main__":
    run(main)
