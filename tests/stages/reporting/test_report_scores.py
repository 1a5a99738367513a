"""What the report says of scores: how far they may lie off, by person, and how far to trust them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stages import report
from stages.reporting.figures import diagrams
from stages.reporting.page import held_out
from stages.reporting.tables import BootstrapUnit, bootstrap_unit, subject_rows
from stages.segmentation import evaluation
from storage.artifacts import dataset, reports
from storage.artifacts.region import Region
from tests.support.report_project import lay

TESTS = ("train", *["test"] * 5)
CUT = (Region(10, 12, "walk"), Region(14, 19, "walk"))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def page() -> str:
    report.main()
    return reports.PAGE.read_text(encoding="utf-8")


def words(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def test_intervals_stand_beside_the_scores() -> None:
    lay(split_of=TESTS)
    text = words(page())
    assert "Event F1 1.000 1.00–1.00" in text and "95 %: 1.000 to 1.000" in text
    assert "by a bootstrap: drawing the 5 groups of the test split a thousand times with replacement." in text


def test_one_series_has_no_interval() -> None:
    lay()
    text = words(page())
    assert "95 %:" not in text and "bootstrap" not in text


def test_what_is_drawn_is_said() -> None:
    assert bootstrap_unit(list("aabbc")) == BootstrapUnit("series", 5, 3)
    assert bootstrap_unit(list("aabcdef")) == BootstrapUnit("group", 6, 6)


def test_what_is_cut_to_pieces_or_run_together_is_said_in_words() -> None:
    lay(found=CUT)
    assert "Over-segmented: 1 true range was cut to pieces (walk 1)." in words(page())
    lay(true=CUT, found=(Region(10, 19, "walk"),))
    text = words(page())
    assert "Under-segmented: 1 predicted range runs two or more true ones together (walk 1)." in text
    assert "Not over-segmented" in text


def test_every_person_has_a_row_and_the_worst_comes_first() -> None:
    lay(split_of=TESTS)
    text = page()
    assert all(f'title="person s{i}">person s{i}</td>' in text for i in range(1, 6))
    rows = [
        {**dict.fromkeys(evaluation.SUBJECT_HEADER, "0"), "split": "test", "group": name, "event_f1": f1}
        for name, f1 in (("a", "0.9"), ("b", "0.2"), ("c", "0.5"))
    ]
    assert [row.group for row in subject_rows(rows)["test"]] == ["b", "c", "a"]


def test_how_far_to_trust_its_scores() -> None:
    """All that the model finds it is 90 % sure of; of the timepoints 96 % are right, of the events each."""
    lay()
    text = words(page())
    assert (
        "0.90 confidence, 0.96 right; timepoints: 100" in text and "expected calibration error 0.060" in text
    )
    assert (
        "0.90 confidence, 1.00 right; predicted events: 1" in text
        and "expected calibration error 0.100" in text
    )


def test_a_dot_lies_where_sure_and_right_meet() -> None:
    row = {"split": "test", "level": "region", "answers": "3", "confidence": "0.5", "right": "1.0"}
    (found,) = diagrams([row, {**row, "split": "validation"}], {"test": {"region": 0.5}})["test"]
    (dot,) = found.dots
    assert (dot.x, dot.y, dot.radius, found.predictions) == (128, 10, 9, 3)


def test_boundaries_are_in_seconds_where_the_times_are_stamps() -> None:
    lay(time_format="%Y-%m-%d %H:%M:%S.%f")
    assert "Start error 2.0 , median 2 0.04 s, median 0.04 s" in words(page())
    lay()
    assert "Start error 2.0 , median 2 in time: 0.04, median 0.04" in words(page())


def test_groups_are_of_the_set() -> None:
    lay(split_of=("train", "validation", "test", "test"))
    assert held_out(dataset.read_index()) == {
        "test": ["person s2", "person s3"],
        "validation": ["person s1"],
    }
