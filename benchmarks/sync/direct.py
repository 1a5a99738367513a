"""A project whose label snapshot and mirror are written directly, as if everything had been synced before.

The bucket holds no annotation but those that are changed later: enough for a sync that is told their numbers, at a
size for which LIST and GET of everything would take the better part of an hour.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.measure import Measure, in_turn
from benchmarks.sync.many import Many, record, series_name
from pipelines.sync.fetch import remember
from storage import worktree
from storage.labels import label_store, snapshot
from storage.labels.snapshot import Record
from storage.paths import LABELS
from storage.progress import track
from storage.project import Project
from storage.repo.repository import Repository
from storage.s3.keys import shard_name
from storage.s3.mirror import Row

CHANGES = 10


def fill(many: Many) -> None:
    """Write snapshot, mirror and the state in which they agree; the work tree stays empty."""
    project = many.project()
    tasks: dict[str, list[int]] = defaultdict(list)
    for task in range(many.series):
        tasks[shard_name(series_name(task))].append(task)
    hashes: dict[str, str] = {}
    for name in track(sorted(tasks), "shards"):
        rows = list(_rows(many, project.bucket.name, tasks[name]))
        project.mirror.put(rows)
        data = snapshot.dump_shard(row.value["record"] for row in rows)
        snapshot.write(project.root / LABELS, {name: data})
        found = project.repository.folder(project.repository.cache.store({name: data}))
        hashes |= found
    repository = project.repository
    repository.write_pointer(LABELS, repository.cache.store({}, hashes))
    repository.git.commit([f"{LABELS}.dvc"], "labels of all of them")
    _agree(project)


def _rows(many: Many, bucket: str, tasks: list[int]) -> Iterator[Row]:
    for task in tasks:
        for number in range(task or many.series, many.count + 1, many.series):
            found: Record = record(number, many.series, bucket)
            shard = shard_name(found["series"])
            value = {"annotation": number, "task": task + 1, "shard": shard, "record": found}
            yield Row(f"main/annotations/{number}", f"{number:032x}", value, "")


def _agree(project: Project) -> None:
    repository = project.repository
    state = project.remote.state()
    assert state is not None
    entry = repository.pointer(LABELS), state.series, repository.git.resolve("HEAD")
    state = project.remote.write_state(replace(state.after(*entry), label_config=state.label_config))
    remember(project.remote, state, None, {})
    worktree.mark_current(project.repository, project.mirror)


class Counting(Repository):
    """A repository that counts the shards that are read from its cache."""

    shards = 0

    def read(self, hashes: list[str]) -> dict[str, bytes]:  # type: ignore[override]
        """As always."""
        self.shards += sum(not md5.endswith(".dir") for md5 in hashes)
        return super().read(hashes)


def named(small: Many, large: Many, runs: int) -> Iterator[Measure]:
    """A label commit of ten annotations that are named, in a small and a large project in turn."""
    numbers: dict[int, tuple[int, ...]] = {}
    ways = [
        (Measure(f"label commit by numbers, {many.count:,} records"), partial(_commit, many, numbers))
        for many in (small, large)
    ]

    def change() -> None:
        numbers.update({many.count: many.change(CHANGES) for many in (small, large)})

    in_turn(runs, change, ways)
    few, all_ = (measure for measure, _ in ways)
    all_.facts[f"times that of {small.count:,}"] = all_.seconds / few.seconds
    yield few
    yield all_


def _commit(many: Many, numbers: dict[int, tuple[int, ...]]) -> None:
    many.sync(annotations=numbers[many.count])


def grown(many: Many) -> Iterator[Measure]:
    """What such a commit adds to the disk, and its diff."""
    numbers = many.change(CHANGES)
    before = _sizes(many.root)
    commit = Measure(f"growth by one of them, {many.count:,} records")
    commit.time(lambda: many.sync(annotations=numbers))
    after = _sizes(many.root)
    touched = {shard_name(series_name(number % many.series)) for number in numbers}
    shards = [many.root / LABELS / name for name in touched]
    commit.facts["touched shards"] = len(shards)
    commit.facts["bytes in them"] = sum(path.stat().st_size for path in shards)
    commit.facts["DVC cache grew by bytes"] = after[0] - before[0]
    commit.facts["git grew by bytes"] = after[1] - before[1]
    yield commit
    yield _diff(many)


def _diff(many: Many) -> Measure:
    repository = Counting(many.root)
    commits = list(repository.git.label_commits("HEAD", "--max-count=1"))
    found = Measure(f"diff of two commits, {many.count:,} records")
    changes: list[object] = []

    def diff() -> None:
        changes[:] = label_store.changes(repository, commits[0].before, commits[0].labels)

    found.time(diff)
    found.facts["annotations differ"] = len(changes)
    found.facts["shards read (each twice)"] = repository.shards / 2
    found.facts["shards there are"] = len(repository.folder(commits[0].labels))
    return found


def _sizes(root: Path) -> tuple[int, int]:
    """Bytes in the DVC cache and in git's objects."""
    return _size(root / ".dvc/cache/files"), _size(root / ".git/objects")


def _size(folder: Path) -> int:
    return sum((Path(path) / name).stat().st_size for path, _, names in os.walk(folder) for name in names)
