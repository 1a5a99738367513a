"""`labeltrail switch`: check out another branch, and with it its project in Label Studio."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.best_model import PREDICTIONS, commit_model, publish
from pipelines.branches import registry
from pipelines.result import Result
from pipelines.sync.apply import PATHS
from pipelines.sync.locks import exclusive
from storage import worktree
from storage.errors import InputError
from storage.label_studio import label_config
from storage.paths import LOCK
from storage.process import ProgramError
from storage.project import Project
from storage.repo import dvc_lock
from storage.repo.repository import Repository


@dataclass(frozen=True)
class SwitchResult(Result):
    """The branch that is checked out now.

    Attributes:
        url: its project in Label Studio; "" where it has none.
        unpublished: why the model's predictions are not in that project; "" where they are, or there are none.
        lacks: folders of `dvc.lock` whose bytes are neither in the DVC cache nor in its remote.
    """

    branch: str
    commit: str
    url: str
    lacks: tuple[str, ...] = ()
    unpublished: str = ""

    def lines(self) -> list[str]:
        text = [f"on branch {self.branch} at {self.commit[:12]}"]
        text.append(f"label it in {self.url}" if self.url else "it has no Label Studio project yet")
        if self.lacks:
            text.append(f"missing: {', '.join(self.lacks)} (dvc repro makes them again)")
        if self.unpublished:
            text.append(f"the predictions could not be published: {self.unpublished}")
        return text


@exclusive
def switch(project: Project, name: str) -> SwitchResult:
    """Check out a branch: git files, labels, recordings, and the outputs of its `dvc.lock` that DVC has.

    The current branch keeps its model, in a commit of its own.

    Raises:
        NotFoundError: there is no such branch.
        InputError: labels, settings or files that git would overwrite are not committed.
        ConflictError: a git merge is going on.
        ServiceError: the DVC remote does not accept the model of the current branch.
    """
    repository = project.repository
    worktree.check_not_merging(repository.git)
    registry.check_reachable(repository.git, name)
    dirty = repository.git.changed(PATHS)
    if dirty:
        raise InputError(
            "the work tree has changes that are in no label commit",
            where=", ".join(dirty),
            why="they would be carried to the other branch",
            cure="labeltrail sync commits them; or discard them: git checkout HEAD -- " + " ".join(dirty),
        )
    worktree.restore(repository, project.mirror)
    _commit_model(repository)
    repository.git.move("switch", "--quiet", name)
    project = Project(project.root)
    repository = project.repository
    worktree.checkout(repository, project.mirror)
    outputs = dvc_lock.Lock.read(project.root).outputs()
    lacks = repository.checkout_outputs(outputs)
    number = _project_number(project)
    unpublished = ""
    if number and PREDICTIONS in outputs and PREDICTIONS not in lacks:
        unpublished = _publish(project.root)
    url = project.studio.projects.url(number) if number else ""
    return SwitchResult(name, repository.git.head(), url, tuple(lacks), unpublished)


def _commit_model(repository: Repository) -> None:
    """Commit a changed `dvc.lock` on the current branch: git would carry it to the other one."""
    if repository.git.changed([LOCK]) and not repository.git.run("branch", "--show-current").strip():
        raise InputError(
            "the model of the work tree would be lost",
            where=LOCK,
            why="no branch is checked out",
            cure=f"git switch -c NAME keeps it; or discard it: git checkout HEAD -- {LOCK}",
        )
    commit_model(repository)


def _publish(root: Path) -> str:
    """Publish the model's predictions in the branch's project too; returns why it failed."""
    try:
        publish(root)
    except ProgramError as error:
        return error.why
    return ""


def _project_number(project: Project) -> int:
    """Number of the branch's project in Label Studio; 0 where it has none."""
    state = project.remote.state() if (project.root / label_config.PATH).exists() else None
    return state.project if state else 0
