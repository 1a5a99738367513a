"""The report: one page, alone, the same bytes each time, whatever the project holds."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages import evaluate, report
from stages.timeseries import axes, counts, tables
from stages.timeseries.curves import chart
from stages.timeseries.metrics import Judged, score
from stages.timeseries.plots import (
    LEFT,
    RIGHT,
    WIDTH,
    Recording,
    Scale,
    envelope,
    longest_difference,
    series_plot,
)
from storage import arrays, checkpoint, dataset, label_config, predictions, snapshot
from storage.checkpoint import Checkpoint, Provenance
from storage.errors import InputError
from storage.files import write_bytes, write_json
from storage.predictions import PredictedRegion, Prediction
from storage.regions import Region
from storage.series import Series

ROOT = Path(__file__).parent.parent
EVIL = '<script>alert("1")</script> & Gehen/走る'


def lay(
    labels: tuple[str, ...] = ("walk", "sit"),
    channels: tuple[str, ...] = ("x",),
    rows: int = 100,
    set_of: tuple[str, ...] = ("train", "validation", "test"),
    true: tuple[Region, ...] = (Region(10, 19, "walk"),),
    found: tuple[Region, ...] = (Region(12, 21, "walk"),),
    time_format: str | None = None,
    key: str = "s{}",
    **quality: Any,
) -> None:
    """A small project in the current folder, as the stages before the report would leave it."""
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    xml = label_config.render(channels, labels, "time")
    if time_format:
        xml = xml.replace('timeColumn="time"', f'timeColumn="time" timeFormat="{time_format}"')
    write_bytes(label_config.PATH, xml.encode())
    keys = [key.format(i) for i in range(len(set_of))]
    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, len(channels))).astype(np.float32)
    times = np.arange(rows) * (10**7 if time_format else 0.02) + (1_700_000_000 * 10**9 if time_format else 0)
    series = {k: Series(values, times.astype(np.int64) if time_format else times) for k in keys}
    facts = {
        "gaps": {"count": 0, "longest_after_row": None, "longest_steps": 0.0},
        "nan": {},
        "constant": [],
        "notes": [],
    }
    for name, recording in series.items():
        arrays.save(arrays.PATH, name, recording)
    told = {"series": dict.fromkeys(keys, facts), "refused": {}, "not_recordings": []}
    index = arrays.Index(channels, 50.0, {k: arrays.Entry(rows, "0", 50.0) for k in keys})
    arrays.save_index(arrays.PATH, index, {**told, "other_sampling_rates": {}, **quality})
    lay_dataset(labels, channels, rows, dict(zip(keys, set_of, strict=True)), true)
    model = lay_model(labels, channels)
    lay_reports(labels, model, found)
    regions = [(r.start * 0.02, r.end * 0.02, r.start, r.end, r.label, r.instant, 0.9) for r in found]
    predicted = tuple(PredictedRegion(*region) for region in regions)
    predictions.write(Prediction(k, model, 0.9, 0.1, predicted) for k in keys)


def lay_dataset(
    labels: tuple[str, ...],
    channels: tuple[str, ...],
    rows: int,
    set_of: dict[str, str],
    true: tuple[Region, ...],
) -> None:
    """Targets, and the label snapshot that they come from."""
    target = np.zeros(rows, np.int16)
    for region in true:
        target[region.start : region.end + 1] = labels.index(region.label) + 1
    entries = {
        key: dataset.Entry(rows, name, f"person {key}", (f"{i}-aaa",), true)
        for i, (key, name) in enumerate(set_of.items())
    }
    hashes = {"labels": "1" * 32 + ".dir", "series": "2" * 32 + ".dir"}
    index = dataset.Index(channels, labels, (), 50.0, 10, 64, 64, entries, {}, (), (), hashes)
    dataset.write(dict.fromkeys(set_of, target), index)
    fixed = {"annotator": "ann@example.com", "result": []}
    snapshot.write(
        snapshot.PATH, [{"id": f"{i}-aaa", "series": key, **fixed} for i, key in enumerate(set_of)]
    )


def lay_model(labels: tuple[str, ...], channels: tuple[str, ...]) -> str:
    """A candidate that is the best; returns its hash."""
    training = {"epochs": 3, "best_epoch": 2, "stopped": "patience", "loss": 0.5, "validation": {}}
    model = Checkpoint("lstm", channels, labels, 50.0, {}, {}, {}, training, {"w": torch.zeros(1)})
    made_with = {"train": {"epochs": 3, "class_weights": True}}
    told = Provenance(
        model.hash(), "1" * 32 + ".dir", "2" * 32 + ".dir", "3", "4.dir", made_with, {"s0": ["0-aaa"]}
    )
    checkpoint.write(model, told)
    checkpoint.copy(checkpoint.CANDIDATE, checkpoint.BEST)
    lay_curve("train/loss", [1.0, 0.5, 0.4])
    lay_curve("validation/worst_f1", [0.0, 0.5, 0.4])
    return told.model


def lay_curve(name: str, values: list[float]) -> None:
    column = name.rpartition("/")[2]
    lines = [f"step\t{column}", *(f"{i}\t{v}" for i, v in enumerate(values))]
    write_bytes(report.CURVES / f"{name}.tsv", "\n".join(lines).encode())


def lay_reports(labels: tuple[str, ...], model: str, found: tuple[Region, ...]) -> None:
    """Scores as evaluate writes them, and a verdict."""
    index, judged = dataset.read_index(), {}
    for key, entry in index.series.items():
        target = dataset.target(key)
        classes = np.zeros(len(target), np.int16)
        for region in found:
            classes[region.start : region.end + 1] = labels.index(region.label) + 1
        judged.setdefault(entry.set, []).append(Judged(target, classes, entry.regions, found))
    scores = {name: score(judged[name], labels, 0.5, 10) for name in evaluate.SETS if name in judged}
    write_json(report.SCORES, {name: evaluate.summary(s) for name, s in scores.items()})
    rows, matrix = evaluate.class_rows(scores), evaluate.confusion_rows(scores, labels)
    write_bytes(report.CLASSES, evaluate.table(evaluate.CLASS_HEADER, rows))
    write_bytes(report.CONFUSION, evaluate.table(evaluate.CONFUSION_HEADER, matrix))
    lay_verdict("promoted", "there was no best model yet", 0.8, None, model, model)


def lay_verdict(
    verdict: str, reason: str, candidate: float | None, best: float | None, a: str, b: str
) -> None:
    value = {"verdict": verdict, "reason": reason, "candidate": candidate, "best": best}
    write_json(report.VERDICT, {**value, "metric": "event_f1", "candidate_model": a, "best_model": b})


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


def page() -> str:
    report.main()
    text = report.PAGE.read_text(encoding="utf-8")
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
    report.PAGE.unlink()
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
    lay(set_of=("train", "validation"))
    text = page()
    assert "Event F1, validation set" in text and "of the validation set by event F1" in text


def test_nothing_is_held_out() -> None:
    lay(set_of=("train",))
    text = page()
    assert "There are no scores" in text and "No labeled series is held out and predicted" in text


def test_optional_inputs_may_be_missing() -> None:
    lay()
    for path in (report.VERDICT, report.SCORES, report.CLASSES, report.CONFUSION, report.QUALITY):
        path.unlink()
    for folder in (checkpoint.BEST, predictions.PATH, snapshot.PATH, Path("reports/train")):
        shutil.rmtree(folder)
    text = page()
    for command in ("promote", "evaluate", "predict", "train", "ingest"):
        assert f"dvc repro {command}</code>" in text
    assert "not known" in text


def test_without_a_candidate_there_is_no_page() -> None:
    lay()
    shutil.rmtree(checkpoint.CANDIDATE)
    with pytest.raises(InputError) as error:
        report.main()
    assert error.value.cure == "dvc repro train"
    assert not report.PAGE.exists()


def test_a_candidate_that_was_not_promoted() -> None:
    lay()
    model = checkpoint.read_provenance(checkpoint.CANDIDATE).model
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


def test_numbers_that_are_missing_leave_the_line_open() -> None:
    scale = Scale.of(np.arange(5.0))
    path = envelope(scale, np.array([1.0, 2.0, np.nan, 3.0, 4.0]), 100)
    assert path.count("M") == 2 and path.count("L") == 2
    lonely = envelope(scale, np.array([np.nan, np.nan, 3.0, np.nan, np.nan]), 100)
    assert re.fullmatch(r"M[\d.]+ 3h0", lonely)


def test_a_pause_leaves_the_line_open() -> None:
    path = envelope(Scale.of(np.array([0.0, 1.0, 2.0, 9.0, 10.0])), np.zeros(5), 100)
    assert path.count("M") == 2


def test_the_envelope_keeps_every_peak() -> None:
    y = np.zeros(100_000)
    y[[777, 50_001]] = 9.0, -9.0
    path = envelope(Scale.of(np.arange(100_000.0)), y, 960)
    heights = [float(v) for v in re.findall(r"V(-?[\d.]+)|[ML][\d.]+ (-?[\d.]+)", path) for v in v if v]
    assert max(heights) == 9 and min(heights) == -9
    assert path.count("M") == 1 and len(path) < 20_000


def test_the_longest_difference_is_drawn_closer() -> None:
    sit = Region(2000, 2099, "sit")
    lay(rows=4000, true=(Region(100, 199, "walk"), sit), found=(Region(110, 199, "walk"),))
    whole, closer = plots(page())
    assert len(lane(whole, "6")) == 2
    step = (WIDTH - LEFT - RIGHT) / 300  # 100 timepoints, and as many on both sides
    assert lane(closer, "6") == [near(LEFT + 100 * step, 100 * step)]


def test_no_difference_no_closer_look() -> None:
    same = np.zeros(10, np.int16)
    recording = Recording(np.zeros((10, 1)), np.arange(10.0), ("x",), Judged(same, same, (), ()), ("a",))
    assert longest_difference(recording) is None
    assert series_plot(recording, 0.5, 10).differences == ()


def test_a_channel_without_numbers() -> None:
    nothing, values = np.zeros(4, np.int16), np.array([[np.nan, 1.0]] * 4, np.float32)
    judged = Judged(nothing - 1, nothing, (), ())
    recording = Recording(values, np.arange(4.0), ("x", "y"), judged, ("a",))
    plot = series_plot(recording, 0.5, 10)
    assert plot.traces[0].path == "" and plot.traces[1].path.startswith("M")
    assert len(plot.unknown) == 1 and plot.differences == ()


def test_best_median_and_worst_are_each_drawn_once() -> None:
    def of(n: int) -> list[tuple[str, str]]:
        scores = [tables.SeriesScore(f"s{i}", "", 9, 1, 1, 0, i / 9, 0.5) for i in range(n)]
        return [(rank, s.series) for rank, s in tables.ranked(tables.ordered(scores))]

    assert of(1) == [("the only one", "s0")]
    assert of(2) == [("best", "s1"), ("worst", "s0")]
    assert of(5) == [("best", "s4"), ("median", "s2"), ("worst", "s0")]


def test_intervals_are_wilsons() -> None:
    assert [round(x, 3) for x in tables.interval(0, 4)] == [0.0, 0.49]
    assert [round(x, 3) for x in tables.interval(76, 80)] == [0.878, 0.98]
    assert tables.interval(0, 0) == (0.0, 1.0)


def test_ticks() -> None:
    def texts(ticks: tuple[axes.Tick, ...]) -> list[str]:
        return [tick.text for tick in ticks]

    assert texts(axes.number_ticks(-1.0, 1.0, 4)) == ["−1", "−0.5", "0", "0.5", "1"]
    assert texts(axes.number_ticks(5.0, 5.0, 4)) == ["5"]
    epoch = texts(axes.number_ticks(1_700_000_000.0, 1_700_000_020.0, 2))
    assert epoch == ["1700000000", "1700000010", "1700000020"]
    day = 86400 * axes.SECOND
    minute = texts(axes.time_ticks(5 * axes.SECOND, 90 * axes.SECOND, 3))
    assert minute == ["00:00:30", "00:01:00", "00:01:30"]
    assert texts(axes.time_ticks(0, 3 * day, 3)) == ["1970-01-01", "1970-01-02", "1970-01-03", "1970-01-04"]
    assert texts(axes.time_ticks(5, axes.SECOND + 5, 4)) == ["+0 s", "+0.5 s", "+1 s"]


def test_curves_mark_the_best_epoch() -> None:
    drawn = chart("Loss", {"training": [2.0, 1.0, 1.5]}, best=2)
    (curve,) = drawn.curves
    assert curve.best is not None and curve.best.value == 1.0 and curve.best.x == drawn.best_x
    assert chart("Loss", {"training": [0.0]}, best=1).curves[0].path.endswith("h0")


def test_counts_tell_what_is_labeled_and_by_whom() -> None:
    lay(set_of=("train", "train", "test", "unassigned"))
    people = {"0-aaa": "ann", "1-aaa": "bob", "2-aaa": "ann"}
    found = counts.origin(dataset.read_index(), people, {"s0": ["0-aaa"], "s1": ["1-aaa"]})
    rows = [(r.name, r.series, r.regions) for r in found.sets]
    assert rows == [("train", 2, 2), ("test", 1, 1), ("unassigned", 1, 1)]
    annotators = [(a.name, a.annotations, a.learnt) for a in found.annotators]
    assert annotators == [("ann", 2, 1), ("bob", 1, 1), ("not known", 1, 0)]
