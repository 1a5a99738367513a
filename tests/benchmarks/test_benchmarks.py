"""The benchmarks run, at their smallest; how long anything takes is never asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.sync import labels, sync
from benchmarks.sync.bare import Bare
from benchmarks.sync.demo import CACHES, _environment
from benchmarks.sync.lab import make
from benchmarks.sync.many import many
from benchmarks.sync.plain import one_stage
from benchmarks.timing import Figure, compare
from storage.labels import snapshot
from storage.settings import Settings


def test_both_ways_are_timed_in_turn() -> None:
    done: list[str] = []
    figure = compare(
        "a thing",
        "`plainly`",
        2,
        lambda: done.append("ours"),
        lambda: done.append("plain"),
        lambda: done.append("before"),
    )
    assert done == ["before", "ours", "plain", "before", "plain", "ours"]
    assert (len(figure.ours), len(figure.plain)) == (2, 2)


def test_a_figure_is_a_median_and_a_ratio() -> None:
    figure = Figure("a thing", "`plainly`", [1.0, 9.0, 2.0], [4.0, 3.0, 8.0])
    assert figure.line() == "| a thing | 2.00 s (1.00 to 9.00) | 4.00 s (3.00 to 8.00) | 2.00 | `plainly` |"
    assert figure.to_json() == {
        "name": "a thing",
        "plain_way": "`plainly`",
        "median": 2.0,
        "median_plain": 4.0,
        "ratio": 2.0,
        "runs": [1.0, 9.0, 2.0],
        "runs_plain": [4.0, 3.0, 8.0],
    }


@pytest.mark.slow  # it guards no data: figures of docs/benchmarks.md
def test_sync_against_the_plain_way(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _use(settings, monkeypatch)
    sync.main(["--tasks", "2", "--changes", "1", "--runs", "1", "--no-repro", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["tasks"], found["annotations"]) == (1, 2, 4)
    assert [figure["name"] for figure in found["figures"]] == [
        "nothing changed",
        "nothing changed, in a warm Python",
        "1 changed",
        "1 changed, to the DVC remote",
        "1 changed, in a warm Python",
    ]
    assert all(len(figure["runs"]) == len(figure["runs_plain"]) == 1 for figure in found["figures"])


def test_a_change_is_one_that_sync_finds(settings: Settings, tmp_path: Path) -> None:
    lab = make(tmp_path, settings, 3)
    assert sync.sync(lab.project).subject.endswith("in 3 series; series: +3")
    lab.change(2)
    assert sync.sync(lab.project).subject == "labels: ~2 in 2 series"


@pytest.mark.slow  # it guards no data: figures of docs/scaling.md
def test_what_label_commits_cost(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _use(settings, monkeypatch)
    sizes = {"--records": 24, "--direct": 2000, "--undone": 4, "--tasks": 1, "--runs": 1, "--plain-runs": 1}
    labels.main(["--json", *(str(word) for size in sizes.items() for word in size)])
    measures = {found["name"]: found["facts"] for found in json.loads(capsys.readouterr().out)["measures"]}
    assert list(measures)[:6] == [
        "first sync",
        "LIST and GET of all of them, nothing else",
        "`dvc update; git commit`",
        "label commit by LIST",
        "bare cost by LIST",
        "label commit by numbers",
    ]
    assert measures["diff of two commits, 2,000 records"]["annotations differ"] == 10
    grown = measures["growth by one of them, 2,000 records"]
    assert 0 < grown["bytes in them"] < grown["DVC cache grew by bytes"]
    assert "rollback of 4 annotations, files and bucket" in measures


def test_the_bare_way_ends_in_the_same_snapshot(settings: Settings, tmp_path: Path) -> None:
    with many(tmp_path / "many", settings, 20) as project:
        project.fill()
        project.sync()
        bare = Bare(tmp_path / "bare", project.project().bucket)
        bare.copy(project.root / "data/labels")
        numbers = project.change(5)
        project.sync(annotations=numbers)
        bare.by_list()
        assert snapshot.read(bare.root / "data/labels") == snapshot.read(project.root / "data/labels")
        assert project.sync().commit == ""


def test_the_smallest_pipeline_has_run(tmp_path: Path) -> None:
    one_stage(tmp_path / "small")
    assert (tmp_path / "small/out.txt").read_text(encoding="utf-8") == "1\n"


def test_cold_is_a_machine_without_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    cold, warm = _environment(tmp_path), _environment(None)
    assert {Path(cold[name]).parent for name in CACHES} == {tmp_path}
    assert "AWS_ENDPOINT_URL" not in {*cold, *warm}


def _use(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the running servers in the environment, as somebody would who has some."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", settings.s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", settings.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", settings.secret_access_key.get_secret_value())
    monkeypatch.setenv("LABEL_STUDIO_URL", settings.label_studio_url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", settings.label_studio_api_key.get_secret_value())
