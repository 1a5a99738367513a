"""The dataset of a classifier: classes of whole series from their labels, and series to train on.

The network takes series of one length without missing values: others are left out by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stages import params
from stages.classification.targets import Labeled, Target, make_target, why_unfit
from stages.timeseries import dataset_warnings
from storage.artifacts import arrays, dataset
from storage.artifacts.dataset import LABELED_SPLITS
from storage.errors import InputError
from storage.label_studio.label_config import LabelConfig


def build(inputs: dataset.Inputs, config: LabelConfig, settings: params.Params) -> tuple[dataset.Index, str]:
    """The index, and a one-line summary.

    Raises:
        InputError: there is nothing to train on.
    """
    keys, recordings = inputs.labeled, inputs.recordings.series
    length = most_frequent_length([recordings[key].rows for key in keys or recordings])
    targets: dict[str, Target] = {}
    unfit: dict[str, str] = {}
    for key in keys:
        found = make_target(inputs.records[key], config, settings.window.disagreement)
        why = why_unfit(arrays.values(key), length) if found.annotations else ""
        if why:
            unfit[key] = why
            found = replace(found, choices=(), annotations=())
        targets[key] = found
    index = make_index(targets, inputs, config, length)
    unused = {key: found.left_out for key, found in targets.items()}
    left_out = dataset_warnings.left_out(unused, inputs.without_recording, unfit)
    if not index.of("train"):
        raise dataset_warnings.nothing_to_train_on(index, "a choice that can be used", left_out)
    warnings = tuple(f"warning: {line}" for line in dataset_warnings.warnings(index))
    labeled = sum(bool(found.annotations) for found in targets.values())
    line = f"{labeled} labeled series ({dataset_warnings.counts(index)}) of {length} timepoints"
    return replace(index, left_out=left_out, warnings=warnings), line


def most_frequent_length(lengths: Sequence[int]) -> int:
    """Timepoints of most series; of lengths that are as frequent the larger."""
    counts = Counter(lengths)
    return max(counts, key=lambda length: (counts[length], length), default=0)


def make_index(
    targets: Mapping[str, Target], inputs: dataset.Inputs, config: LabelConfig, length: int
) -> dataset.Index:
    """Series and splits."""
    series = inputs.entries()
    for key, found in targets.items():
        series[key] = replace(series[key], annotations=found.annotations, choices=found.choices)
    labeled = {
        name: [k for k, e in series.items() if e.split == name and e.annotations] for name in LABELED_SPLITS
    }
    return dataset.Index(
        channels=inputs.recordings.channels,
        labels=config.labels,
        instants=(),
        sampling_rate=inputs.recordings.sampling_rate,
        instant_tolerance=0,
        window=dataset.Window(length, length),
        series=series,
        windows={name: tuple((key, 0) for key in keys) for name, keys in labeled.items()},
        left_out=(),
        warnings=(),
        provenance=dataset.sources(),
    )


def load(index: dataset.Index, name: str) -> Labeled | None:
    """The labeled series of a split; None where there are none.

    Raises:
        InputError: ingest has run since with other channels.
    """
    ingested = arrays.read_index()
    keys = index.of(name)
    if ingested.channels != index.channels or not ingested.series.keys() >= {*keys}:
        raise InputError(
            "data/dataset is older than data/arrays", where=str(dataset.PATH), cure=dataset.REMAKE
        )
    if not keys:
        return None
    values = np.stack([_values(key, ingested, index.window.size).T for key in keys])
    truth = [[label in index.series[key].choices for label in index.labels] for key in keys]
    return Labeled(values, np.array(truth, bool))


def _values(key: str, ingested: arrays.Index, length: int) -> NDArray[np.float32]:
    values, _ = arrays.of(key, ingested)
    if len(values) != length:
        why = f"it has {len(values):,} timepoints, the dataset takes {length:,}"
        raise InputError("data/dataset is older than data/arrays", where=key, why=why, cure=dataset.REMAKE)
    return values
