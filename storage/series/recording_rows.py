"""The rows of a recording that is accepted, cell by cell as they are stored: plain numbers, or missing values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from storage.label_studio.label_config import LabelConfig
from storage.series import recording_text
from storage.series.recording_cells import BOOLEANS, kind_of
from storage.series.recording_layout import Layout
from storage.series.recording_times import CHUNK, page_form

Row = tuple[int, list[str]]


def rows(raw: bytes, layout: Layout, config: LabelConfig) -> Iterator[Row]:
    """Line and cells of each row, as many as there are names.

    Numbers have a point, missing values are empty, true and false are 1 and 0, times are as Label Studio's page reads
    them.
    """
    plain = _numbers(raw, layout, config)
    if not (config.time_column and config.time_format):
        yield from plain
        return
    place = layout.places[config.time_column]
    while some := list(islice(plain, CHUNK)):
        written, _ = page_form([cells[place] for _, cells in some], config.time_format)
        for (line, cells), time in zip(some, written, strict=True):
            cells[place] = time
            yield line, cells


def _numbers(raw: bytes, layout: Layout, config: LabelConfig) -> Iterator[Row]:
    width = len(layout.names)
    needed = [layout.places[name] for name in config.channels]
    if config.time_column and not config.time_format:
        needed.append(layout.places[config.time_column])
    for line, text in layout.rows(raw):
        if not text.strip():
            continue
        cells = recording_text.split(text, layout.sep)
        cells = cells[:width] + [""] * (width - len(cells))
        if is_empty_row(cells, config):
            continue
        for place in needed:
            cells[place] = number(cells[place])
        yield line, cells


def is_empty_row(cells: list[str], config: LabelConfig) -> bool:
    """Whether a row has nothing in any cell, as spreadsheets write below a table; without times it is a timepoint."""
    return config.time_column is not None and not any(cells)


def number(cell: str) -> str:
    """A cell of numbers as it is stored: with a decimal point, or empty."""
    kind = kind_of(cell)
    if kind == "number":
        return cell
    if kind == "missing":
        return ""
    return BOOLEANS[cell.lower()] if kind == "boolean" else cell.replace(",", ".")
