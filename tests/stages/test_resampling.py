"""Another sampling rate: what is kept, what is never invented, and how times stay those of the recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages import ingest, window
from stages.timeseries import resampling
from stages.timeseries.resampling import even_times, nearest_times, resample
from stages.timeseries.times import time_to_row
from storage.artifacts import arrays, dataset, predictions
from storage.artifacts.region import Region
from storage.files import write_bytes
from storage.labels import snapshot
from tests.support.stage_project import noise, record, run_all, small


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to lay a project in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def onto_rate(values: np.ndarray, times: np.ndarray, rate: float, gap: float = 3.0):
    onto = even_times(times, rate, gap)
    return onto, np.concatenate(list(resample(values.astype(np.float32), times, onto, rate, gap)))


def test_half_the_rate_is_the_mean_of_two_and_halves_of_the_neighbours():
    values = np.array([[0.0], [4], [8], [0], [0], [0]])
    onto, found = onto_rate(values, np.arange(6) / 100, 50)
    assert onto.tolist() == [0.0, 0.02, 0.04]
    # At the start only half of the interval is there: the mean of a line from 0 to 4.
    assert found[:, 0].tolist() == pytest.approx([2, 5, 0])


def test_what_is_faster_than_the_new_rate_does_not_fold_into_it():
    times = np.arange(1000) / 100
    fast = np.where(np.arange(1000) % 2, 1.0, -1.0)[:, None]
    _, found = onto_rate(fast, times, 25)
    assert np.abs(found).max() < 0.3
    assert np.abs(found[2:-2]).max() < 1e-6


def test_a_higher_rate_is_a_straight_line():
    onto, found = onto_rate(np.array([[0.0], [2], [0]]), np.array([0.0, 1, 2]), 4)
    assert onto.tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert found[:, 0].tolist() == [0, 0.5, 1, 1.5, 2, 1.5, 1, 0.5, 0]


def test_a_slow_signal_survives_any_ratio():
    times = np.arange(6000) / 60
    slow = np.sin(times)[:, None]
    for rate in (7, 25, 50, 59, 90, 200.5):
        onto, found = onto_rate(slow, times, rate)
        assert np.abs(found[3:-3, 0] - np.sin(onto[3:-3])).max() < 2 / rate**2 + 1e-4
        assert abs(onto[-1] - times[-1]) <= 0.5 / rate + 1e-9


def test_no_gap_is_bridged_and_behind_it_the_timepoints_start_anew():
    times = np.array([0.0, 1, 2, 3, 10.25, 11.25, 12.25])
    onto, found = onto_rate(np.arange(7.0)[:, None], times, 2)
    assert onto.tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 10.25, 10.75, 11.25, 11.75, 12.25]
    assert found[:, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 4.5, 5, 5.5, 6]
    onto, _ = onto_rate(np.arange(7.0)[:, None], times, 0.5)
    assert onto.tolist() == [0, 2, 10.25, 12.25]


def test_a_short_pause_is_bridged():
    onto, found = onto_rate(np.array([[0.0], [1], [3]]), np.array([0.0, 1, 3]), 2)
    assert onto.tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert found[:, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_where_there_is_no_number_there_is_none_and_other_channels_keep_theirs(rate: float):
    values = np.stack([np.arange(12.0), np.arange(12.0)], 1)
    values[4:8, 0] = np.nan
    onto, found = onto_rate(values, np.arange(12.0), rate)
    nearest = nearest_times(np.arange(12.0), onto)
    assert np.isnan(found[:, 0]).tolist() == [4 <= t < 8 for t in nearest]
    assert np.isfinite(found[:, 1]).all()
    known = found[~np.isnan(found[:, 0]), 0]
    assert known.min() >= 0
    assert known.max() <= 11


def test_a_lone_number_between_holes_is_kept():
    values = np.array([[np.nan], [7.0], [np.nan], [np.nan], [np.nan], [np.nan]])
    for rate in (0.5, 2.0):
        _, found = onto_rate(values, np.arange(1.0, 7.0), rate)
        assert set(found[~np.isnan(found)].tolist()) <= {7.0}


@pytest.mark.parametrize(("rate", "shift"), [(0.5, 0), (0.5, 1), (0.4, 0), (0.3, 2), (2.0, 1)])
def test_no_number_of_a_slow_channel_is_lost(rate: float, shift: int):
    values = np.full((200, 2), 1.0)
    values[np.arange(200) % 10 != shift, 1] = np.nan
    values[shift::10, 1] = np.arange(20)
    _, found = onto_rate(values, np.arange(200.0), rate)
    assert sorted(set(found[~np.isnan(found[:, 1]), 1].tolist())) == list(range(20))
    assert not np.isnan(found[:, 0]).any()


def test_nanoseconds_are_exact_and_do_not_drift():
    start = 1767225600000000001
    times = start + np.arange(0, 3_000_000_000, 10_000_000, dtype=np.int64)
    onto = even_times(times, 50, 3)
    assert onto.dtype == np.int64
    assert onto[:3].tolist() == [start, start + 20_000_000, start + 40_000_000]
    thirds = even_times(times, 30, 3)
    assert thirds[30] == start + 1_000_000_000
    assert (nearest_times(times, onto) == onto).all()


def test_times_go_there_and_back_to_the_nearest_timepoint():
    times = np.arange(0, 10, 0.04)
    onto = even_times(times, 50, 3)
    shown = nearest_times(times, onto)
    for time in times[::7]:
        assert shown[time_to_row(onto, time)] == time


def test_blocks_agree_with_the_whole(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.005, 0.015, 3000))
    values = rng.normal(size=(3000, 2)) + 1000
    values[500:520] = np.nan
    for rate in (30, 300):
        _, whole = onto_rate(values, times, rate)
        monkeypatch.setattr(resampling, "BLOCK", 64)
        _, parts = onto_rate(values, times, rate)
        monkeypatch.undo()
        assert np.allclose(whole, parts, rtol=1e-6, equal_nan=True)


def test_a_recording_of_two_timepoints():
    onto, found = onto_rate(np.array([[1.0], [3.0]]), np.array([0.0, 1.0]), 2)
    assert (onto.tolist(), found[:, 0].tolist()) == ([0, 0.5, 1], [1, 2, 3])
    onto, found = onto_rate(np.array([[1.0], [3.0]]), np.array([0.0, 1.0]), 0.1)
    assert (onto.tolist(), found[:, 0].tolist()) == ([0], [2])


def two_rates(chosen: dict[str, str]) -> None:
    """Recording a at 1 row a second, twice; fast and slow ones of the same signal, 100 s each."""
    small({"a": noise(100), "b": noise(100, 1)}, {"a": [(20, 39, "A")]}, params={"ingest": chosen})
    for key, rate in (("fast", 2.0), ("slow", 0.5)):
        rows = [f"{i / rate},{np.sin(i / rate / 20)},1" for i in range(int(100 * rate))]
        write_bytes(Path(f"data/series/{key}.csv"), ("time,x,y\n" + "\n".join(rows) + "\n").encode())
    spans = [record("a", [(20, 39, "A")]), record("fast", [(20, 39.5, "A")]), record("slow", [(20, 40, "A")])]
    snapshot.write(Path("data/labels"), snapshot.dump(spans))


def test_another_rate_is_refused_and_named(folder: Path, capsys: pytest.CaptureFixture[str]):
    two_rates({"rates": "refuse"})
    ingest.main()
    assert sorted(arrays.read_index().series) == ["a", "b"]
    assert sorted(p.name for p in Path("data/arrays").rglob("*.npy")) == ["a.npy", "a.npy", "b.npy", "b.npy"]
    assert (
        "refused: fast: it has 2 timepoints per unit of time, most recordings have 1; "
        "set ingest.rates to resample in params.yaml, or export it as the others are"
    ) in capsys.readouterr().out
    window.main()
    assert dataset.read_index().left_out == (
        "left out: 2 labeled series without a usable recording: fast, slow",
    )


def test_a_recording_in_another_unit_of_time_is_refused_before_it_fills_the_disk(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    two_rates({"rates": "resample"})
    rows = "".join(f"{i}e12,{i},1\n" for i in range(3))
    write_bytes(Path("data/series/far.csv"), f"time,x,y\n{rows}".encode())
    ingest.main()
    assert sorted(arrays.read_index().series) == ["a", "b", "fast", "slow"]
    assert "refused: far: it has 1e-12 timepoints per unit of time, most recordings have 1: too few" in (
        capsys.readouterr().out
    )


def test_another_rate_is_resampled_and_its_regions_keep_their_times(folder: Path):
    two_rates({"rates": "resample"})
    run_all()
    index, found = arrays.read_index(), dataset.read_index()
    assert {key: (e.rows, e.sampling_rate) for key, e in index.series.items()} == {
        "a": (100, 1.0),
        "b": (100, 1.0),
        "fast": (100, 1.0),
        "slow": (99, 1.0),
    }
    assert found.series["fast"].regions == (Region(20, 39, "A"),)
    assert found.series["slow"].regions == (Region(20, 40, "A"),)
    assert np.abs(arrays.values("slow")[:, 0] - np.sin(np.arange(99) / 20)).max() < 2e-3
    assert arrays.shown_times("slow")[:5].tolist() == [0, 0, 2, 2, 4]
    assert (arrays.shown_times("a") == arrays.times("a")).all()
    seconds = set(arrays.shown_times("slow").tolist())
    for region in predictions.read("slow").regions:
        assert {region.start, region.end} <= seconds
