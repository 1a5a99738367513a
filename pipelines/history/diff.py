"""`labeltrail diff [A [B]]`: compare the labels of two revisions, and the test scores of their models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.history.formatting import counts_json, difference_lines, stat_lines, total_line
from storage.artifacts import reports
from storage.errors import LabeltrailError
from storage.labels import label_changes, label_store
from storage.labels.diff import ALL, Difference, DiffFilter
from storage.labels.label_changes import LabelChanges
from storage.paths import LABELS, LOCK
from storage.repo.dvc_lock import Lock
from storage.repo.repository import Repository

WORK_TREE = "work tree"


@dataclass(frozen=True)
class Side:
    """One of the two revisions that are compared.

    Attributes:
        revision: as given, or `work tree`.
        commit: its id; "" for the work tree.
        labels: hash of its label snapshot; "" where it has none.
        scores: test scores of its model by name; empty where there are none.
        note: why the scores of its model are missing.
    """

    revision: str
    commit: str
    labels: str
    scores: dict[str, float | None] = field(default_factory=dict)
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        facts = {"revision": self.revision, "commit": self.commit or None, "labels": self.labels}
        return facts | {"scores": self.scores}


@dataclass(frozen=True)
class Diff:
    """Two sides and their differences."""

    before: Side
    after: Side
    differences: list[Difference]
    counts: LabelChanges

    def to_json(self) -> dict[str, Any]:
        return {
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "counts": counts_json(self.counts),
            "differences": [found.to_json() for found in self.differences],
        }

    def lines(self, stat: bool = False) -> list[str]:
        """For people; `stat`: counts instead of regions."""
        if stat:
            shown = stat_lines(self.counts)
        elif self.differences:
            shown = [*difference_lines(self.differences), total_line(self.counts)]
        else:
            shown = [f"no difference in labels between {self.before.revision} and {self.after.revision}"]
        return [*shown, *score_lines(self.before, self.after)]


def diff(repository: Repository, before: str = "", after: str = "", filters: DiffFilter = ALL) -> Diff:
    """Compare two revisions; without the second the work tree, without both HEAD with the work tree.

    Raises:
        NotFoundError: there is no such revision, or a snapshot is neither in the DVC cache nor in its remote.
    """
    if not after and ".." in before:
        before, _, after = before.partition("..")
        after = after or "HEAD"
    old, new = side(repository, before or "HEAD"), side(repository, after)
    changes = list(filters.changes(label_store.changes(repository, old.labels, new.labels)))
    config = label_store.config_at(repository.git, new.commit)
    counts = label_changes.count(changes, filters.label, config)
    return Diff(old, new, filters.differences(changes, config), counts)


def side(repository: Repository, revision: str) -> Side:
    """Labels and scores of a revision; "" is the work tree."""
    if not revision:
        return Side(WORK_TREE, "", repository.pointer(LABELS), *_scores(repository, ""))
    commit = repository.git.resolve(revision)
    return Side(revision, commit, repository.git.labels_at(commit), *_scores(repository, commit))


def _scores(repository: Repository, commit: str) -> tuple[dict[str, float | None], str]:
    """Test scores by name, of a commit or ("") of the work tree, and why they are missing."""
    try:
        text = repository.git.show(commit, LOCK) if commit else None
        lock = Lock.parse(text or "", f"{LOCK} of {commit[:12]}") if commit else Lock.read(repository.root)
        test = _parse(repository, lock.outputs()).get("test", {})
    except LabeltrailError as error:
        return {}, error.what
    scores = ((f"{level} {name}", n) for level, found in test.items() for name, n in found.items())
    return {name.replace("_", " "): n for name, n in scores}, ""


def _parse(repository: Repository, outputs: Mapping[str, str]) -> reports.Scores:
    """All scores of a model, from the outputs of its stages; before 0.2.0 `evaluate.json` had them all."""
    folder, headline = (outputs.get(path.as_posix(), "") for path in (reports.EVALUATION, reports.HEADLINE))
    md5 = repository.folder(folder).get(reports.SCORES.name)
    if md5:
        return reports.parse_scores(repository.read([md5])[md5], str(reports.SCORES))
    if headline:
        return reports.parse_headline(repository.read([headline])[headline], str(reports.HEADLINE))
    return {}


def score_lines(before: Side, after: Side) -> list[str]:
    """The test scores of both, a column each; nothing where one has no model."""
    notes = [f"scores of {s.revision} are missing: {s.note}" for s in (before, after) if s.note]
    if not (before.scores and after.scores):
        return notes
    names = [*before.scores, *(name for name in after.scores if name not in before.scores)]
    width = max(len(name) for name in [*names, "test scores"])
    widths = [max(len(s.revision), 10) for s in (before, after)]
    rows = [("test scores", before.revision, after.revision)]
    rows += [(name, _number(before.scores.get(name)), _number(after.scores.get(name))) for name in names]
    return ["", *(f"{n:<{width}}  {b:>{widths[0]}}  {a:>{widths[1]}}" for n, b, a in rows), *notes]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
