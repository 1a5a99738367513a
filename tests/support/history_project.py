"""A project with a past, made without servers: real git, label snapshots put into the DVC cache by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from storage import process, settings
from storage.labels import git_drivers, label_changes, label_store, snapshot
from storage.labels.snapshot import Record
from storage.project import Project
from storage.repo.repository import Repository
from tests.conftest import CHECKOUT, result

POINTER = "outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {files}\n  hash: md5\n  path: labels\n"


def record(
    series: str, number: int, *regions: tuple[float, float, str], by: str = "ann@example.com", **fields: Any
) -> Record:
    """A label record; its regions are named a, b, c, ..."""
    moment = f"2026-01-02T03:04:05.{number:06d}Z"
    facts = {"id": number, "result": result(*regions), "created_at": moment, "updated_at": moment, **fields}
    return snapshot.canonical(facts, series, by)


ONE = record("one", 1, (0.1, 0.5, "walk"), (0.9, 0.9, "knock"))
TWO = record("zwei ü", 2, (1, 2, "run"), by="ben@example.com")


def branched(root: Path) -> Past:
    """A label commit of ONE and TWO on `main` and a branch `walks` there; git's drivers are set."""
    past = Past(root)
    shutil.copy(CHECKOUT / ".gitattributes", past.root)
    git_drivers.configure(past.repository.git)
    past.label([ONE, TWO])
    past.git("branch", "walks")
    return past


class Past:
    """A clone whose label commits are made by hand; each is a minute later than the one before."""

    def __init__(self, root: Path) -> None:
        self.root, self.minutes = root, 0
        root.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("config", "user.name", "Tester")
        self.git("config", "user.email", "tester@example.com")
        (root / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
        (root / ".gitignore").write_text(
            "/.dvc/cache\n/.dvc/tmp\n/.labeltrail\n/data/labels\n", encoding="utf-8"
        )
        self.save("nothing yet")

    @property
    def repository(self) -> Repository:
        return Repository(self.root)

    @property
    def project(self) -> Project:
        return Project(self.root)

    def git(self, *words: str) -> str:
        return self.run(["git", *words])

    def run(self, command: list[str]) -> str:
        moment = f"2026-02-01T10:{self.minutes:02d}:00+00:00"
        dates = {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
        return process.run(command, cwd=self.root, env=settings.stage_environment() | dates)

    def point(self, records: Iterable[Record]) -> str:
        """Have the work tree's pointer name these labels; returns their hash."""
        shards = snapshot.dump(records)
        md5 = self.repository.cache.store(shards)
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
        before = self.repository.git.labels_at("HEAD")
        counts = label_changes.count(label_store.changes(self.repository, before, self.point(records)))
        return self.save(message or label_changes.message(counts, label_changes.signs([]), []))

    def write(self, **files: str) -> None:
        """Write files of `data/`; `sets_csv` is splits.csv."""
        (self.root / "data").mkdir(exist_ok=True)
        for name, text in files.items():
            (self.root / "data" / name.replace("_", ".")).write_text(text, encoding="utf-8")

    def on_walks(self, records: Sequence[Record], **files: str) -> None:
        """Make a label commit on the branch `walks`."""
        self.git("switch", "--quiet", "walks")
        self.write(**files)
        self.label(records)
        self.git("switch", "--quiet", "main")

    def merge_walks(self, *words: str) -> tuple[int, str]:
        """`git merge walks` as a person runs it: exit status and what it says."""
        script = [
            "sh",
            "-c",
            '"$@" 2>&1; echo "status $?"',
            "-",
            "git",
            *words,
            "merge",
            "--no-edit",
            "walks",
        ]
        said, _, status = self.run(script).rpartition("status ")
        return int(status), said
