"""Two people who sync one branch at the same moment: one waits or starts again, and no label is lost or doubled."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.sync import locks
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage.paths import LABELS
from storage.project import Project
from storage.settings import Settings
from tests.conftest import Lab, clone
from tests.robustness.test_histories import World, quick_world
from tests.storage.labels.test_annotation_merge import region


@pytest.fixture
def world(minio: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two clones in step, five annotations, and short timeouts."""
    for name, seconds in {"LEASE_TTL_S": 0.6, "POLL_S": 0.02, "SETTLE_S": 0.02, "HEARTBEAT_S": 0.0}.items():
        monkeypatch.setattr(locks, name, seconds)
    with quick_world(minio, tmp_path) as made:
        for number in range(5):
            label(made, number)
        made.sync(0, 0)
        made.sync(1, 0)
        yield made


def label(world: World, mark: int) -> None:
    """An annotation that no other one is like."""
    world.studio.annotate(1 + mark % 3, [region("a", mark)])
    world.dirty.add(world.studio.made)


def marks(world: World) -> Counter[int]:
    """What is labeled in Label Studio, by mark."""
    return Counter(int(a["result"][0]["value"]["start"]) for a in world.held().values())


def both(world: World) -> None:
    """Both clones sync at once."""
    gate = threading.Barrier(2)

    def one(place: int) -> None:
        project = world.project(place)
        gate.wait()
        sync(project, Options(yes=True))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(one, (0, 1)))


def pointer(world: World, place: int) -> str:
    return world.project(place).repository.pointer(LABELS)


def back(world: World, place: int, pointer_of: str) -> None:
    """What `git checkout REV -- data/labels.dvc` does."""
    world.project(place).repository.git.run("checkout", pointer_of, "--", "data/labels.dvc")


def agree(world: World) -> None:
    for place in (0, 1, 0, 1):
        sync(world.project(place), Options(yes=True))
    assert pointer(world, 0) == pointer(world, 1)
    world.agreed = world.held()
    world.ends_well()


@pytest.mark.parametrize("seed", [7, *(pytest.param(n, marks=pytest.mark.slow) for n in range(20, 40))])
def test_many_rounds_from_both_sides(world: World, seed: int) -> None:
    dice, mark = random.Random(seed), 5  # noqa: S311 -- a script, no secret
    for turn in range(dice.randint(6, 9)):
        for _ in range(dice.randint(1, 3)):
            label(world, mark)
            mark += 1
        if turn % 3 == 2:
            back(world, turn % 2, "HEAD~1")
        both(world)
        found = marks(world)
        assert found.keys() >= {mark - 1}, "what was labeled just now is there"
        assert set(found.values()) == {1}
    agree(world)
    assert set(marks(world).values()) == {1}


def test_labels_that_come_back_from_two_sides_come_back_once(world: World) -> None:
    good = world.project(0).repository.git.head()
    for number in list(world.held()):
        world.studio.delete_annotation(number)
    sync(world.project(0), Options(yes=True))
    sync(world.project(1), Options(yes=True))
    assert not world.held()
    world.project(1).repository.git.run("pull", "-q", "--no-edit", "--no-rebase", str(world.roots[0]), "main")
    for place in (0, 1):
        back(world, place, good)
    both(world)
    assert marks(world) == Counter(range(5))
    agree(world)
    assert marks(world) == Counter(range(5))


def test_who_is_taken_for_gone_finds_out_and_starts_again(world: World) -> None:
    """The first clone hangs in the middle of its push until its lease expires."""
    good = world.project(0).repository.git.head()
    for number in list(world.held()):
        world.studio.delete_annotation(number)
    sync(world.project(0), Options(yes=True))
    back(world, 0, good)
    create, hanging, go_on = world.studio.create_annotation, threading.Event(), threading.Event()

    def hang(*args: Any, **fields: Any) -> dict[str, Any]:
        made = create(*args, **fields)
        if world.studio.made == 7 and not hanging.is_set():
            hanging.set()
            assert go_on.wait(60)
        return made

    world.studio.create_annotation = hang
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(sync, world.project(0))
        assert hanging.wait(60)
        sync(world.project(1), Options(yes=True))
        assert not first.done()
        go_on.set()
        first.result(timeout=60)
    assert marks(world) == Counter(range(5))
    agree(world)
    assert marks(world) == Counter(range(5))


def test_an_expired_lease_is_taken_over(world: World) -> None:
    remote = world.project(0).remote
    state = remote.state()
    assert state is not None
    remote.write_state(replace(state, pushing="a token that nobody renews"))
    label(world, 9)
    began = time.monotonic()
    sync(world.project(1), Options(yes=True))
    assert time.monotonic() - began > locks.LEASE_TTL_S
    state = remote.state()
    assert state is not None
    assert (state.pushing, marks(world)[9]) == ("", 1)


def test_who_is_at_it_is_waited_for(world: World) -> None:
    project, renewals = world.project(0), 8
    state = project.remote.state()
    assert state is not None
    state = locks.write_state(project.remote, replace(state, pushing="token 0"))
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(sync, world.project(1))
        for number in range(1, renewals):
            time.sleep(locks.LEASE_TTL_S / 3)
            assert not other.done()
            state = locks.write_state(project.remote, replace(state, pushing=f"token {number}"))
        locks.write_state(project.remote, replace(state, pushing=""))
        other.result(timeout=60)


def test_two_processes_on_label_studio_itself(lab: Lab, tmp_path: Path) -> None:
    lab.annotate("one", (0.1, 0.5, "walk"))
    good = lab.sync()
    other = clone(tmp_path / "second", lab.project.settings, lab.project.bucket.name)
    other.repository.git.run("pull", "--quiet", str(lab.project.root), "main")
    roots = [lab.project.root, other.root]
    for turn in range(2):
        lab.annotate("two", (0.1, 0.2 + turn / 10, "run"))
        if turn == 1:
            lab.project.repository.git.run("checkout", good.commit, "--", "data/labels.dvc")
        command = [sys.executable, "-m", "pipelines", "sync"]
        running = [subprocess.Popen(command, cwd=root, stdout=-1, stderr=-2, text=True) for root in roots]
        said = [process.communicate(timeout=120)[0] for process in running]
        assert [process.returncode for process in running] == [0, 0], said
        ends = {a["result"][0]["value"]["end"] for a in lab.project.studio.annotations(lab.tasks()["two"])}
        assert 0.2 + turn / 10 in ends
    for root in (*roots, *roots):
        sync(Project(root))
    assert len({Project(root).repository.pointer(LABELS) for root in roots}) == 1
    ends = [a["result"][0]["value"]["end"] for a in lab.project.studio.annotations(lab.tasks()["two"])]
    assert len(ends) == len(set(ends))
