"""The delimiter of a recording, and the names of its columns."""

from __future__ import annotations

import pytest

from storage.series.recording_text import read_header

HEADERS = {
    "commas": (b"time,x,y\n0,1,2\n", ",", ["time", "x", "y"]),
    "semicolons and decimal commas": (b"time;x;y\n0,5;1,2;3\n", ";", ["time", "x", "y"]),
    "tabs": (b"time\tx, in g\n0\t1\n", "\t", ["time", "x, in g"]),
    "quotes": (b'"time", "x, in g","y"\r\n0,1,2\r\n', ",", ["time", "x, in g", "y"]),
    "byte order mark": (b"\xef\xbb\xbftime;x\n0;1\n", ";", ["time", "x"]),
    "UTF-16": ("time;größe\n0;1\n".encode("utf-16"), ";", ["time", "größe"]),
    "Windows-1252": ("time;größe\n0;1\n".encode("cp1252"), ";", ["time", "größe"]),
    "a line for Excel": (b"sep=|\ntime|x\n0|1\n", "|", ["time", "x"]),
    "old Mac": (b"time;x\r0;1\r", ";", ["time", "x"]),
    "numbers alone": (b"0.0,0.5,1\n0.1,0.6,2\n", ",", ["0", "1", "2"]),
    "one column": (b"x\n1\n", ",", ["x"]),
    "nothing": (b"\n", ",", []),
    "a quote that is not closed": (b'time,"x\n0,1\n', ",", ["time", "x"]),
    "a long cell": (b"time," + b"x" * 200_000 + b"\n0,1\n", ",", ["time", "x" * 200_000]),
}


@pytest.mark.parametrize("name", HEADERS)
def test_separator_and_names_of_a_first_line(name: str):
    raw, separator, names = HEADERS[name]
    assert read_header(raw) == (separator, names)
