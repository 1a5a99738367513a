"""Whatever is labeled, rolled back, merged and synced, in whatever order, from two clones: all end in the same bytes.

The bucket, git and DVC are real. Label Studio is, in a few examples; in most a stand-in writes to the bucket.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage import process
from storage.errors import ConflictError
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.labels import git_drivers, snapshot
from storage.labels.three_way import Settlement
from storage.paths import LABELS, MIRROR
from storage.process import ProgramError
from storage.project import Project
from storage.remote.sync_state import State
from storage.settings import Settings
from tests.conftest import CONFIG, Lab, clone, recording
from tests.storage.labels.test_annotation_merge import choice, region, relation
from tests.support.quick_studio import PROJECT, QuickStudio

SERIES = ["one", "two", "three"]
FLAWS = '<Choices name="flaws" toName="ts" choice="multiple"><Choice value="x"/></Choices></View>'
FLAWED = CONFIG.replace("</View>", FLAWS)
Item = dict[str, Any]


@dataclass
class World:
    """One Label Studio, one bucket, two clones, and what was seen of them.

    Attributes:
        agreed: what Label Studio held after the last sync.
        dirty: numbers of the annotations that people changed since.
        turned: clones in which git brought other labels than those of their last sync.
        seen: hashes of all label snapshots that a sync ended in.
    """

    studio: Any
    number: int
    roots: list[Path]
    agreed: dict[int, Item] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)
    turned: set[int] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def project(self, clone: int) -> Project:
        project = Project(self.roots[clone])
        if isinstance(self.studio, QuickStudio):
            project.__dict__["studio"] = self.studio
        return project

    def held(self) -> dict[int, Item]:
        """What Label Studio holds, by number."""
        tasks = self.studio.tasks(self.number)
        return {a["id"]: a | {"task": task.id} for task in tasks for a in self.studio.annotations(task.id)}

    # -- steps ------------------------------------------------------------------------------------

    def new(self, a: int, b: int) -> None:
        tasks = sorted(task.id for task in self.studio.tasks(self.number))
        fields = {"ground_truth": True} if b % 5 == 0 else {"was_cancelled": True} if b % 7 == 0 else {}
        result = [region("abc"[n], b % 3) for n in range(b % 4)]
        self.dirty.add(self.studio.annotate(tasks[a % len(tasks)], result, **fields))

    def edit(self, a: int, b: int) -> None:
        for number in self._pick(a):
            items: list[Item] = self.studio.annotation(number)["result"]
            place = b % (len(items) + 1)
            if place == len(items):
                items.append([region("abc"[b % 3], b), choice("a", "good"), relation("a", "b")][b // 7 % 3])
            elif b % 5 == 0:
                items.pop(place)
            elif "value" in items[place] and "start" in items[place]["value"]:
                items[place]["value"]["start"] = b / 10
            self.studio.update_annotation(number, result=items)
            self.dirty.add(number)

    def flaw(self, a: int, b: int) -> None:
        """One of any number of choices comes or goes."""
        for number in self._pick(a):
            items: list[Item] = self.studio.annotation(number)["result"]
            there = sorted({*_flaws(items)} ^ {"xyz"[b % 3]})
            items = [item for item in items if item.get("from_name") != "flaws"]
            if there:
                items.append(choice("qr"[b % 2], "", "flaws") | {"value": {"choices": there}})
            self.studio.update_annotation(number, result=items)
            self.dirty.add(number)

    def star(self, a: int, b: int) -> None:
        for number in self._pick(a):
            self.studio.update_annotation(number, ground_truth=b % 2 == 0)
            self.dirty.add(number)

    def delete(self, a: int, b: int) -> None:
        for number in self._pick(a):
            self.studio.delete_annotation(number)
            self.dirty.add(number)

    def _pick(self, a: int) -> list[int]:
        numbers = sorted(self.held())
        return [numbers[a % len(numbers)]] if numbers else []

    def back(self, a: int, b: int) -> None:
        """The labels of an older commit, by plain git."""
        git = self.project(a % 2).repository.git.run
        commits = git("log", "--format=%H", "--", "data/labels.dvc").split()
        if commits:
            git("checkout", commits[b % len(commits)], "--", "data/labels.dvc")
            self.turned.add(a % 2)

    def merge(self, a: int, b: int) -> None:
        """The other clone's commits, by plain git."""
        here, other = self.project(a % 2).repository, self.roots[1 - a % 2]
        here.git.run("checkout", "HEAD", "--", "data")
        settle = f"labeltrail.settle={'theirs' if b % 2 else 'ours'}"
        try:
            here.git.run("-c", settle, "pull", "--quiet", "--no-rebase", "--no-edit", str(other), "main")
        except ProgramError as error:
            if "the merged folder would be empty" not in error.stderr:
                raise
            here.git.run("merge", "--abort")  # as the error says: each side took away what the other one kept
        self.turned.add(a % 2)

    def forget(self, a: int, b: int) -> None:
        (self.roots[a % 2] / MIRROR).unlink(missing_ok=True)

    def sync(self, a: int, b: int) -> None:
        """By LIST, or by the numbers that changed; a conflict is settled for one side."""
        ids = tuple(sorted(self.dirty)) if b % 2 else None
        before, turned = self.held(), a % 2 in self.turned
        project = self.project(a % 2)
        said = (project.repository.git.head(), project.repository.pointer(LABELS))
        side = ""
        try:
            sync(project, Options(annotations=ids, yes=True))
        except ConflictError:
            assert (self.held(), project.repository.git.head()) == (before, said[0])
            assert project.repository.pointer(LABELS) == said[1]
            side = "theirs" if b % 4 > 1 else "ours"
            sync(self.project(a % 2), Options(annotations=ids, settlement=Settlement(side), yes=True))
        after = self.held()
        self._nothing_lost(before, after, edits=not side and not turned)
        self._same_on_both_sides(a % 2, after)
        self.agreed, self.dirty = after, set()
        self.turned.discard(a % 2)
        self.seen.add(self.project(a % 2).repository.pointer(LABELS))

    # -- what has to be true ----------------------------------------------------------------------

    def _nothing_lost(self, before: dict[int, Item], after: dict[int, Item], edits: bool) -> None:
        for number, annotation in before.items():
            if number not in self.agreed:
                assert after.get(number) == annotation, "new in Label Studio, and gone by a sync"
            elif edits:
                old, new = self.agreed[number]["result"], after[number]["result"]
                for item in annotation["result"]:
                    chosen = item.get("from_name") == "flaws"
                    kept = chosen and {*_flaws([item])} - {*_flaws(old)} <= {*_flaws(new)}
                    assert kept or item in old or item in new, "edited, and undone by a sync"

    def _same_on_both_sides(self, place: int, held: dict[int, Item]) -> None:
        project = self.project(place)
        assert project.repository.git.run("status", "--porcelain") == ""
        folder = project.root / LABELS
        found = snapshot.read(folder)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert snapshot.dump(record for records in found.values() for record in records) == files
        assert project.repository.folder(project.repository.pointer(LABELS)).keys() == files.keys()
        series = {task.id: str(task.data["series"]) for task in self.studio.tasks(self.number)}
        there = Counter(_facts(a, series[a["task"]]) for a in held.values())
        assert Counter(_facts(r, s) for s, records in found.items() for r in records) == there

    def ends_well(self) -> None:
        """Both clones come to the same, and stay there, also without what they had remembered."""
        for place in (0, 1, 0, 1):
            self.sync(place, 0)
        projects = [self.project(place) for place in (0, 1)]
        pointers = [project.repository.pointer(LABELS) for project in projects]
        assert pointers[0] == pointers[1], pointers
        for place, ids in ((0, None), (1, None), (0, ()), (1, ())):
            self.forget(place, 0)
            done = sync(self.project(place), Options(annotations=ids, yes=True))
            assert (done.commit, done.labels) == ("", pointers[0])
        assert self.held() == self.agreed
        self._everything_is_in_history(projects)

    def _everything_is_in_history(self, projects: list[Project]) -> None:
        committed = set()
        for project in projects:
            assert process.run(["git", "fsck", "--no-dangling"], cwd=project.root) == ""
            for commit in project.repository.git.run(
                "rev-list", "--all", "--full-history", "--", "data/labels.dvc"
            ).split():
                text = project.repository.git.show(commit, "data/labels.dvc")
                committed.add(text.partition("md5: ")[2].partition("\n")[0])
        assert self.seen <= committed
        shutil.rmtree(projects[0].root / ".dvc/cache")
        for md5 in sorted(self.seen):
            projects[0].repository.read(projects[0].repository.folder(md5).values())


