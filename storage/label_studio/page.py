"""A recording as Label Studio's page reads it: times and channels, or the error that it shows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from storage.label_studio.label_config import LabelConfig
from storage.label_studio.page_csv import PageError, PageTable
from storage.label_studio.page_times import cell_time

Cells = list[float | str]


@dataclass(frozen=True)
class PageRecording:
    """A recording as the page reads it; a cell that is no number is text.

    Attributes:
        times: in milliseconds since 1970 UTC where the label config has a `timeFormat`; 0, 1, 2, .. without a time
            column.
        channels: by their names in the label config.
    """

    times: Cells
    channels: dict[str, Cells]


def show(text: str, config: LabelConfig) -> PageRecording:
    """Read a recording as the page does.

    Raises:
        PageError: the page shows an error, or columns of different lengths.
    """
    table = PageTable(text, config.sep)
    columns = table.columns()
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise PageError(f"columns of different lengths: {lengths}")
    channels = {}
    for channel in config.channels:
        name = table.name_of(channel)
        # The page looks up a numeric channel by name first, and by position only later.
        if name not in columns or (name != channel.lower() and channel.isdecimal()):
            raise PageError(f"{name} not found in data.")
        channels[channel] = columns[name]
    if config.time_column is None:
        return PageRecording([float(row) for row in range(len(next(iter(columns.values()))))], channels)
    if config.time_column.lower() not in columns:
        raise PageError(f"{config.time_column} not found in data.")
    cells = columns[config.time_column.lower()]
    return PageRecording(_times(cells, table, config), channels)


def _times(cells: Cells, table: PageTable, config: LabelConfig) -> Cells:
    """Times, checked to be in order; one that cannot be parsed is 0."""
    if config.time_format is None:
        if isinstance(cells[0], str):
            raise PageError(f"{config.time_column} contains non-numbers.")
        times = cells
    else:
        times = [cell_time(cell, config.time_format) or 0.0 for cell in _raw(table, str(config.time_column))]
    for before, now in itertools.pairwise(times):
        if isinstance(before, float) and isinstance(now, float) and now < before:
            raise PageError(f"{config.time_column} must be incremental and sequentially ordered.")
    if sum(1 for time in times[:3] if isinstance(time, str) or time == 0) >= 2:
        raise PageError(f"{config.time_column} cannot be parsed.")
    return times


def _raw(table: PageTable, column: str) -> Iterator[str]:
    position = table.names.index(column.lower())
    return (cells[position] for cells in table.rows())


def is_number(cell: float | str) -> bool:
    """Whether the page plots it."""
    return isinstance(cell, float) and math.isfinite(cell)
