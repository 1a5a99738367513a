"""`labeltrail branches`: every branch with its labels, its best model and its project in Label Studio."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.branches import registry
from pipelines.result import Result
from storage.artifacts import reports
from storage.errors import InputError, NotFoundError
from storage.paths import LABELS, LOCK
from storage.printable import shortened
from storage.project import Project
from storage.repo.dvc_lock import Lock
from storage.repo.git import prefix_of
from storage.repo.repository import Repository

VERDICT = reports.VERDICT.as_posix()


@dataclass(frozen=True)
class BranchSummary(Result):
    """One branch.

    Attributes:
        name: of the branch; of one that only the bucket has, its prefix.
        here: whether it is a branch of this clone.
        checked_out: whether the work tree is on it.
        commit, subject: its newest label commit; "" where it has none. In a shallow clone the subject says why.
        annotations: how many that one has; None where its bytes are missing.
        metric: by which its best model was chosen.
        score: of its best model on the test split; None where there is none.
        url: its project in Label Studio; "" where it has none.
    """

    name: str
    here: bool = True
    checked_out: bool = False
    commit: str = ""
    subject: str = ""
    annotations: int | None = None
    metric: str = ""
    score: float | None = None
    url: str = ""

    def line(self) -> str:
        mark = "*" if self.checked_out else " "
        if not self.here:
            return f"{mark} {self.name}  in the bucket only (git fetch brings it)  {self.url}".rstrip()
        commit = f"{self.commit[:12]} {self.subject}".strip() or "no label commit"
        columns = [f"{mark} {self.name}", commit]
        if self.annotations is not None:
            columns.append(f"{self.annotations} annotations")
        if self.score is not None:
            columns.append(f"{self.metric} {self.score:.3f}")
        return "  ".join([*columns, self.url or "no project"])


def listing(project: Project) -> list[BranchSummary]:
    """All branches, by name; those that only the bucket has last."""
    names = registry.names(project.repository.git)
    current = project.repository.git.run("branch", "--show-current").strip()
    known = {prefix_of(name) for name in names}
    others = [folder for folder in registry.in_bucket(project.bucket) if folder not in known]
    found = [_summary(project, name, name == current) for name in sorted(names)]
    return found + [BranchSummary(folder, here=False, url=_url(project, folder)) for folder in others]


def _summary(project: Project, name: str, checked_out: bool) -> BranchSummary:
    repository = project.repository
    try:
        newest, problem = repository.git.label_commit_at(f"refs/heads/{name}"), ""
    except InputError as error:
        newest, problem = None, f"not known: {error.what} ({error.cure.partition(';')[0]})"
    metric, score = _score(repository, name)
    return BranchSummary(
        name=name,
        checked_out=checked_out,
        commit=newest.commit if newest else "",
        subject=newest.subject if newest else problem,
        annotations=_count(repository, newest.labels) if newest else 0,
        metric=metric,
        score=score,
        url=_url(project, prefix_of(name)),
    )


def _count(repository: Repository, labels: str) -> int | None:
    """How many records a snapshot has: a line each; None where its bytes are missing."""
    try:
        shards = repository.folder(labels, LABELS).values()
        return sum(repository.read([md5])[md5].count(b"\n") for md5 in shards)
    except NotFoundError:
        return None


def _score(repository: Repository, name: str) -> tuple[str, float | None]:
    """Metric and test score of the branch's best model, from its last verdict."""
    text = repository.git.show(f"refs/heads/{name}", LOCK)
    lock = Lock.of_history(text, name) if text else None
    md5 = lock.outputs().get(VERDICT, "") if lock else ""
    if not md5:
        return "", None
    try:
        verdict = reports.parse_verdict(repository.read([md5])[md5], VERDICT)
    except (NotFoundError, InputError):
        return "", None
    won = verdict.best_model == verdict.candidate_model
    return shortened(verdict.metric), verdict.candidate if won else verdict.best


def _url(project: Project, prefix: str) -> str:
    state = project.remote_at(prefix).state()
    return project.studio.projects.url(state.project) if state and state.project else ""