def _flaws(items: list[Item]) -> list[str]:
    return [label for item in items if item.get("from_name") == "flaws" for label in item["value"]["choices"]]


def _facts(value: Item, series: str) -> tuple[Any, ...]:
    result = json.dumps(value["result"], sort_keys=True)
    return series, result, bool(value["ground_truth"]), bool(value["was_cancelled"])


LABELED = ("new", "edit", "edit", "edit", "flaw", "flaw", "star", "delete")
OTHERS = ("back", "merge", "forget", "sync", "sync", "sync", "sync", "sync")
number = st.integers(0, 40)
step = st.tuples(st.sampled_from(LABELED + OTHERS), number, number)
scripts = st.lists(step, min_size=4, max_size=14)


def play(world: World, script: list[tuple[str, int, int]]) -> None:
    world.new(0, 3)
    world.new(1, 2)
    world.sync(0, 0)
    world.sync(1, 0)
    for name, a, b in script:
        getattr(world, name)(a, b)
    world.ends_well()


@contextmanager
def quick_world(servers: Settings, folder: Path) -> Iterator[World]:
    """Two clones, three recordings, and a stand-in for Label Studio."""
    away = {"label_studio_url": "http://127.0.0.1:9", "label_studio_api_key": SecretStr("none")}
    names, bucket = ("a", "b"), f"lab-{uuid4().hex[:12]}"
    root = folder / bucket
    projects = [clone(root / name, servers.model_copy(update=away), bucket) for name in names]
    for place, series in enumerate(SERIES):
        projects[0].bucket.put(f"series/{series}.csv", recording(rows=3, seed=place))
    for project in projects:
        write_bytes(project.root / label_config.PATH, FLAWED.encode())
        git_drivers.configure(project.repository.git)
    projects[0].remote.write_state(State(PROJECT))
    studio = QuickStudio(projects[0].bucket, SERIES)
    studio.config = FLAWED
    yield World(studio, PROJECT, [root / name for name in names])
    shutil.rmtree(root)


