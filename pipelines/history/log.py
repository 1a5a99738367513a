"""`labeltrail log`: who changed what in which series, newest first.

The counts are computed from the label snapshots, of which only the shards that differ are read, not taken from
commit messages: a message may have been rebased, edited or forged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pipelines.history.formatting import counts_json, counts_line
from storage.errors import LabeltrailError
from storage.label_studio.label_config import LabelConfig
from storage.labels import label_changes, label_store
from storage.labels.diff import ALL, DiffFilter
from storage.labels.label_changes import LabelChanges
from storage.repo.git import LabelCommit
from storage.repo.repository import Repository

SERIES_SHOWN = 5
DOTS = re.compile(r"\.{2,3}")


@dataclass(frozen=True)
class Entry:
    """One label commit in the log.

    Attributes:
        counts: what it changed, after filters; None where that is unknown.
        unknown: why it is unknown: a snapshot is missing.
    """

    commit: LabelCommit
    tags: tuple[str, ...]
    counts: LabelChanges | None
    unknown: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            **commit_json(self.commit),
            "tags": list(self.tags),
            "counts": self.counts and counts_json(self.counts),
            "unknown": self.unknown or None,
        }

    def lines(self) -> list[str]:
        text = [commit_line(self.commit, self.tags), f"    {self.commit.subject}"]
        if self.unknown:
            return [*text, f"    what changed is unknown: {self.unknown}"]
        if self.counts and (line := counts_line(self.counts)):
            text.append(f"    {line}")
        keys = sorted(self.counts.series) if self.counts else []
        more = f" and {len(keys) - SERIES_SHOWN} more" if len(keys) > SERIES_SHOWN else ""
        return [*text, f"    in {', '.join(keys[:SERIES_SHOWN])}{more}"] if keys else text


def log(
    repository: Repository,
    revision: str = "HEAD",
    filters: DiffFilter = ALL,
    *options: str,
    most: int | None = None,
) -> Iterator[Entry]:
    """The label commits up to `revision`, or in a range of revisions, that match the filters.

    Args:
        options: of `git log`, such as `--since=2026-01-01`.
        most: how many at most.

    Raises:
        NotFoundError: there is no such revision.
    """
    for end in filter(None, DOTS.split(revision)):
        repository.git.resolve(end)
    tags = repository.git.tags()
    config = label_store.config_at(repository.git, DOTS.split(revision)[-1] or "HEAD")
    entries = (
        _entry(repository, commit, tuple(tags.get(commit.commit, ())), filters, config)
        for commit in repository.git.label_commits(revision, *options)
    )
    return islice(filter(None, entries), most)


def commit_line(commit: LabelCommit, tags: tuple[str, ...]) -> str:
    """`371a9b1c2d3e  2026-01-02 03:04  Ann  (before-ben)`."""
    moment = commit.time[:16].replace("T", " ")
    names = f"  ({', '.join(tags)})" if tags else ""
    return f"{commit.commit[:12]}  {moment}  {commit.author.partition(' <')[0]}{names}"


def commit_json(commit: LabelCommit) -> dict[str, Any]:
    """A label commit as JSON, as in docs/formats.md."""
    names = ("commit", "time", "author", "subject", "labels", "before")
    return {name: getattr(commit, name) for name in names} | {"parents": list(commit.parents)}


def _entry(
    repository: Repository,
    commit: LabelCommit,
    tags: tuple[str, ...],
    filters: DiffFilter,
    config: LabelConfig | None,
) -> Entry | None:
    """The entry of a commit; None where the filters match none of its changes."""
    try:
        changes = filters.changes(label_store.changes(repository, commit.before, commit.labels))
        counts = label_changes.count(changes, filters.label, config)
    except LabeltrailError as error:  # listed all the same: the filters may match it
        return Entry(commit, tags, None, error.what)
    return Entry(commit, tags, counts) if counts.annotations or filters.is_empty else None
