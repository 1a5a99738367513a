"""The dataset of a segmenter: targets for each timepoint and windows from labels, and examples to train on.

Whatever was not used is counted and named in the index, and so is what a person should know before trusting the
model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stages import params
from stages.segmentation.targets import Example, make_targets
from stages.timeseries import dataset_warnings, windows
from stages.timeseries.gaps import missing_mask, stretches, within
from storage.artifacts import arrays, dataset
from storage.artifacts.dataset import LABELED_SPLITS
from storage.artifacts.region import Region
from storage.errors import InputError
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.progress import track


@dataclass(frozen=True)
class SeriesTargets:
    """Facts about one series' targets, which are written to a file.

    Attributes:
        regions, annotations, left_out, notes: as in `Targets`.
        known: number of timepoints with a known target.
        labeled: those of them that have a label, and are not background.
    """

    regions: tuple[Region, ...]
    annotations: tuple[str, ...]
    left_out: Counter[str]
    notes: Counter[str]
    known: int
    labeled: int


def build(
    inputs: dataset.Inputs, config: LabelConfig, settings: params.Params, folder: Path
) -> tuple[dataset.Index, str]:
    """Write the targets of each labeled series; returns the index and a one-line summary.

    Raises:
        InputError: there is nothing to train on, or nothing to find.
    """
    targets = {
        key: write_targets(key, inputs, config, settings, folder)
        for key in track(inputs.labeled, "making targets")
    }
    index = make_index(targets, inputs, config, settings.window)
    unused = {key: found.left_out for key, found in targets.items()}
    left_out = dataset_warnings.left_out(unused, inputs.without_recording)
    if not any(targets[key].known for key in index.of("train")):
        raise nothing_to_train_on(index, left_out)
    if not any(targets[key].labeled for key in index.of("train")):
        raise dataset_warnings.nothing_to_find(index, left_out)
    index = replace(index, left_out=left_out, warnings=all_warnings(targets, index, config))
    counts = dataset_warnings.counts(index)
    return index, f"{len(targets)} labeled series ({counts}), windows of {index.window.size} timepoints"


def write_targets(
    key: str, inputs: dataset.Inputs, config: LabelConfig, settings: params.Params, folder: Path
) -> SeriesTargets:
    """Write the targets of one series: unknown where a channel has missing values. Regions end at gaps."""
    (values, times), rule = arrays.of(key, inputs.recordings), settings.window
    targets = make_targets(inputs.records[key], times, config, rule.instant_tolerance, rule.disagreement)
    missing = missing_mask(values, settings.ingest.gap).any(1)
    if targets.annotations and missing.any():
        targets.values[missing] = -1
        targets.notes["timepoint without a number: not trained on"] += int(missing.sum())
    dataset.save_target(folder, key, targets.values)
    known, labeled = int((targets.values >= 0).sum()), int((targets.values > 0).sum())
    present = stretches(values, times, settings.ingest.gap)
    regions = tuple(part for region in targets.regions for part in within(region, present))
    return SeriesTargets(regions, targets.annotations, targets.left_out, targets.notes, known, labeled)


def make_index(
    targets: Mapping[str, SeriesTargets], inputs: dataset.Inputs, config: LabelConfig, settings: params.Window
) -> dataset.Index:
    """Series, splits and windows. Statistics are of the train split alone."""
    series = inputs.entries()
    for key, found in targets.items():
        series[key] = replace(series[key], annotations=found.annotations, regions=found.regions)
    train = [e for e in series.values() if e.split == "train" and e.annotations]
    regions = [region for entry in train for region in entry.regions]
    lengths = windows.lengths(regions, settings.instant_tolerance)
    size = settings.size or windows.choose_size(lengths, max((e.rows for e in train), default=1))
    return dataset.Index(
        channels=inputs.recordings.channels,
        labels=config.labels,
        instants=tuple(label for label in config.labels if mostly_instant(label, regions)),
        sampling_rate=inputs.recordings.sampling_rate,
        instant_tolerance=settings.instant_tolerance,
        window=dataset.Window(size, size),
        series=series,
        windows={name: place_windows(series, name, size) for name in LABELED_SPLITS},
        left_out=(),
        warnings=(),
        provenance=dataset.sources(),
    )


def place_windows(series: Mapping[str, dataset.Entry], name: str, size: int) -> tuple[tuple[str, int], ...]:
    """Windows of one split, side by side; training shifts them."""
    labeled = [(key, entry) for key, entry in series.items() if entry.split == name and entry.annotations]
    return tuple((key, start) for key, entry in labeled for start in windows.starts(entry.rows, size, size))


def mostly_instant(label: str, regions: list[Region]) -> bool:
    """Whether a label stands for instants: most of its regions are."""
    kinds = [region.instant for region in regions if region.label == label]
    return sum(kinds) > len(kinds) / 2


def all_warnings(
    targets: Mapping[str, SeriesTargets], index: dataset.Index, config: LabelConfig
) -> tuple[str, ...]:
    """What a person should know: repaired regions, splits without a class, labels used both ways."""
    notes = {key: found.notes for key, found in targets.items()}
    lines = dataset_warnings.counted(notes) + dataset_warnings.warnings(index)
    for label in config.labels:
        kinds = [r.instant for e in index.series.values() for r in e.regions if r.label == label]
        if len(set(kinds)) == 2:
            what = "instants" if label in index.instants else "ranges"
            lines.append(
                f"{label} marks {sum(kinds)} instants and {len(kinds) - sum(kinds)} ranges: taken as {what}"
            )
    return tuple(f"warning: {line}" for line in lines)


def nothing_to_train_on(index: dataset.Index, unused: tuple[str, ...]) -> InputError:
    """The error that training cannot start."""
    if index.of("train"):
        if any(dataset_warnings.UNKNOWN in line for line in unused):
            return dataset_warnings.nothing_to_find(index, unused)
        why = "every timepoint of the train split has a missing value in some channel"
        cure = f"take the channel that has no numbers out of {label_config.PATH}, or label recordings that have it"
        return InputError("there is nothing to learn from", where=str(arrays.PATH), why=why, cure=cure)
    return dataset_warnings.nothing_to_train_on(index, "an annotation that is not skipped", unused)


def load(index: dataset.Index, name: str, gap: float) -> list[Example]:
    """The labeled series of a split; InputError where ingest has run since with other channels."""
    if arrays.read_index().channels != index.channels:
        raise InputError("data/dataset is older than data/arrays", where=str(dataset.PATH), cure="dvc repro")
    starts: dict[str, list[int]] = {key: [] for key in index.of(name)}
    for key, start in index.windows.get(name, ()):
        if key in starts:
            starts[key].append(start)
    found = []
    for key in starts:
        values, times, target = dataset.labeled(key, index)
        known, regions = stretches(values, times, gap), index.series[key].regions
        found.append(Example(values, target, tuple(starts[key]), regions, known))
    return found
