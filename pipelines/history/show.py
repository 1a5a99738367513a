"""`labeltrail show REV`: show one label commit: author, changes, best model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines.history.formatting import counts_json, difference_lines, total_line
from pipelines.history.log import commit_json, commit_line
from storage.artifacts import lineage
from storage.errors import LabeltrailError, NotFoundError
from storage.labels import label_changes, label_store
from storage.labels.diff import ALL, Difference
from storage.labels.label_changes import LabelChanges
from storage.repo.git import LabelCommit
from storage.repo.repository import Repository


@dataclass(frozen=True)
class Best:
    """The best model of the labels: the one that a rollback restores.

    Attributes:
        folder: DVC's hash of `data/best`.
        commit: whose `dvc.lock` names it.
        reason: why it is this one.
        model: its hash; "" where its bytes are missing.
        note: why they are missing.
    """

    folder: str
    commit: str
    reason: str
    model: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        facts = {"folder": self.folder, "commit": self.commit, "reason": self.reason}
        return facts | {"model": self.model or None, "note": self.note or None}

    def line(self) -> str:
        name = self.model or f"{self.folder}, whose bytes are missing: {self.note}"
        return f"best model {name}; {self.reason} ({self.commit[:12]})"


@dataclass(frozen=True)
class ShowResult:
    """One label commit.

    Attributes:
        revision: as given.
        commit: the label commit, `revision` itself or the newest one before it.
        best: the best model of these labels; None where there was none yet.
    """

    revision: str
    commit: LabelCommit
    tags: tuple[str, ...]
    differences: list[Difference]
    counts: LabelChanges
    best: Best | None

    def to_json(self) -> dict[str, Any]:
        return {
            **commit_json(self.commit),
            "tags": list(self.tags),
            "counts": counts_json(self.counts),
            "differences": [found.to_json() for found in self.differences],
            "best": self.best and self.best.to_json(),
        }

    def lines(self) -> list[str]:
        text = [f"label commit {commit_line(self.commit, self.tags)}", f"  {self.commit.subject}"]
        text.append(f"  labels {self.commit.labels or 'none'}, before {self.commit.before or 'none'}")
        if len(self.commit.parents) > 1:
            text.append(f"  a merge of {', '.join(p[:12] for p in self.commit.parents)}; against the first:")
        text += [f"  {self.best.line()}"] if self.best else []
        return [*text, "", *difference_lines(self.differences), total_line(self.counts)]


def show(repository: Repository, revision: str = "HEAD") -> ShowResult:
    """The label commit whose labels a revision has.

    Raises:
        NotFoundError: there is no such revision, or it has no labels, or a snapshot is neither in the DVC cache nor
            in its remote.
    """
    commit = repository.git.resolve(revision)
    found = repository.git.label_commit_at(commit)
    if found is None:
        what = f"{revision} has no labels yet"
        raise NotFoundError(what, where=commit, cure="labeltrail log shows the label commits")
    changes = list(label_store.changes(repository, found.before, found.labels))
    tags = tuple(repository.git.tags().get(found.commit, ()))
    config = label_store.config_at(repository.git, found.commit)
    differences = ALL.differences(changes, config)
    best = _best(repository, found.labels, commit)
    return ShowResult(revision, found, tags, differences, label_changes.count(changes, config=config), best)


def _best(repository: Repository, md5: str, commit: str) -> Best | None:
    found = lineage.best_of(repository, md5, ["HEAD", commit])
    if found is None:
        return None
    facts = found.lock.best, found.commit, found.reason
    try:
        return Best(*facts, model=lineage.model_in(repository, found.lock.best))
    except LabeltrailError as error:
        return Best(*facts, note=error.what)
