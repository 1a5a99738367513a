"""Labels, series and people of any characters, through every stage: printed, written, read back, drawn."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import evaluate, ingest, predict, promote, publish, report, train, window
from storage.artifacts import arrays, dataset, predictions, reports
from storage.label_studio import label_config
from storage.labels import snapshot
from storage.printable import UNSAFE
from storage.project_files import splits_file
from storage.s3.keys import CONTROL
from tests.stages.reporting.test_report import check_tags
from tests.support import choice_project
from tests.support.stage_project import noise, record, small, write_params

NAMES = [
    "</script><script>alert(1)</script>", "=1+1", "-x", "@x", 'a,"b', "u\u2028v\u2029w", "rtl\u202eevil", "😀走る",
    "x\u200by", "{{ 7*7 }}", "{% raw %}", "]]>&amp;<!--", "'=x", "a\u0085b", "null", "%s{0}", "\U000e0041tag",
]  # fmt: skip
PEOPLE = ["\x1b[2J\nforged: all good", "=cmd|'/c calc'!A1", "e\u202e", "</b>\r\n", "😀"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to lay a project in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(count: int) -> list[str]:
    """Series keys: names that a file can have."""
    some = [name for name in NAMES * 3 if not CONTROL.search(name)][:count]
    return [f"{name.replace('/', '∕')} {i}" for i, name in enumerate(some)]


def people(names: list[str]) -> None:
    """Whom the series are of: no one in two splits."""
    rows = splits_file.read()
    splits_file.write(
        {
            key: splits_file.Row(f"{PEOPLE[i % 5]} {rows[key].split}", rows[key].split)
            for i, key in enumerate(names)
        }
    )


def look(capsys: pytest.CaptureFixture[str], labels: tuple[str, ...]) -> None:
    """What was printed and written holds nothing that a terminal, a page or a spreadsheet acts on."""
    said = capsys.readouterr()
    assert [line for line in (said.out + said.err).split("\n") if UNSAFE.search(line)] == []
    assert "\nforged" not in said.out
    for path in (reports.CLASSES, reports.SUBJECTS, reports.CONFUSION, reports.CALIBRATION):
        text = path.read_bytes().decode()
        table = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        assert {len(row) for row in table} == {len(table[0])}
        assert not [c for row in table for c in row if c[:1] in ("=", "+", "-", "@") and not number(c)]
    assert {row["label"] for row in reports.read_csv(reports.CLASSES)} >= {*labels}
    text = reports.PAGE.read_text(encoding="utf-8")
    check_tags(text)
    assert "<script" not in text and "49" not in text.partition("{{ 7*7 }}")[2][:3]
    for path in Path().rglob("*.json"):
        json.loads(path.read_bytes(), parse_constant=pytest.fail)


def number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def test_regions_of_any_name(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names, labels = keys(len(NAMES)), tuple(NAMES)
    monkeypatch.setenv("DVC_EXP_NAME", "an \x1b[2J experiment")
    of = {key: ("train", "validation", "test", "train")[i % 4] for i, key in enumerate(names)}
    spans: Any = {key: [(5, 20, labels[i]), (30, 40, labels[i - 1])] for i, key in enumerate(names)}
    small({key: noise(60, i) for i, key in enumerate(names)}, spans, splits=of, labels=labels)
    others = [(44, 50, "unknown \x1b[2J\n\u202e" + "x" * 5000)]
    snapshot.write(
        Path("data/labels"),
        snapshot.dump(
            record(key, [*found, *(others if i == 0 else [])], annotator=PEOPLE[i % 5])
            for i, (key, found) in enumerate(spans.items())
        ),
    )
    people(names)
    assert label_config.load().labels == labels
    Path("data/series/a\x85b.csv").write_bytes(Path(f"data/series/{names[0]}.csv").read_bytes())
    for stage in (ingest, window, train, evaluate, promote, predict, publish, report):
        stage.main()
    assert [*(arrays.read_quality() or {})["refused"]] == ["a\x85b"]
    assert {region.label for e in dataset.read_index().series.values() for region in e.regions} == {*labels}
    assert predictions.keys() == sorted(names)
    assert len(dataset.read_index().left_out[0]) < 1000, (
        "a label of 5,000 characters is named by its beginning"
    )
    look(capsys, labels)


def test_whole_series_of_any_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names, labels = keys(24), tuple(NAMES[:4])
    series = {key: choice_project.wave(("slow", "fast")[i % 2], i) for i, key in enumerate(names)}
    said = [choice_project.record(key, [labels[i % 4]]) for i, key in enumerate(names)]
    of = {key: ("train", "train", "test")[i // 4 % 3] for i, key in enumerate(names)}
    choice_project.lay(series, said, of, labels=labels, task="multiclass", steps=4)
    people(names)
    choice_project.run_all()
    evaluate.main()
    report.main()
    assert predictions.keys() == sorted(names)
    look(capsys, labels)


def test_hundreds_of_classes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = tuple(f"class {i:04}" for i in range(300))
    spans: Any = {
        key: [(5 * i, 5 * i + 4, labels[i + start]) for i in range(20)]
        for key, start in (("a", 0), ("t", 10))
    }
    small({"a": noise(120), "t": noise(120, 1)}, spans, splits={"t": "test"}, labels=labels)
    write_params()
    for stage in (ingest, window, train, evaluate, promote, predict, report):
        stage.main()
    assert max(map(len, capsys.readouterr().out.split("\n"))) < 1500
    assert len(reports.PAGE.read_bytes()) < 20_000_000
