"""Gaps and missing numbers: marked, filled in for the network, and never labeled by accident."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages import evaluate, ingest, predict, window
from stages.timeseries.gaps import missing_mask, stretches, within
from storage.artifacts import dataset, predictions, reports
from storage.artifacts.region import Region
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.series import recording_reader
from tests.support import learned_project
from tests.support.learned_project import found_in, recording
from tests.support.stage_project import noise, record, small


def bounds(values: np.ndarray, times: np.ndarray, gap: float = 3.0) -> list[tuple[int, int]]:
    starts, ends = stretches(values.astype(np.float32), times, gap)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def test_a_recording_without_a_gap_is_one_stretch():
    assert bounds(np.zeros((5, 2)), np.arange(5)) == [(0, 4)]
    assert bounds(np.zeros((1, 2)), np.arange(1)) == [(0, 0)]


def test_a_pause_parts_two_stretches():
    assert bounds(np.zeros((6, 2)), np.array([0, 1, 2, 9, 12, 13])) == [(0, 2), (3, 5)]


def test_a_hole_in_all_channels_is_in_no_stretch_and_a_short_one_or_a_dead_channel_is():
    values = np.zeros((20, 2))
    values[:, 1] = np.nan
    values[3:5] = np.nan
    values[10:14] = np.nan
    assert bounds(values, np.arange(20)) == [(0, 9), (14, 19)]
    assert bounds(np.full((5, 2), np.nan), np.arange(5)) == []


def test_a_slow_channel_beside_a_fast_one_has_no_holes():
    values = np.zeros((60, 2))
    values[np.arange(60) % 10 > 0, 1] = np.nan
    assert not missing_mask(values.astype(np.float32), 3.0).any()
    values[:31, 1] = np.nan
    assert missing_mask(values.astype(np.float32), 3.0)[:, 1].nonzero()[0].tolist() == list(range(40))
    values[20:24, 0] = np.nan
    assert missing_mask(values.astype(np.float32), 3.0)[:, 0].nonzero()[0].tolist() == [20, 21, 22, 23]


def test_a_slow_channel_is_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    values = noise(100)
    values[np.arange(100) % 10 > 0, 1] = np.nan
    values[42:45, 0] = np.nan
    small({"a": values}, {"a": [(30, 59, "A")]})
    ingest.main()
    window.main()
    assert np.flatnonzero(dataset.target("a") == -1).tolist() == [42, 43, 44]
    assert (dataset.target("a") == 1).sum() == 27


def test_a_hole_beside_a_pause():
    values = np.zeros((12, 1))
    values[2:6] = np.nan
    times = np.arange(12) + 100 * (np.arange(12) >= 6)
    assert bounds(values, times) == [(0, 1), (6, 11)]


@pytest.mark.parametrize(
    ("region", "parts"),
    [
        (Region(1, 3, "A"), [Region(1, 3, "A")]),
        (Region(5, 12, "A"), []),
        (Region(3, 22, "A"), [Region(3, 4, "A"), Region(13, 19, "A"), Region(20, 22, "A")]),
        (Region(4, 4, "A", True), [Region(4, 4, "A", True)]),
        (Region(7, 7, "A", True), []),
    ],
)
def test_a_region_is_cut_at_gaps(region: Region, parts: list[Region]):
    assert within(region, (np.array([0, 13, 20]), np.array([4, 19, 30]))) == parts


def test_predictions_end_where_the_recording_has_nothing_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(learned_project.lay(tmp_path))
    values = recording([(100, 499, 0)], 600, 5)
    values[250:350] = np.nan
    lines = ["time,x,y", *(f"{i},{x},{y}".replace("nan", "") for i, (x, y) in enumerate(values))]
    write_bytes(Path("data/series/hole.csv"), "\n".join(lines).encode())
    rows = [f"{i + 9000 * (i >= 300)},{x},{y}" for i, (x, y) in enumerate(recording([(100, 499, 0)], 600, 6))]
    write_bytes(Path("data/series/pause.csv"), ("time,x,y\n" + "\n".join(rows)).encode())
    ingest.main()
    predict.main()
    (before, _, end), (after, start, _) = found_in("hole")
    assert (before, end, after, start) == ("A", 249, "A", 350)
    first, second = predictions.read("pause").regions
    assert (first.end, second.start) == (299, 9300)


def test_a_region_over_a_gap_is_scored_in_parts_as_it_is_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(learned_project.lay(tmp_path))
    values = recording([(100, 499, 0)], 600, 5)
    rows = [f"{i + 9000 * (i >= 300)},{x},{y}" for i, (x, y) in enumerate(values)]
    write_bytes(Path("data/series/t.csv"), ("time,x,y\n" + "\n".join(rows)).encode())
    learned_project.relabel(record("a", [(40, 75, "A")]), record("t", [(100, 9499, "A")]))
    ingest.main()
    window.main()
    true = dataset.read_index().series["t"].regions
    assert [(region.start, region.end) for region in true] == [(100, 299), (300, 499)]
    evaluate.main()
    event = reports.read_scores()["test"]["event"]
    assert (event["true"], event["predicted"], event["matched"]) == (2, 2, 2)


@pytest.mark.parametrize("far", ["1e20", "-3.4e38"])
def test_a_number_that_no_sensor_measures_is_named(tmp_path: Path, far: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"time,x,y\n0,1,\n1,2,{far}\n2,3,5\n")
    config = label_config.parse(label_config.render(("x", "y"), ("A",), "time"))
    missing, strange = recording_reader.examine(path, config).problems
    assert (missing.row, strange.row, strange.fatal) == (2, 3, False)
    assert strange.what == f"{np.float32(far):g} in 'y' is no measurement, and hides all others"
