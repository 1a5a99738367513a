"""Long recordings: read in pieces with the same result, quickly, and without a multiple of them in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from storage.artifacts import arrays, dataset
from storage.files import write_bytes
from storage.label_studio.label_config import LabelConfig
from storage.series import recording_plain, recording_reader, recording_times
from tests.support.stage_project import noise, small

CONFIG = LabelConfig("segmentation", "ts", "label", "csv", False, "time", None, ",", ("x", "y"), ("A",))
STAMPED = replace(CONFIG, time_format="%Y-%m-%d %H:%M:%S.%f")


def test_what_is_read_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch):
    rows = [f"2026-01-01 00:00:{i:02d}.5,{i},{'' if i == 7 else -i}" for i in range(20)]
    raw = ("time,x,y\n" + "\n".join(rows) + "\n").encode()
    found = recording_reader.examine(raw, STAMPED)
    whole, notes = found.series, found.problems
    monkeypatch.setattr(recording_plain, "CHUNK", 3)
    monkeypatch.setattr(recording_times, "CHUNK", 3)
    found = recording_reader.examine(raw, STAMPED)
    parts, again = found.series, found.problems
    assert whole is not None
    assert parts is not None
    assert np.array_equal(whole.values, parts.values, equal_nan=True)
    assert (whole.times.tolist(), notes) == (parts.times.tolist(), again)
    zoned = replace(CONFIG, time_format="%Y-%m-%d %H:%M:%S%Z")
    stamps = [f"2026-01-01 0{i}:00:00{'+0100' if i > 6 else '+0000'},1,1" for i in range(9)]
    (mixed,) = recording_reader.examine(("time,x,y\n" + "\n".join(stamps)).encode(), zoned).problems
    assert (mixed.row, mixed.what) == (9, "the times are in different time zones: +0000, +0100")


@pytest.mark.parametrize("place", [0, 6, 7, 8, 9, 30])
def test_bytes_that_are_no_text_are_found_wherever_pieces_end(place: int, monkeypatch: pytest.MonkeyPatch):
    good = "time,x,y\n" + "0,1,2 é\n" * 5
    monkeypatch.setattr("storage.series.recording_text.PIECE", 7)
    assert (
        recording_reader.examine(good.encode(), CONFIG)
        .problems[0]
        .what.startswith("'2 é' in channel 'y' is not a number")
    )
    raw = good.encode()
    raw = raw[:place] + b"\xff" + raw[place:]
    (problem,) = recording_reader.examine(raw, CONFIG).problems
    assert (problem.row, problem.what) == (raw.count(b"\n", 0, place) + 1, "the file is not UTF-8 text")


def test_a_recording_of_22_mb_takes_about_a_second():
    import time

    line = b"%.2f,0.9181,-0.1125\n"
    raw = b"time,x,y\n" + b"".join(line % (i / 50) for i in range(800_000))
    started = time.process_time()
    found = recording_reader.examine(raw, CONFIG)
    read, problems = found.series, found.problems
    assert read is not None
    assert problems == []
    assert time.process_time() - started < 2.0


STAGES = """
import resource
from stages import ingest, window
ingest.main()
window.main()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def peak(rows: int) -> int:
    """Bytes of memory that ingest and window take for a recording of three channels with a gap and a region."""
    line = "%d.%02d,0.91%02d,-0.1125,1.%03d"
    text = "\n".join(line % (i // 50 + i // 70_000, i % 50 * 2, i % 89, i % 997) for i in range(rows))
    write_bytes(Path("data/series/long.csv"), f"time,x,y,z\n{text}\n".encode())
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    told = subprocess.run([sys.executable, "-c", STAGES], env=env, capture_output=True, text=True, check=True)
    return int(told.stdout.splitlines()[-1])


def test_memory_of_ingest_and_window_is_a_few_numbers_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    small({"long": noise(9)}, {"long": [(100.0, 900.0, "A")]})
    short = peak(100_000)
    long = peak(800_000)
    assert dataset.target("long").sum() == 40_001
    assert arrays.values("long").shape == (800_000, 2)
    assert (long - short) / 700_000 < 150
