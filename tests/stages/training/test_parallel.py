"""Several processes learn what one does, and none of them hangs or fails unseen."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import distributed

from stages.classification.model import TaskSpec
from stages.classification.plan import Plan
from stages.classification.targets import Labeled
from stages.classification.training import Epoch, FitResult, fit_classifier
from stages.training.distributed import Team
from stages.training.launch import run_distributed, run_processes
from stages.training.ray_cluster import check_cluster_size
from storage.errors import InputError, SetupError

PLAN = {
    "num_layers": 2, "hidden_size": 8, "dropout": 0.5, "filters_1": 8, "filters_2": 12, "filters_3": 8,
    "kernel_size_1": 8, "kernel_size_2": 5, "kernel_size_3": 3, "lr": 0.003, "weight_decay": 0.01,
    "batch_size": 7, "epochs": 6, "steps": None, "label_smoothing": 0.1, "class_weights": True,
    "scaling": "series", "device": "cpu", "precision": "float32", "seed": 0,
}  # fmt: skip
WORKERS, RAY = "LABELTRAIL_WORKERS", "LABELTRAIL_RAY_ADDRESS"


def waves(count: int, seed: int, some: bool = False) -> Labeled:
    """Series of two channels and three kinds, of which each has one, or any number where `some`."""
    rng = np.random.default_rng(seed)
    kinds = rng.random((count, 3)) < 0.5 if some else np.eye(3, dtype=bool)[rng.integers(0, 3, count)]
    times = np.linspace(0, 6, 40) + rng.uniform(0, 6, (count, 2, 1))
    tones = np.stack([np.sin(times * k) for k in (1, 2, 3)], -1)
    values = (tones * kinds[:, None, None]).sum(-1) + rng.normal(0, 0.3, times.shape)
    return Labeled(values.astype(np.float32), kinds)


def taught(monkeypatch: pytest.MonkeyPatch, workers: int, some: bool = False, ray: str = "") -> FitResult:
    """The model of so many processes. 43 series in batches of 6 and 7, which 2 cannot share evenly."""
    monkeypatch.setenv(WORKERS, str(workers))
    monkeypatch.setenv(RAY, ray)
    spec = TaskSpec("multilabel" if some else "multiclass", ("a", "b", "c"), ("x", "y"))
    heard: list[Epoch] = []
    found = fit_classifier(waves(43, 1, some), waves(20, 2, some), spec, Plan(**PLAN), on_epoch=heard.append)
    assert tuple(heard) == found.history
    return found


def same(one: FitResult, several: FitResult) -> None:
    """Loss curves within 1e-4 of each other, weights within 1e-3; the network itself is of the same parts."""
    for name in ("loss", "validation_loss"):
        curves = [[getattr(epoch, name) for epoch in found.history] for found in (one, several)]
        np.testing.assert_allclose(*curves, rtol=1e-4)
    assert [e.accuracy for e in one.history] == [e.accuracy for e in several.history]
    ours, theirs = (found.model.network.state_dict() for found in (one, several))
    assert list(ours) == list(theirs)
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], rtol=1e-3, atol=1e-3, msg=name)
    assert str(one.model.network) == str(several.model.network)
    assert one.kept == several.kept


@pytest.mark.parametrize("some", [False, True])
def test_two_processes_learn_what_one_does(monkeypatch: pytest.MonkeyPatch, some: bool) -> None:
    same(taught(monkeypatch, 1, some), taught(monkeypatch, 2, some))


@pytest.mark.ray
def test_two_workers_of_a_ray_cluster_learn_what_one_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    same(taught(monkeypatch, 1), taught(monkeypatch, 2, ray="local"))


@pytest.mark.ray
def test_an_error_of_a_ray_worker_is_raised_here(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv(WORKERS, "2")
    monkeypatch.setenv(RAY, "local")
    with pytest.raises(InputError, match="rank 1 does not like it") as caught:
        run_distributed(partial(with_rank_one, refuse), print, "cpu", 2)
    assert caught.value.cure == "another"


@pytest.mark.parametrize(("device", "has"), [("cpu", {"CPU": 1.0}), ("cuda", {"CPU": 64.0})])
def test_ray_does_not_wait_for_machines_that_may_never_come(device: str, has: dict[str, float]) -> None:
    check_cluster_size({**has, "CPU": 64.0, "GPU": 64.0}, device, 2)
    with pytest.raises(InputError, match=r"2 workers need 2 [CG]PUs"):
        check_cluster_size(has, device, 2)


def test_without_ray_its_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    monkeypatch.setenv(WORKERS, "2")
    monkeypatch.setenv(RAY, "local")
    with pytest.raises(SetupError, match="Ray is not installed") as caught:
        run_distributed(alone, print, "cpu", 2)
    assert caught.value.cure == "uv sync --extra ray"


def alone(team: Team, tell: Callable[[object], None]) -> int:
    tell(team.rank)
    return team.world


def with_rank_one(what: Callable[[], None], team: Team, tell: Callable[[object], None]) -> None:
    """Rank 1 does something else, while the others wait for it."""
    if team.rank == 1:
        what()
    distributed.barrier()


def refuse() -> None:
    raise InputError("rank 1 does not like it", why="its share", cure="another")


def stumble() -> None:
    [].pop()


def die() -> None:
    os._exit(7)


def sleep() -> None:
    time.sleep(600)


def test_an_error_of_a_rank_is_raised_here() -> None:
    with pytest.raises(InputError, match="rank 1 does not like it") as caught:
        run_processes(partial(with_rank_one, refuse), print, "cpu", 2)
    assert (caught.value.why, caught.value.cure) == ("its share", "another")


def test_a_bug_in_a_rank_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"in stumble(.|\n)*IndexError: pop from empty list"):
        run_processes(partial(with_rank_one, stumble), print, "cpu", 2)


def test_a_rank_that_dies_is_named() -> None:
    with pytest.raises(SetupError, match="worker 1 of 2 ended") as caught:
        run_processes(partial(with_rank_one, die), print, "cpu", 2)
    assert "exit code is 7" in caught.value.why


def test_nobody_waits_for_ever() -> None:
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"(?i)timed out"):
        run_processes(partial(with_rank_one, sleep), print, "cpu", 2, timeout_s=5)
    assert time.monotonic() - began < 60


def test_an_error_in_what_is_told_stops_all() -> None:
    def fail(_: object) -> None:
        raise InputError("enough")

    with pytest.raises(InputError, match="enough"):
        run_processes(alone, fail, "cpu", 2)


def test_no_more_workers_than_there_is_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(WORKERS, "4")
    assert run_distributed(alone, print, "cpu", 1) == 1
    assert "4 workers, but the smallest batch has 1 series: 1 are used" in capsys.readouterr().err


def test_each_worker_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS, "64")
    with pytest.raises(InputError, match="64 workers need 64 GPUs"):
        run_distributed(alone, print, "cuda", 64)


@pytest.mark.parametrize("count", ["0", "two", "-1", "1.5"])
def test_workers_are_a_number(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    monkeypatch.setenv(WORKERS, count)
    with pytest.raises(InputError, match="the workers cannot be counted"):
        run_distributed(alone, print, "cpu", 8)
