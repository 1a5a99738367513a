"""`labeltrail branches`: every branch with its labels, its best model and its project in Label Studio."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipelines.branches import registry
from storage.artifacts import reports
from storage.errors import InputError, NotFoundError
from storage.paths import LABELS, LOCK
from storage.printable import shortened
from storage.project import Project
from storage.remote.remote import Remote
from storage.repo.dvc_lock import Lock
from storage.repo.git import prefix_of

VERDICT = reports.VERDICT.as_posix()


@dataclass(frozen=True)
class Facts:
    """One branch.

    Attributes:
        name: of the branch; of one that only the bucket has, its prefix.
        here: whether git has it in this clone.
        checked_out: whether the work tree is on it.
        commit, subject: its newest label commit; "" where it has none, and in a shallow clone no commit but why.
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
        words = [
            f"{mark} {self.name}",
            f"{self.commit[:12]} {self.subject}".strip() or "no label commit",
        ]
        if self.annotations is not None:
            words.append(f"{self.annotations} annotations")
        if self.score is not None:
            words.append(f"{self.metric} {self.score:.3f}")
        return "  ".join([*words, self.url or "no project"])


def listing(project: Project) -> list[Facts]:
    """All branches, by name; those that only the bucket has last."""
    names = registry.names(project.repository.git)
    current = project.repository.git.run("branch", "--show-current").strip()
    known = {prefix_of(name) for name in names}
    others = [folder for folder in registry.in_bucket(project.bucket) if folder not in known]
    found = [_facts(project, name, name == current) for name in sorted(names)]
    return found + [Facts(folder, here=False, url=_url(project, folder)) for folder in others]


def _facts(project: Project, name: str, checked_out: bool) -> Facts:
    repository = project.repository
    try:
        newest, subject = repository.git.label_commit_at(f"refs/heads/{name}"), ""
    except InputError as error:
        newest, subject = None, f"not known: {error.what} ({error.cure.partition(';')[0]})"
    metric, score = _score(project, name)
    return Facts(
        name=name,
        checked_out=checked_out,
        commit=newest.commit if newest else "",
        subject=newest.subject if newest else subject,
        annotations=_count(project, newest.labels) if newest else 0,
        metric=metric,
        score=score,
        url=_url(project, prefix_of(name)),
    )


def _count(project: Project, labels: str) -> int | None:
    """Records of a snapshot: a line each."""
    repository = project.repository
    try:
        return sum(
            repository.read([md5])[md5].count(b"\n") for md5 in repository.folder(labels, LABELS).values()
        )
    except NotFoundError:
        return None


def _score(project: Project, name: str) -> tuple[str, float | None]:
    """Metric and test score of the branch's best model, from its last verdict."""
    text = project.repository.git.show(f"refs/heads/{name}", LOCK)
    lock = Lock.of_history(text, name) if text else None
    md5 = lock.outputs().get(VERDICT, "") if lock else ""
    if not md5:
        return "", None
    try:
        verdict = reports.parse_verdict(project.repository.read([md5])[md5], VERDICT)
    except (NotFoundError, InputError):
        return "", None
    won = verdict.best_model == verdict.candidate_model
    return shortened(verdict.metric), verdict.candidate if won else verdict.best


def _url(project: Project, prefix: str) -> str:
    state = Remote(project.bucket, project.studio, project.mirror, prefix, "").state()
    return f"{project.studio.session.url}/projects/{state.project}/data" if state and state.project else ""


def to_json(found: list[Facts]) -> dict[str, Any]:
    return {"branches": [asdict(facts) for facts in found]}
