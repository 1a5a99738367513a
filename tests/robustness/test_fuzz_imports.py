"""Fuzz targets: what people import: recordings as CSV, and folders of files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from storage.errors import LabeltrailError
from storage.label_studio import label_config
from storage.s3 import keys
from storage.series import discovery, recording, recording_reader
from tests.support.fuzzing import REFUSED, TAKEN, Fuzz, refused
from tests.support.hostile import damaged, patched_text, texts

CELLS = (
    "0.1", "1", "-3", "1e3", "1e999", "", "NaN", "nan", "null", "None", "1,5", "1.000", "1_0", "0x10", " 1 ",
    '"1"', '"1', "١", "²", "1 2", "true", "2026-01-02 03:04:05", "2026-01-02T03:04:05.5+01:00", "1767323045",
    "a\nb", "=1+1", "9" * 400, "\x00", "\u2028", "½", "∞", "+1", ".5", "5.", "1e", "--1", "#1", "1;2",
)  # fmt: skip
TIMED = label_config.render(("x", "y"), ("walk",), "time")
STAMPS = 'timeFormat="%Y-%m-%d %H:%M:%S"'
CONFIGS = [
    label_config.parse(xml)
    for xml in (
        TIMED, TIMED, TIMED.replace("<TimeSeries ", f"<TimeSeries {STAMPS} "),
        TIMED.replace("<TimeSeries ", '<TimeSeries sep=";" '), label_config.render(("x",), ("walk",), None),
        label_config.render(("1", "x"), ("walk",), "0"),
    )
]  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A table as it may come: any separator, quotes, line ends, rows that are too long or too short, odd cells."""
    sep = draw(st.sampled_from([",", ",", ",", ";", "\t", " ", "|", ", "]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n"]))
    quote = draw(st.sampled_from(["", "", '"', "'"]))
    stamps = draw(st.booleans())
    header = draw(
        st.sampled_from(
            [["time", "x", "y"], ["time", "x", "y"], ["x"], ["0", "1", "x"], ["t", "X", "x", "x"]]
        )
    )
    rows = []
    for number in range(draw(st.integers(0, 12))):
        first = f"2026-01-02 03:04:{number:02}" if stamps else str(number / 10)
        row = [first, *(f"{number}.5" for _ in header[1:])]
        if draw(st.integers(0, 7)) == 0:
            row[draw(st.integers(0, len(row) - 1))] = draw(st.one_of(st.sampled_from(CELLS), texts))
        if draw(st.integers(0, 15)) == 0:
            row = draw(st.sampled_from([row[:-1], [*row, ""], [*row, "5"], [], ["# comment"], header]))
        rows.append(row)
    top = draw(st.sampled_from([[], [], [], ["sep=;"], ["# made by x"], [""], ["s", "m/s", "m/s"]]))
    lines = [
        sep.join(f"{quote}{cell}{quote}" for cell in row) for row in [*([top] if top else []), header, *rows]
    ]
    text = end.join(lines) + draw(st.sampled_from(["", end, "\x1a", "\n\n,,\n"]))
    code = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    return text.encode(code, "replace" if code == "cp1252" else "surrogatepass")


def numbers(found: recording.Series) -> tuple[list[float], list[list[float]]]:
    return np.asarray(found.times, float).tolist(), found.values.tolist()


def test_recordings(fuzz: Fuzz) -> None:
    """Read or refused; what is stored in another form holds the same numbers, and needs no other form again."""

    def check(example: tuple[bytes, int]) -> str:
        raw, which = example
        config = CONFIGS[which]
        found = recording_reader.examine(raw, config)
        for problem in found.problems:
            # What and cure pass through `printable` on their way; they must be there, and not endless.
            assert problem.what
            assert problem.cure
            assert len(problem.what) < 5_000, problem.what[:300]
        if found.series is None:
            assert any(problem.fatal for problem in found.problems)
            return REFUSED
        assert not [problem for problem in found.problems if problem.fatal]
        again = recording_reader.examine(raw if found.stored is None else found.stored, config)
        assert again.series is not None
        assert np.array_equal(np.asarray(again.series.times), np.asarray(found.series.times))
        assert np.array_equal(again.series.values, found.series.values, equal_nan=True)
        assert again.stored is None, (again.changes, found.stored)
        assert again.shown
        return TAKEN

    good = b"time,x,y\n" + b"".join(b"%d.5,1.5,-2\n" % n for n in range(8))
    text = patched_text(good.decode()).map(lambda t: t.encode("utf-8", "surrogatepass"))
    raw = st.one_of(tables(), tables(), tables(), damaged(good), text)
    fuzz(st.tuples(raw, st.integers(0, len(CONFIGS) - 1)), check)


def test_folders(fuzz: Fuzz, tmp_path: Path) -> None:
    """Every file of a folder is a recording or is named among those left out; none gets another's key."""
    folder = tmp_path / "folder"

    def check(names: list[str]) -> str:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        made = []
        for name in names:
            path = folder / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
            except (OSError, ValueError):  # no file can have this name here
                continue
            made.append(path)
        made = sorted(set(made))
        try:
            found, left = discovery.find(str(folder))
        except LabeltrailError as error:
            return refused(error)
        taken = set(found.values())
        assert len(taken) == len(found)
        for key, path in found.items():
            assert not keys.key_problem(key)
            assert path.is_relative_to(folder)
        assert not keys.path_collisions(found)
        for out in left:
            assert out.what
            assert out.cure
        if not left:
            assert {path for path in made if path.suffix.lower() == ".csv"} == taken
        return TAKEN

    part = texts.map(
        lambda t: t.replace("/", "").replace("\0", "").encode("utf-8", "replace").decode()[:60] or "a"
    )
    ending = st.sampled_from([".csv", ".csv", ".CSV", ".tsv", ".csv.gz", ".json", "", ".part", "._"])
    name = st.tuples(part, ending).map("".join)
    path = st.one_of(name, st.tuples(part, name).map("/".join))
    fuzz(
        st.lists(path.filter(lambda p: ".." not in p.split("/")), min_size=1, max_size=4),
        check,
        few=40,
        share=0.5,
    )
