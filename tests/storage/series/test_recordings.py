"""One reader of a recording: what it takes, stores anew and refuses, held against how Label Studio's page reads.

The page is a model here (storage/label_studio/page.py); tests/storage/label_studio/test_page.py holds the same
cases against the page itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.label_studio import label_config, page
from storage.label_studio.label_config import LabelConfig
from storage.label_studio.page_csv import PageError
from storage.series import recording_plain, recording_reader
from storage.series.recording import Series
from storage.series.recording_rewrite import delimiter_problem
from tests.support.recordings.recording_cases import AS_IT_IS, NAN, PLAIN, xml
from tests.support.recordings.refused_cells import REFUSED_CELLS
from tests.support.recordings.refused_tables import REFUSED_TABLES
from tests.support.recordings.stored_recordings import STORED

REFUSED = REFUSED_TABLES | REFUSED_CELLS


def numbers(read: Series) -> list[list[float]]:
    """Times, in milliseconds where they are stamps, and the values of each channel."""
    times = read.times // 10**6 if read.times.dtype.kind == "i" else read.times
    return [times.tolist(), *read.values.T.tolist()]


def shown(raw: bytes, config: LabelConfig) -> list[list[float]]:
    """The same as the page holds it; a missing value is 0 there, a text NaN."""
    found = page.show(raw.decode("utf-8-sig"), config)
    return [
        [cell if isinstance(cell, float) else NAN for cell in cells]
        for cells in (found.times, *found.channels.values())
    ]


def same(read: list[list[float]], held: list[list[float]]) -> bool:
    """Whether the page holds what was read, with 0 for each missing value."""
    return len(read) == len(held) and all(
        len(a) == len(b) and np.allclose(np.nan_to_num(a), b, rtol=1e-6, atol=0)
        for a, b in zip(read, held, strict=True)
    )


def misread(raw: bytes, config: LabelConfig, read: list[list[float]]) -> bool:
    """Whether the page shows an error or other numbers, or names of columns that are none."""
    try:
        return not same(read, shown(raw, config))
    except (PageError, UnicodeDecodeError):
        return True


@pytest.mark.parametrize("name", AS_IT_IS)
def test_what_the_page_reads_is_taken_to_the_byte(name: str) -> None:
    case = AS_IT_IS[name]
    found = recording_reader.examine(case.raw, case.parsed)
    assert [problem for problem in found.problems if problem.fatal] == []
    assert (found.stored, found.shown) == (None, True)
    assert found.series is not None
    assert np.array_equal(numbers(found.series), case.values or (), equal_nan=True)
    assert same(numbers(found.series), shown(case.raw, case.parsed))


@pytest.mark.parametrize("name", STORED)
def test_what_the_page_would_misread_is_stored_as_it_reads_it(name: str) -> None:
    case = STORED[name]
    found = recording_reader.examine(case.raw, case.parsed)
    assert found.stored == case.stored
    assert found.series is not None
    assert np.array_equal(numbers(found.series), case.values or (), equal_nan=True)
    assert found.problems[0].what == f"stored as Label Studio's page reads it: {'; '.join(found.changes)}"
    assert same(numbers(found.series), shown(case.stored or b"", case.parsed))
    assert misread(case.raw, case.parsed, numbers(found.series))
    again = recording_reader.examine(case.stored or b"", case.parsed)
    assert (again.stored, again.shown) == (None, True)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_is_refused_with_its_line_and_a_cure_that_helps(name: str) -> None:
    case = REFUSED[name]
    found = recording_reader.examine(case.raw, case.parsed)
    assert (found.series, found.stored) == (None, None)
    first = found.problems[0]
    assert first.fatal
    assert first.row == case.row
    assert case.what in first.what
    assert case.cure in first.cure
    assert case.followed is not None
    cured = label_config.parse(case.followed[1])
    followed = recording_reader.examine(case.followed[0], cured)
    assert followed.series is not None
    assert same(numbers(followed.series), shown(followed.stored or case.followed[0], cured))


@pytest.mark.parametrize("stamp", ["9999-12-31 23:59:59", "1600-01-01 00:00:00", "2262-04-12 00:00:00"])
def test_a_time_of_no_year_that_can_be_kept_is_refused_with_its_line(stamp: str) -> None:
    """What stands for no time in many a database."""
    raw = f"time,x,y\n2026-01-01 00:00:00,1,2\n{stamp},3,4\n".encode()
    (problem,) = recording_reader.examine(
        raw, label_config.parse(xml(time_format="%Y-%m-%d %H:%M:%S"))
    ).problems
    assert (problem.row, problem.fatal) == (3, True)
    assert problem.what == f"the time '{stamp}' is in none of the years 1678 to 2261"
    assert "or delete the row" in problem.cure


@pytest.mark.parametrize(
    ("times", "time_format"),
    [
        (("0", "1e-300", "2e-300"), ""),
        (("0", "5e-324"), ""),
        (("0", "1e300"), ""),
        (("-1.7e308", "0", "1.7e308"), ""),
        (("1678-01-01 00:00:00", "2261-01-01 00:00:00"), "%Y-%m-%d %H:%M:%S"),
    ],
)
def test_steps_that_nothing_can_be_reckoned_with_are_refused(
    times: tuple[str, ...], time_format: str
) -> None:
    """One such recording made the index of all of them one that no stage reads."""
    raw = "time,x,y\n" + "".join(f"{time},1,2\n" for time in times)
    (problem,) = recording_reader.examine(
        raw.encode(), label_config.parse(xml(time_format=time_format))
    ).problems
    assert (problem.row, problem.fatal) == (len(times) + 1, True)
    assert "which is no time between measurements" in problem.what


def test_a_zone_behind_a_count_of_seconds_is_refused_with_its_line() -> None:
    found = recording_reader.examine(
        b"time,x,y\n1700000000,1,2\n1700000001 +0100,3,4\n", label_config.parse(xml(time_format="%s"))
    )
    assert [(problem.row, "timeFormat '%s'" in problem.what) for problem in found.problems] == [(3, True)]


@pytest.mark.parametrize("name", [name for name in REFUSED if REFUSED[name].misread])
def test_what_is_refused_for_the_page_it_would_misread(name: str) -> None:
    """Other cases are refused for what is in them: a time twice, a word for a number, an infinite one."""
    case = REFUSED[name]
    assert case.followed is not None
    cured = recording_reader.examine(case.followed[0], label_config.parse(case.followed[1]))
    assert cured.series is not None
    assert misread(case.raw, case.parsed, numbers(cured.series))


# -- whatever comes --------------------------------------------------------------------------------

CELLS = st.sampled_from(
    ["0", "1", "2.5", "-3", "1e3", ".5", "5.", "+1", " 1", "1 ", "", "", " ", "NaN", "null", "True", "false", "1,5",
     "0,25", "1,000", "1.000,5", "1'000", "inf", "1e39", "OVL", "---", "word", "a,b", '"', '"1"', '""', '"a""b"',
     'a"b', "0x1F", "1_0", "١", "\xa0", "#", "time", "x", "y", "X", "2026-01-01", "{", "é", "\u2028", "\ufeff", "\t",
     "\0", "\x1c"]
)  # fmt: skip
HEADERS = st.sampled_from(
    [["time", "x", "y"], ["y", "x", "time"], ["time", "x", "y", "note"], ["Time", "X", "Y"], ["", "time", "x", "y"],
     ['"time"', '"x"', '"y"'], ["time", " x", " y"], ["time", "x", "y", ""], ["time", "x", "y", "y"], ["0", "1", "2"],
     ["time", "x", "X", "y"], ["time", "0", "1"], ["x", "y"], ["#", "time", "x", "y"]]
)  # fmt: skip
CONFIGS = [
    label_config.parse(text)
    for text in (xml(), xml(), xml(sep=";"), xml(sep="tab"), xml(sep="space"), xml(sep="auto"), xml("0", "1"),
                 xml(time=None), xml("0", "1", time=None), xml(time_format="%Y-%m-%d"))
]  # fmt: skip


@st.composite
def ugly(draw: Callable[[Any], Any]) -> bytes:
    """A table as it comes: mostly of numbers, with something odd in it."""
    names = draw(HEADERS)
    sep = draw(st.sampled_from([",", ",", ",", ";", "\t", " ", "|", "  "]))
    lines = [sep.join(names)]
    for row in range(draw(st.integers(0, 5))):
        cells = [f"{row}.{place + 1}" for place in range(len(names))]
        for place in draw(st.lists(st.integers(0, len(names)), max_size=2)):
            cells[place : place + 1] = draw(st.lists(CELLS, min_size=0, max_size=2))
        lines.append(sep.join(cells))
    for place in draw(st.lists(st.integers(0, len(lines)), max_size=1)):
        lines.insert(place, draw(st.sampled_from(["", " ", "# note", "sep=,", ",,", "s,g,g", "END"])))
    text = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])).join(lines) + draw(
        st.sampled_from(["", "\n", "\n\n"])
    )
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"])))


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(ugly(), st.sampled_from(CONFIGS))
def test_what_is_taken_the_page_reads_alike_and_the_rest_is_named(raw: bytes, config: LabelConfig) -> None:
    found = recording_reader.examine(raw, config)
    if found.series is None:
        assert all(problem.what and problem.cure for problem in found.problems)
        assert any(problem.fatal for problem in found.problems)
        return
    assert same(numbers(found.series), shown(found.stored or raw, config))
    if found.stored is not None:
        again = recording_reader.examine(found.stored, config)
        assert (again.stored, again.series is not None) == (None, True)
        assert found.shown or misread(raw, config, numbers(found.series))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from(CONFIGS), st.booleans()
)
def test_no_bytes_end_in_a_traceback(raw: bytes, config: LabelConfig, headed: bool) -> None:
    found = recording_reader.examine(PLAIN[:9] + raw if headed else raw, config)
    assert found.series is not None or any(problem.fatal for problem in found.problems)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(ugly(), st.sampled_from(CONFIGS))
def test_what_is_rewritten_as_a_whole_is_what_going_through_its_rows_writes(
    raw: bytes, config: LabelConfig
) -> None:
    if recording_plain.read(raw, config) is not None or delimiter_problem(config):
        return
    whole = recording_reader._examine_simple(raw, config)
    if whole is not None:
        rows = recording_reader._examine_rows(raw, config)
        assert (whole.stored, whole.changes, whole.problems) == (rows.stored, rows.changes, rows.problems)
        assert (whole.series is None) == (rows.series is None)


def test_most_quoted_files_are_rewritten_as_a_whole() -> None:
    """That it is fast is the point of it: a third of a million cells in less than a second of processor time."""
    raw = b'"time","x","y"\r\n' + b"".join(b'"%d","0.25","-1.5"\r\n' % n for n in range(120_000))
    started = time.process_time()
    found = recording_reader.examine(raw, AS_IT_IS["plain"].parsed)
    assert found.changes == ("without quotes",)
    assert time.process_time() - started < 1