def quickly(servers: Settings, folder: Path, script: list[tuple[str, int, int]]) -> None:
    with quick_world(servers, folder) as world:
        play(world, script)


calm = settings(
    max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, database=None
)


NOTHING_LEFT = [
    ("delete", 14, 29), ("merge", 12, 29), ("star", 29, 19), ("sync", 0, 16), ("star", 29, 19), ("sync", 33, 24),
    ("delete", 0, 27), ("sync", 0, 35), ("new", 0, 0), ("merge", 17, 4),
]  # fmt: skip


@calm
@given(script=scripts)
@example(script=NOTHING_LEFT)
def test_all_ends_in_the_same_bytes(
    minio: Settings, tmp_path_factory: pytest.TempPathFactory, script: list[tuple[str, int, int]]
) -> None:
    quickly(minio, tmp_path_factory.mktemp("world"), script)


@pytest.mark.slow
@settings(calm, max_examples=100)
@given(script=st.lists(step, min_size=10, max_size=40))
def test_all_ends_in_the_same_bytes_after_long_histories(
    minio: Settings, tmp_path_factory: pytest.TempPathFactory, script: list[tuple[str, int, int]]
) -> None:
    quickly(minio, tmp_path_factory.mktemp("world"), script)


@pytest.mark.parametrize(
    "script",
    [
        [("edit", 0, 1), ("sync", 0, 1), ("back", 0, 1), ("sync", 0, 0), ("edit", 1, 0), ("sync", 0, 1)],
        [("sync", 1, 0), ("delete", 0, 0), ("sync", 1, 0), ("back", 0, 0), ("edit", 0, 2), ("sync", 0, 0)],
    ],
)
def test_the_same_with_label_studio_itself(
    lab: Lab, tmp_path: Path, script: list[tuple[str, int, int]]
) -> None:
    lab.sync()
    other = clone(tmp_path / "second", lab.project.settings, lab.project.bucket.name)
    other.repository.git.run("pull", "--quiet", str(lab.project.root), "main")
    for project in (lab.project, other):
        git_drivers.configure(project.repository.git)
    play(World(lab.project.studio, lab.number, [lab.project.root, other.root]), script)
