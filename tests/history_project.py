"""A project with a past, made without servers: real git, label snapshots put into the DVC cache by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from storage import history, labels, process, settings, snapshot
from storage.project import Project
from storage.repository import Repository
from storage.snapshot import Record
from tests.conftest import result

POINTER = "outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {files}\n  hash: md5\n  path: labels\n"


def record(
    series: str, number: int, *regions: tuple[float, float, str], by: str = "ann@example.com", **fields: Any
) -> Record:
    """A label record; its regions are named a, b, c, ..."""
    moment = f"2026-01-02T03:04:05.{number:06d}Z"
    facts = {"id": number, "result": result(*regions), "created_at": moment, "updated_at": moment, **fields}
    return snapshot.canonical(facts, series, by)


class Past:
    """A clone whose label commits are made by hand; each is a minute later than the one before."""

    def __init__(self, root: Path) -> None:
        self.root, self.minutes = root, 0
        root.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("config", "user.name", "Tester")
        self.git("config", "user.email", "tester@example.com")
        (root / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
        (root / ".gitignore").write_text("/.dvc/cache\n/.dvc/tmp\n/.labeltrail\n", encoding="utf-8")
        self.save("nothing yet")

    @property
    def repository(self) -> Repository:
        return Repository(self.root)

    @property
    def project(self) -> Project:
        return Project(self.root)

    def git(self, *words: str) -> str:
        moment = f"2026-02-01T10:{self.minutes:02d}:00+00:00"
        dates = {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
        return process.run(["git", *words], cwd=self.root, env=settings.stage_environment() | dates)

    def point(self, records: Iterable[Record]) -> str:
        """Have the work tree's pointer name these labels; returns their hash."""
        shards = snapshot.dump(records)
        md5 = self.repository.store(shards)
        text = POINTER.format(md5=md5, size=sum(map(len, shards.values())), files=len(shards))
        (self.root / "data").mkdir(exist_ok=True)
        (self.root / "data/labels.dvc").write_text(text, encoding="utf-8")
        return md5

    def save(self, message: str) -> str:
        """Commit all that there is."""
        self.minutes += 1
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def label(self, records: Sequence[Record], message: str = "") -> str:
        """Make a label commit as sync would; returns its id."""
        before = self.repository.labels_at("HEAD")
        counts = history.count(labels.changes(self.repository, before, self.point(records)))
        return self.save(message or history.message(counts, history.signs([]), []))
