"""Between a class per timepoint and regions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from storage.artifacts.region import Region

Codes = NDArray[np.integer]


def runs(codes: Codes) -> tuple[NDArray[np.intp], NDArray[np.intp], Codes]:
    """Stretches of equal code: first index, last index (inclusive), code.

    >>> runs(np.array([0, 0, 2, 2, 2]))
    (array([0, 2]), array([1, 4]), array([0, 2]))
    """
    if len(codes) == 0:
        none = np.zeros(0, np.intp)
        return none, none, codes
    cuts = np.flatnonzero(np.diff(codes)) + 1
    starts = np.concatenate([[0], cuts])
    return starts, np.concatenate([cuts, [len(codes)]]) - 1, codes[starts]


def code_runs(codes: Codes, labels: Sequence[str], tolerance: int) -> list[Region]:
    """Regions of codes 1..K (ranges) and K+1..2K (instants, widened by `tolerance`); 0 is background.

    A widened instant that an edge of the recording cuts off still lies where it lay; one that another
    region covers in part lies in the middle of what is left.
    """
    found = []
    for start, end, code in zip(*runs(codes), strict=True):
        if code <= 0:
            continue
        label = labels[(int(code) - 1) % len(labels)]
        if code <= len(labels):
            found.append(Region(int(start), int(end), label))
            continue
        middle = int(start + end) // 2
        if start == 0:
            middle = max(int(end) - tolerance, 0)
        elif end == len(codes) - 1:
            middle = min(int(start) + tolerance, len(codes) - 1)
        found.append(Region(middle, middle, label, instant=True))
    return found


def paint(regions: Sequence[Region], rows: int, labels: Sequence[str], tolerance: int) -> NDArray[np.int16]:
    """One code per timepoint: 0 background, 1..K ranges by label, K+1..2K instants, widened."""
    codes = np.zeros(rows, np.int16)
    for region in sorted(regions, key=lambda r: (r.instant, -r.rows, r.start)):
        code = labels.index(region.label) + 1
        reach = tolerance if region.instant else 0
        codes[max(region.start - reach, 0) : region.end + reach + 1] = code + len(labels) * region.instant
    return codes


def classes_of(codes: Codes, labels: Sequence[str]) -> NDArray[np.int16]:
    """Classes of codes: an instant and a range of one label are one class."""
    return np.where(codes > len(labels), codes - len(labels), codes).astype(np.int16)
