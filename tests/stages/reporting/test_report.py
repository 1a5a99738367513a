"""The report: one page, alone, the same bytes each time, whatever the project holds."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from stages import report
from stages.reporting import dataset_summary
from stages.reporting.recording_plot import LEFT, RIGHT, WIDTH
from storage.artifacts import dataset, predictions, reports
from storage.artifacts import provenance as provenances
from storage.artifacts.region import Region
from storage.errors import InputError
from storage.labels import snapshot
from storage.paths import BEST, CANDIDATE
from tests.support.report_project import lay, lay_verdict

EVIL = '<script>alert("1")</script> & Gehen/走る'


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


def page() -> str:
    report.main()
    text = reports.PAGE.read_text(encoding="utf-8")
    check_tags(text)
    return text


VOID = {"meta", "br", "link", "img", "input", "hr"}


class Tags(HTMLParser):
    """Fails where a tag is not closed in order; collects what could reach out of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.references += [v or "" for k, v in attrs if k in ("href", "src", "srcset", "data", "action")]
        self.ids += [v or "" for k, v in attrs if k == "id"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_tags(text: str) -> None:
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))
    assert all(reference.startswith("#") for reference in tags.references)


def svgs(text: str) -> list[ET.Element]:
    return [ET.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.S)]


def plots(text: str) -> list[ET.Element]:
    return [svg for svg in svgs(text) if svg.get("class") == "plot"]


def lane(plot: ET.Element, y: str) -> list[tuple[float, float]]:
    """Left edge and width of each range in the lane at `y`: 6 is true, 38 predicted."""
    return boxes(r for r in plot.iter("rect") if r.get("class") == "region" and r.get("y") == y)


def boxes(rectangles: Iterable[ET.Element]) -> list[tuple[float, float]]:
    return [(float(r.get("x", "")), float(r.get("width", ""))) for r in rectangles]


def near(x: float, width: float) -> Any:
    return (pytest.approx(x, abs=0.011), pytest.approx(width, abs=0.011))


