"""`labeltrail show REV`: one label commit: who made it, what it changed, which models it has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pipelines.log import commit_json, commit_line
from pipelines.wording import counts_json, difference_lines, total_line
from storage import history, labels
from storage.differences import Difference, Wanted
from storage.errors import LabeltrailError, NotFoundError
from storage.git import LabelCommit
from storage.history import LabelChanges
from storage.provenance import LOCK, locked_best
from storage.repository import Repository


@dataclass(frozen=True)
class Best:
    """The best model that a revision's `dvc.lock` names.

    Attributes:
        folder: DVC's hash of `data/best`.
        model: its hash; "" where its bytes cannot be had.
        labels: hash of the labels that it learnt from.
        note: why its bytes cannot be had.
    """

    folder: str
    model: str = ""
    labels: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As in docs/formats.md."""
        return {"folder": self.folder, "model": self.model or None, "labels": self.labels or None}


@dataclass(frozen=True)
class Shown:
    """One label commit.

    Attributes:
        revision: as it was asked for.
        commit: the label commit, `revision` itself or the newest one before it.
        best: the best model of `revision`; None where it names none.
    """

    revision: str
    commit: LabelCommit
    tags: tuple[str, ...]
    differences: list[Difference]
    counts: LabelChanges
    best: Best | None

    def to_json(self) -> dict[str, Any]:
        """As in docs/formats.md."""
        return {
            **commit_json(self.commit),
            "tags": list(self.tags),
            "counts": counts_json(self.counts),
            "differences": [found.to_json() for found in self.differences],
            "best": self.best and self.best.to_json(),
        }

    def lines(self) -> list[str]:
        """For people."""
        text = [f"label commit {commit_line(self.commit, self.tags)}", f"  {self.commit.subject}"]
        text.append(f"  labels {self.commit.labels or 'none'}, before {self.commit.before or 'none'}")
        if len(self.commit.parents) > 1:
            text.append(f"  a merge of {', '.join(p[:12] for p in self.commit.parents)}; against the first:")
        if self.best:
            text.append(f"  best model at {self.revision}: {self._best(self.best)}")
        return [*text, "", *difference_lines(self.differences), total_line(self.counts)]

    def _best(self, best: Best) -> str:
        if best.note:
            return f"{best.folder}: cannot be had: {best.note}"
        learnt = "these labels" if best.labels == self.commit.labels else f"labels {best.labels}"
        return f"{best.model}, from {learnt}"


def show(repository: Repository, revision: str = "HEAD") -> Shown:
    """The label commit whose labels a revision has.

    Raises:
        NotFoundError: there is no such revision, or it has no labels, or a snapshot is neither in the DVC cache nor
            in its remote.
    """
    commit = repository.resolve(revision)
    found = next(repository.label_commits(commit, "--max-count=1"), None)
    if found is None:
        what = f"{revision} has no labels yet"
        raise NotFoundError(what, where=commit, cure="labeltrail log shows the label commits")
    changes = list(labels.changes(repository, found.before, found.labels))
    tags = tuple(repository.tags().get(found.commit, ()))
    differences = Wanted().differences(changes)
    best = _best(repository, repository.show(commit, LOCK.as_posix()))
    return Shown(revision, found, tags, differences, history.count(changes), best)


def _best(repository: Repository, lock: str | None) -> Best | None:
    folder = locked_best(lock)
    if not folder:
        return None
    try:
        md5 = repository.folder(folder)["provenance.json"]
        facts = json.loads(repository.read([md5])[md5])
    except LabeltrailError as error:
        return Best(folder, note=error.what)
    return Best(folder, facts["model"], facts["labels"])
