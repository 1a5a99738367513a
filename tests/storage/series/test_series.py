"""Recordings: each kind of bad input with its exact words, and what is accepted with a note."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from storage.errors import InputError
from storage.label_studio.label_config import LabelConfig
from storage.series import recording, recording_reader
from storage.series.validation import Problem

CONFIG = LabelConfig("segmentation", "ts", "label", "csv", False, "time", None, ",", ("x", "y"), ("A",))
STAMPED = replace(CONFIG, time_format="%Y-%m-%d %H:%M:%S.%f")

SAME_UNITS = "export the recording again"
NUMBER = "write a number, or leave the cell empty where it is unknown"
REFUSED = {
    "empty file": (b"", CONFIG, [Problem(None, "the file is empty", SAME_UNITS)]),
    "blank lines only": (b"\n \n", CONFIG, [Problem(None, "the file is empty", SAME_UNITS)]),
    "header only": (
        b"time,x,y\n",
        CONFIG,
        [Problem(1, "there is a header and no rows", "export the recording again")],
    ),
    "missing channel": (
        b"time,x\n0,1\n",
        CONFIG,
        [
            Problem(
                1,
                "channel 'y' is missing",
                "add the column, or take 'y' out of the label config; the file has: time, x",
            )
        ],
    ),
    "separator of two": (
        b"time,x,y\n0,1,2\n",
        replace(CONFIG, sep="::"),
        [
            Problem(
                None,
                "'::' cannot be a delimiter",
                "set sep on <TimeSeries> in the label config to one character",
            )
        ],
    ),
    "column twice": (
        b"time,x,x,y\n0,1,2,3\n",
        CONFIG,
        [Problem(1, "channel 'x' is there 2 times", "keep one of them")],
    ),
    "time twice": (
        b"time,x,y\n0,1,2\n0.02,1,2\n0.02,1,2\n0.04,1,2\n",
        CONFIG,
        [Problem(4, "the time 0.02 is there twice", "keep one row for each time")],
    ),
    "time goes back": (
        b"time,x,y\n0,1,2\n0.04,1,2\n\n0.02,1,2\n0.01,1,2\n",
        CONFIG,
        [
            Problem(
                5,
                "time goes back, from 0.04 to 0.02 (and 1 more row(s) like it)",
                "sort the rows by time, or split the recording there",
            )
        ],
    ),
    "stamps twice": (
        b"time,x,y\n2026-01-01 00:00:00.5,1,2\n2026-01-01 00:00:00.500000000,1,2\n",
        STAMPED,
        [Problem(3, "the time 2026-01-01 00:00:00.500000 is there twice", "keep one row for each time")],
    ),
    "no time": (
        b"time,x,y\n0,1,2\n,1,2\n",
        CONFIG,
        [Problem(3, "there is no time in 'time'", "write the time, or delete the row")],
    ),
    "infinite time": (
        b"time,x,y\n0,1,2\ninf,1,2\n",
        CONFIG,
        [Problem(3, "the time 'inf' is infinite", "write the time, or delete the row")],
    ),
    "stamps without a timeFormat": (
        b"time,x,y\n2026-01-01,1,2\n",
        CONFIG,
        [
            Problem(
                2,
                "the time '2026-01-01' is not a number",
                'set timeFormat on <TimeSeries> in the label config, as "%Y-%m-%d %H:%M:%S"',
            )
        ],
    ),
    "stamps in another form": (
        b"time,x,y\n2026-01-01 00:00:00.0,1,2\n01/02/2026,1,2\n",
        STAMPED,
        [
            Problem(
                3,
                "the time '01/02/2026' is not in the timeFormat '%Y-%m-%d %H:%M:%S.%f'",
                "write it so, or correct timeFormat in the label config",
            )
        ],
    ),
    "mixed time zones": (
        b"time,x,y\n2026-01-01 00:00:00+0000,1,2\n2026-01-01 03:00:00+0200,1,2\n",
        replace(CONFIG, time_format="%Y-%m-%d %H:%M:%S%Z"),
        [
            Problem(
                3, "the times are in different time zones: +0000, +0200", "write all times in one time zone"
            )
        ],
    ),
    "infinity": (
        b"time,x,y\n0,1,2\n1,inf,2\n2,-Infinity,2\n",
        CONFIG,
        [Problem(3, "channel 'x' is infinite (inf) (and 1 more row(s) like it)", NUMBER)],
    ),
    "too large for float32": (
        b"time,x,y\n0,1,1e300\n",
        CONFIG,
        [Problem(2, "channel 'y' is infinite (1e300)", NUMBER)],
    ),
    "text in a channel": (
        b"time,x,y\n0,1,2\n1,word,2\n2,3,word\n",
        CONFIG,
        [Problem(3, "'word' in channel 'x' is not a number (and 1 more row(s) like it)", NUMBER)],
    ),
    "too many cells": (
        b"time,x,y\n0,1,2\n1,1,2,3\n",
        CONFIG,
        [
            Problem(
                3,
                "the row has 4 cells and the header 3",
                "take out the cells that are too many, or quote a cell that holds the separator",
            )
        ],
    ),
    "not text": (
        b"time,x,y\n0,1,\xff\n",
        CONFIG,
        [Problem(2, "the file is not UTF-8 text", "save it as CSV in UTF-8")],
    ),
    "zero bytes": (
        b"time,x,y\n0,1,2\0\n",
        CONFIG,
        [Problem(2, "the file holds a zero byte: it is not text", "save it as CSV in UTF-8")],
    ),
    "underscore in a number": (
        b"time,x,y\n0,1_0,2\n",
        CONFIG,
        [Problem(2, "'1_0' in channel 'x' is not a number", NUMBER)],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_row_and_cure(name: str, tmp_path: Path):
    raw, config, expected = REFUSED[name]
    assert recording_reader.examine(raw, config).problems == expected
    path = tmp_path / "bad.csv"
    path.write_bytes(raw)
    with pytest.raises(InputError) as caught:
        recording_reader.read(path, config)
    assert caught.value.what == expected[0].what
    assert caught.value.where == (f"{path}:{expected[0].row}" if expected[0].row else str(path))


NOTED = {
    "good": (b"time,x,y\n0,1,2\n1,3,4\n", []),
    "extra column": (
        b"time,x,z,y\n0,1,word,2\n1,3,,4\n",
        [
            Problem(
                1,
                "1 column(s) that the label config does not know: 'z'",
                "nothing, if they are not needed: they are left out",
                False,
            )
        ],
    ),
    "missing numbers": (
        b"time,x,y\n0,,2\n\n1,,\n",
        [
            Problem(
                2,
                "3 cell(s) without a number: 2 in 'x', 1 in 'y'",
                "nothing: Label Studio draws 0 there; the model fills them in, and is not trained on long gaps",
                False,
            )
        ],
    ),
    "words for missing numbers": (
        b"time,x,y\n0,1,2\n\n1,NaN,null\n",
        [
            Problem(
                None,
                "stored as Label Studio's page reads it: empty cells for words like NaN; without empty lines",
                "nothing: the numbers are the same",
                False,
            ),
            Problem(
                4,
                "2 cell(s) without a number: 1 in 'x', 1 in 'y'",
                "nothing: Label Studio draws 0 there; the model fills them in, and is not trained on long gaps",
                False,
            ),
        ],
    ),
    "closer than a millisecond": (
        b"time,x,y\n2026-01-01 00:00:00.000100,1,2\n2026-01-01 00:00:00.000200,3,4\n",
        [
            Problem(
                3,
                "1 timepoint(s) have the millisecond of the one before, and Label Studio shows no more digits",
                "nothing, if regions may be a millisecond off; else write times as numbers, and take timeFormat out",
                False,
            )
        ],
    ),
    "one row": (
        b"time,x,y\n0,1,2\n",
        [Problem(2, "the recording has one row", "check that it was exported whole", False)],
    ),
    "byte order mark": (
        b"\xef\xbb\xbftime,x,y\n0,1,2\n1,3,4\n",
        [Problem(1, "the file starts with a byte order mark", "nothing: it is read fine", False)],
    ),
    "Windows line ends": (
        b"time,x,y\r\n0,1,2\r\n1,3,4\r\n",
        [Problem(1, "the lines end as on Windows", "nothing: they are read fine", False)],
    ),
}


@pytest.mark.parametrize("name", NOTED)
def test_accepted_with_a_note(name: str):
    raw, expected = NOTED[name]
    found = recording_reader.examine(raw, STAMPED if b"2026" in raw else CONFIG)
    read, problems = found.series, found.problems
    assert problems == expected
    assert read is not None
    assert read.values.dtype == np.float32


def test_channels_come_in_the_order_of_the_label_config():
    read = recording_reader.examine(b"y,time,x\n2,0,1\n4,1,3\n", CONFIG).series
    assert read is not None
    assert read.values.tolist() == [[1, 2], [3, 4]]
    assert read.times.tolist() == [0, 1]


def test_without_time_column_rows_count_from_zero():
    read = recording_reader.examine(b"x,y\n5,6\n7,8\n", replace(CONFIG, time_column=None)).series
    assert read is not None
    assert read.times.tolist() == [0, 1]
    assert read.sampling_rate == 1


def test_microseconds_are_exact():
    raw = b"time,x,y\n2026-01-01 00:00:00.000001,1,2\n2026-01-01 00:00:00.000003,1,2\n"
    read = recording_reader.examine(raw, STAMPED).series
    assert read is not None
    assert read.times.tolist() == [1767225600000001000, 1767225600000003000]


def test_a_pause_is_no_part_of_the_sampling_rate():
    read = recording_reader.examine(b"time,x,y\n0,1,2\n0.02,1,2\n0.04,1,2\n9,1,2\n", CONFIG).series
    assert read is not None
    assert read.sampling_rate == 50
    assert recording.sampling_rate(np.array([3.0])) is None


@pytest.mark.parametrize("rate", [60, 64.5, 300])
def test_rounded_stamps_are_no_other_sampling_rate(rate: float):
    exact = np.arange(2000) / rate
    rounded = recording.sampling_rate(np.round(exact, 3))
    stamps = recording.sampling_rate((np.round(exact, 3) * 1e9).astype(np.int64))
    assert (
        recording.different_rates({"a": recording.sampling_rate(exact), "b": rounded, "c": stamps})[1] == {}
    )


def test_different_sampling_rates():
    rates = {"a": 50.0, "b": 50.2, "c": 50.0, "d": 100.0, "e": None}
    assert recording.different_rates(rates) == (50.0, {"d": 100.0})
    assert recording.different_rates({"e": None}) == (None, {})