def test_the_same_inputs_give_the_same_bytes_on_another_path(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay()
    first = page()
    assert page() == first
    shutil.copytree(project, project.parent / "other")
    monkeypatch.chdir(project.parent / "other")
    reports.PAGE.unlink()
    assert page() == first
    assert str(project) not in first


def test_nothing_comes_from_outside_the_page() -> None:
    lay()
    text = page()
    assert "http:" not in text and "https:" not in text and "//" not in re.sub(r"/\*.*?\*/", "", text)
    assert "<script" not in text and "@import" not in text
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {"#hatch-0", "#hatch-1", "#hatch-2", "#unknown"}
    assert len(text) < 1_500_000


def test_names_are_escaped_everywhere() -> None:
    lay(
        labels=(EVIL, "b"),
        channels=("<b>&x</b>",),
        true=(Region(1, 90, EVIL),),
        found=(Region(1, 80, EVIL),),
        key="<i>{}",
    )
    text = page()
    assert "<script" not in text and "<b>&x" not in text and "<i>" not in text
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; Gehen/走る" in text
    assert plots(text)


def test_true_and_predicted_regions_lie_where_they_are_in_time() -> None:
    lay(rows=100, true=(Region(10, 19, "walk"), Region(20, 99, "sit")), found=(Region(12, 21, "walk"),))
    (plot,) = plots(page())
    step = (WIDTH - LEFT - RIGHT) / 100
    assert lane(plot, "6") == [
        near(LEFT + 10 * step, 10 * step),
        near(LEFT + 20 * step, 80 * step),
    ]
    assert lane(plot, "38") == [near(LEFT + 12 * step, 10 * step)]
    different = boxes(r for r in plot.iter("rect") if r.get("class") == "difference")
    assert different == [
        near(LEFT + 10 * step, 2 * step),
        near(LEFT + 20 * step, 80 * step),
    ]
    titles = [e.text for e in plot.iter("title")]
    assert "true: walk, 0.2 to 0.38" in titles
    assert "true: sit, 0.4 to 1.98, missed" in titles
    assert "predicted: walk, 0.24 to 0.42" in titles


def test_ticks_are_the_recordings_own_times() -> None:
    lay(rows=101)
    (plot,) = plots(page())
    texts = {t.text: float(t.get("x", "")) for t in plot.iter("text") if t.get("text-anchor") == "middle"}
    inside = WIDTH - LEFT - RIGHT
    assert texts["1"] == pytest.approx(LEFT + inside / 2, abs=0.01)
    assert texts["0"] == pytest.approx(LEFT + inside / 202, abs=0.01)


def test_stamps_become_clock_times() -> None:
    lay(rows=3000, time_format="%Y-%m-%d %H:%M:%S.%f")
    text = page()
    (plot, *_) = plots(text)
    assert "22:13:25" in [t.text for t in plot.iter("text")]
    assert "UTC, from 2023-11-14" in text
    assert "true: walk, 2023-11-14T22:13:20.100000000 to" in text


def test_an_instant_is_a_tick() -> None:
    lay(
        true=(Region(50, 50, "walk", True),),
        found=(Region(52, 52, "walk", True), Region(90, 90, "sit", True)),
    )
    (plot,) = plots(page())
    titles = [e.text for e in plot.iter("title")]
    assert "true: walk at 1" in titles and "predicted: walk at 1.04" in titles
    assert "predicted: sit at 1.8, no true event" in titles
    ticks = [e.get("d", "") for e in plot.iter("path") if e.get("class") == "tick"]
    assert ticks[0].startswith(f"M{LEFT + 50.5 * (WIDTH - LEFT - RIGHT) / 100} 6v")


@pytest.mark.parametrize("n", [1, 20, 40])
def test_any_number_of_classes(n: int) -> None:
    labels = tuple(f"class {i}" for i in range(n))
    size = 400 // n
    regions = tuple(Region(i * size, i * size + size - 1, label) for i, label in enumerate(labels))
    lay(labels=labels, rows=400, true=regions, found=regions)
    text = page()
    (plot,) = plots(text)
    assert len(lane(plot, "6")) == n
    legend = text.partition('class="legend"')[2].partition("</ul>")[0]
    looks = re.findall(r'<svg class="swatch inline".*?</svg>', legend)
    assert len(looks) == n and len(set(looks)) == n  # a colour that comes again has another pattern


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_series_of_few_timepoints(rows: int) -> None:
    lay(rows=rows, true=(Region(0, 0, "walk"),), found=())
    (plot,) = plots(page())
    assert lane(plot, "6")[0][1] == pytest.approx((WIDTH - LEFT - RIGHT) / rows, abs=0.01)


def test_no_test_set_takes_validation() -> None:
    lay(split_of=("train", "validation"))
    text = page()
    assert "Event F1, validation split" in text and "All recordings of the validation split" in text


def test_nothing_is_held_out() -> None:
    lay(split_of=("train",))
    text = page()
    assert "There are no scores" in text and "No labeled series is held out and predicted" in text


def test_optional_inputs_may_be_missing() -> None:
    lay()
    for path in (*Path("reports").glob("*.*"), Path("data/arrays/quality.json")):
        path.unlink()
    for folder in (
        BEST,
        predictions.PATH,
        snapshot.PATH,
        Path("reports/train"),
        reports.EVALUATION,
    ):
        shutil.rmtree(folder)
    text = page()
    for command in ("promote", "evaluate", "predict", "train", "ingest"):
        assert f"dvc repro {command}</code>" in text
    assert "not known" in text


def test_without_a_candidate_there_is_no_page() -> None:
    lay()
    shutil.rmtree(CANDIDATE)
    with pytest.raises(InputError) as error:
        report.main()
    assert error.value.cure == "dvc repro train"
    assert not reports.PAGE.exists()


def test_a_candidate_that_was_not_promoted() -> None:
    lay()
    model = provenances.read(CANDIDATE).model
    lay_verdict("kept", "its event_f1 is worse", 0.7, 0.8, model, "abcdef0123456789")
    text = page()
    assert (
        '<b class="kept">Not promoted</b>: its event_f1 is worse. The best model stays <code>abcdef01</code>.'
        in text
    )
    assert '<dl class="duel">' in text


def test_what_is_odd_about_the_data_is_named() -> None:
    odd = {
        "gaps": {"count": 2, "longest_after_row": 7, "longest_steps": 30.0},
        "nan": {"x": 1200},
        "constant": ["y"],
        "notes": [{"row": 3, "what": "a BOM", "cure": ""}],
    }
    lay(
        series={"s0": odd},
        refused={"bad": [{"row": 12, "what": "time does not increase", "cure": "sort it"}]},
        not_recordings=["notes.txt"],
        other_sampling_rates={"s0": 25.0},
    )
    text = page()
    assert (
        "<b>s0</b>: 2 gaps in time; the longest is 30 steps after timepoint 7; no number: 1,200 in x;"
        " never changes: y; 25 timepoints per unit of time, unlike most; row 3: a BOM</li>"
    ) in text
    assert "<b>bad</b>: row 12: time does not increase; sort it</li>" in text
    assert "Not recordings, ignored: notes.txt." in text


def test_the_longest_difference_is_drawn_closer() -> None:
    sit = Region(2000, 2099, "sit")
    lay(rows=4000, true=(Region(100, 199, "walk"), sit), found=(Region(110, 199, "walk"),))
    whole, closer = plots(page())
    assert len(lane(whole, "6")) == 2
    step = (WIDTH - LEFT - RIGHT) / 300  # 100 timepoints, and as many on both sides
    assert lane(closer, "6") == [near(LEFT + 100 * step, 100 * step)]


def test_counts_tell_what_is_labeled_and_by_whom() -> None:
    lay(split_of=("train", "train", "test", "unassigned"))
    people = {"0-aaa": "ann", "1-aaa": "bob", "2-aaa": "ann"}
    found = dataset_summary.origin(dataset.read_index(), people, {"s0": ["0-aaa"], "s1": ["1-aaa"]})
    rows = [(r.name, r.series, r.regions) for r in found.splits]
    assert rows == [("train", 2, 2), ("test", 1, 1), ("unassigned", 1, 1)]
    annotators = [(a.name, a.annotations, a.trained_on) for a in found.annotators]
    assert annotators == [("ann", 2, 1), ("bob", 1, 1), ("not known", 1, 0)]


def test_an_instant_inside_a_range_lies_on_top() -> None:
    lay(true=(Region(5, 5, "sit", True), Region(2, 90, "walk"), Region(40, 50, "sit")), found=())
    (plot,) = plots(page())
    titles = [e.text or "" for e in plot.iter("title")]
    assert [t for t in titles if t.startswith("true")] == [
        "true: walk, 0.04 to 1.8, missed",
        "true: sit, 0.8 to 1, missed",
        "true: sit at 0.1, missed",
    ]
