"""Annotations to targets: the true class of each timepoint of a series.

Targets are int16: 0 is background (time that nobody labeled in an annotated series), k is `labels[k - 1]`, -1 is
unknown (no annotation, a missing value, or a label that the label config lacks). The rules, in order:

1. A skipped annotation does not count; an empty one makes all background.
2. The newest ground-truth annotation wins alone. Otherwise the param `disagreement` decides:
   `vote`: the newest annotation of each annotator has one vote at each timepoint; where votes tie, the newest
   annotation among them decides. `newest`: the newest annotation alone. `agree`: what the newest annotations of
   all annotators agree on; the other timepoints are unknown.
3. An instant is the nearest timepoint, together with `tolerance` timepoints on both sides. What lies up to
   one interval outside the recording belongs to its first or last timepoint.
4. Where regions of one annotation overlap, the shorter one is on top, so that nothing marked disappears.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.timeseries.gaps import Stretches
from stages.timeseries.runs import classes_of, code_runs, paint
from stages.timeseries.times import Times, is_blank, parse_time, time_to_row
from stages.timeseries.voting import Disagreement, Record, quoted, voters
from storage.artifacts.region import Region
from storage.label_studio.label_config import LabelConfig


@dataclass(frozen=True)
class Targets:
    """Targets of one series.

    Attributes:
        values: int16 (timepoints,).
        regions: the true regions, by start; for instants the timepoint itself, not its widened range.
        annotations: ids of the label records that counted, sorted.
        left_out: how many things were not used, by what they are.
        notes: how many things were repaired, by what they are.
    """

    values: NDArray[np.int16]
    regions: tuple[Region, ...]
    annotations: tuple[str, ...]
    left_out: Counter[str]
    notes: Counter[str]


@dataclass(frozen=True)
class Example:
    """One labeled series.

    Attributes:
        values: as recorded, (timepoints, channels).
        target: (timepoints,).
        starts: of its windows.
        regions: the true ones, which end at gaps.
        known: stretches without gaps; None: everywhere.
    """

    values: NDArray[np.float32]
    target: NDArray[np.int16]
    starts: tuple[int, ...]
    regions: tuple[Region, ...] = ()
    known: Stretches | None = None


def make_targets(
    records: Sequence[Record],
    times: Times,
    config: LabelConfig,
    tolerance: int,
    disagreement: Disagreement = "vote",
) -> Targets:
    """Targets of one series from all its label records."""
    left_out: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    left_out["skipped annotation"] = sum(bool(r.get("was_cancelled")) for r in records)
    chosen = voters(records, disagreement)
    if not chosen:
        nothing = np.full(len(times), -1, np.int16)
        return Targets(nothing, (), (), +left_out, notes)
    ballots = [read_regions(record, times, config, left_out, notes) for record in chosen]
    codes = [to_codes(regions, len(times), config, tolerance) for regions in ballots]
    winner = common(codes) if disagreement == "agree" else vote(codes)
    if disagreement == "agree":
        known_to_some = np.any([ballot >= 0 for ballot in codes], axis=0)
        differ = int((known_to_some & (winner < 0)).sum())
        notes["timepoint on which annotators disagree: not trained on"] = differ
    # The newest annotation's own regions tell apart neighbours of one label, which the codes cannot.
    agreed = np.array_equal(winner, codes[0])
    regions = (
        [r for r in ballots[0] if r.label in config.labels]
        if agreed
        else code_runs(winner, config.labels, tolerance)
    )
    values = classes_of(winner, config.labels)
    ids = tuple(sorted(str(record["id"]) for record in chosen))
    return Targets(values, tuple(sorted(regions)), ids, +left_out, +notes)


def read_regions(
    record: Record, times: Times, config: LabelConfig, left_out: Counter[str], notes: Counter[str]
) -> list[Region]:
    """The regions of one annotation, those of a label that the label config lacks among them; what cannot be used is
    counted, by what it is."""
    regions = []
    for item in record["result"]:
        if item.get("type") != "timeserieslabels" or item.get("from_name") != config.control_tag:
            left_out["result item that is no region of the control tag"] += 1
            continue
        value = item.get("value")
        region = _read_region(value if isinstance(value, dict) else {}, times, config, left_out, notes)
        if region:
            regions.append(region)
    different = sorted(set(regions))
    known = [sum(region.label in config.labels for region in some) for some in (regions, different)]
    notes["region that is there twice"] += known[0] - known[1]
    return different


def _read_region(
    value: Mapping[str, Any], times: Times, config: LabelConfig, left_out: Counter[str], notes: Counter[str]
) -> Region | None:
    names = value.get("timeserieslabels")
    if not names or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        left_out["region without a label"] += 1
        return None
    label = config.label_of(names[0])
    if label is None:
        left_out[f"region of label {quoted(names[0])}, which the label config lacks"] += 1
        left_out, notes = Counter(), Counter()  # it is counted, whatever else may be odd about it
    for name in names[1:]:
        left_out[f"second label {quoted(name)} of a region: a timepoint has one"] += 1
    instant = bool(value.get("instant")) or value.get("start") == value.get("end")
    limits = _read_limits(value, instant, times, config.time_format, left_out, notes)
    if limits is None:
        return None
    start, end = limits
    if end < start:
        notes["region that ends before it starts: turned round"] += 1
        start, end = end, start
    reach = min(times[-1] - times[-2], times[1] - times[0]) if len(times) > 1 else 0
    if end < times[0] - reach or start > times[-1] + reach:
        left_out["region outside the recording"] += 1
        return None
    first, last = time_to_row(times, start), time_to_row(times, end)
    return Region(first, first if instant else last, names[0] if label is None else label, instant)


def _read_limits(
    value: Mapping[str, Any],
    instant: bool,
    times: Times,
    time_format: str | None,
    left_out: Counter[str],
    notes: Counter[str],
) -> tuple[float, float] | None:
    """Start and end of a region as numbers; None where they cannot be read."""
    start, end = (parse_time(value.get(name), time_format) for name in ("start", "end"))
    form = f"in the timeFormat {time_format!r}" if time_format else "a number"
    for name, time in (("start", start), ("end", end)):
        if time is None and not is_blank(value.get(name)):
            left_out[f"region whose {name} is not {form}"] += 1
            return None
    if start is None:
        left_out["region without a start"] += 1
        return None
    if end is None:
        # Label Studio writes none where the very last timepoint was labeled.
        notes["region without an end: ends with the series"] += not instant
        end = start if instant else times[-1]
    return start, end


def to_codes(regions: Sequence[Region], rows: int, config: LabelConfig, tolerance: int) -> NDArray[np.int16]:
    """Codes of an annotation's regions; where it has a label that the label config lacks, and no other, -1.

    Somebody saw something there, so it is not background.
    """
    codes = paint([r for r in regions if r.label in config.labels], rows, config.labels, tolerance)
    for region in regions:
        if region.label not in config.labels:
            reach = tolerance if region.instant else 0
            part = codes[max(region.start - reach, 0) : region.end + reach + 1]
            part[part == 0] = -1
    return codes


def common(ballots: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    """What all ballots agree on; -1 where they differ."""
    same = np.ones(len(ballots[0]), bool)
    for ballot in ballots[1:]:
        same &= ballot == ballots[0]
    return np.where(same, ballots[0], np.int16(-1))


def vote(ballots: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    """Most votes at each timepoint; `ballots` are newest first, and of tied codes the newest wins."""
    if len(ballots) < 3:
        return ballots[0]
    stack = np.stack(ballots)
    counts = np.stack([(stack == ballot).sum(0, dtype=np.int16) for ballot in stack])
    # argmax takes the first of equals: the newest.
    elected: NDArray[np.int16] = np.take_along_axis(stack, counts.argmax(0)[None], 0)[0]
    return elected
