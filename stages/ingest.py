"""Reads data/series and the label config's channels; writes data/arrays.

Each recording becomes a float32 array and its times, beside an index and a data-quality report. Labels are not
read here, so a changed label never runs this again. A recording that must be refused is named in quality.json
with its row and cure; the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import params
from stages.run import run
from stages.timeseries.quality import describe
from storage import arrays, label_config
from storage import series as recordings
from storage.errors import InputError
from storage.files import fresh_folder, md5
from storage.label_config import LabelConfig
from storage.problems import Problem
from storage.progress import track


def main() -> None:
    """Recordings to arrays."""
    config = label_config.load()
    gap = params.load().ingest.gap
    files = sorted(p for p in recordings.PATH.rglob("*") if p.is_file() and p.name != ".gitignore")
    with fresh_folder(arrays.PATH) as folder:
        read = {
            recordings.key_of(path): convert(path, config, gap, folder)
            for path in track([p for p in files if p.suffix == ".csv"], "reading recordings")
        }
        accepted = {key: found for key, found in read.items() if found.entry}
        refused = {key: found.problems for key, found in read.items() if not found.entry}
        if not accepted:
            raise nothing_accepted(refused)
        entries = {key: found.entry for key, found in accepted.items() if found.entry}
        rate, others = recordings.different_rates({key: e.sampling_rate for key, e in entries.items()})
        quality = {
            "series": {key: found.quality for key, found in accepted.items()},
            "refused": {key: [written(p) for p in problems] for key, problems in refused.items()},
            "not_recordings": [str(p.relative_to(recordings.PATH)) for p in files if p.suffix != ".csv"],
            "other_sampling_rates": others,
        }
        arrays.save_index(folder, arrays.Index(config.channels, rate, entries), quality)
    print(f"{len(entries)} recordings, {sum(entry.rows for entry in entries.values()):,} timepoints")
    for key, problems in refused.items():
        print(f"refused: {key}: {problems[0].what}; {problems[0].cure}")
    for key, other in others.items():
        print(f"warning: {key} has {other:g} timepoints per unit of time, most have {rate:g}")


@dataclass(frozen=True)
class Converted:
    """One recording: its line of the index (None: refused), what is odd about it, and what is wrong."""

    entry: arrays.Entry | None
    quality: dict[str, Any]
    problems: list[Problem]


def convert(path: Path, config: LabelConfig, gap: float, folder: Path) -> Converted:
    """Read one recording and write its arrays; only one is in memory at a time."""
    series, problems = recordings.inspect(path, config)
    if series is None:
        return Converted(None, {}, problems)
    arrays.save(folder, recordings.key_of(path), series)
    quality = describe(series.values, series.times, config.channels, gap)
    quality["notes"] = [written(p) for p in problems]
    return Converted(arrays.Entry(len(series.values), md5(path), series.sampling_rate), quality, problems)


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


def written(problem: Problem) -> dict[str, Any]:
    """A problem as it is written down."""
    return {"row": problem.row, "what": problem.what, "cure": problem.cure}


if __name__ == "__main__":
    run(main)
