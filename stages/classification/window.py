"""Reads data/arrays, data/labels, the label config and data/sets.csv; writes data/dataset.

Every labeled series gets what the whole of it is; a window is a series. The network takes series of one length and
without holes: others are left out by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from stages import params
from stages.classification.targets import Said, what_it_is, why_unfit
from stages.timeseries import dataset_warnings
from storage.artifacts import arrays, dataset
from storage.artifacts.dataset import LEARNT
from storage.files import fresh_folder
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.labels import snapshot
from storage.printable import say
from storage.project_files import splits_file


def main() -> None:
    """Labels to classes of whole series."""
    config, rule = label_config.load(), params.load().window.disagreement
    ingested, rows, records = arrays.read_index(), splits_file.read(), snapshot.read()
    keys = sorted(records.keys() & ingested.series.keys())
    length = usual_length({key: ingested.series[key].rows for key in keys or ingested.series})
    said: dict[str, Said] = {}
    unfit: dict[str, str] = {}
    for key in keys:
        found = what_it_is(records[key], config, rule)
        why = why_unfit(arrays.values(key), length) if found.annotations else ""
        if why:
            unfit[key] = why
            found = replace(found, choices=(), annotations=())
        said[key] = found
    index = make_index(said, ingested, rows, config, length)
    unused = {key: found.left_out for key, found in said.items()}
    left_out = dataset_warnings.left_out(unused, records.keys() - ingested.series.keys(), unfit)
    if not index.of("train"):
        raise dataset_warnings.nothing_to_learn(index, "a choice that can be used", left_out)
    warnings = tuple(f"warning: {line}" for line in dataset_warnings.warnings(index))
    with fresh_folder(dataset.PATH) as folder:
        dataset.save_index(folder, replace(index, left_out=left_out, warnings=warnings))
    counts = ", ".join(f"{len(index.of(name))} {name}" for name in LEARNT)
    say(f"{sum(bool(s.annotations) for s in said.values())} labeled series ({counts}) of {length} timepoints")
    for line in (*dataset_warnings.shown(left_out), *dataset_warnings.shown(warnings)):
        say(line)


def usual_length(rows: Mapping[str, int]) -> int:
    """Timepoints of most series; of lengths that are as frequent the larger."""
    counts = Counter(rows.values())
    return max(counts, key=lambda length: (counts[length], length), default=0)


def make_index(
    said: Mapping[str, Said],
    ingested: arrays.Index,
    rows: Mapping[str, splits_file.Row],
    config: LabelConfig,
    length: int,
) -> dataset.Index:
    """Series and sets."""
    series = {}
    for key, entry in sorted(ingested.series.items()):
        row, found = rows.get(key, splits_file.Row(key, "unassigned")), said.get(key)
        answers = (found.annotations, (), found.choices) if found else ((), (), ())
        series[key] = dataset.Entry(entry.rows, row.set, row.group, *answers)
    labeled = {name: [k for k, e in series.items() if e.set == name and e.annotations] for name in LEARNT}
    return dataset.Index(
        channels=ingested.channels,
        labels=config.labels,
        instants=(),
        sampling_rate=ingested.sampling_rate,
        instant_tolerance=0,
        size=length,
        stride=length,
        series=series,
        windows={name: tuple((key, 0) for key in keys) for name, keys in labeled.items()},
        left_out=(),
        warnings=(),
        provenance=dataset.sources(),
    )
