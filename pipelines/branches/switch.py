"""`labeltrail switch`: check out another branch, and with it its project in Label Studio."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.best_model import PREDICTIONS, commit_model, publish
from pipelines.branches import registry
from pipelines.result import Result
from pipelines.sync.apply import PATHS
from pipelines.sync.locks import exclusive
from storage import worktree
from storage.errors import InputError
from storage.label_studio import label_config
from storage.paths import LABELS, LOCK, SERIES
from storage.process import ProgramError
from storage.project import Project
from storage.repo import dvc_lock


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
    worktree.check_not_merging(project)
    registry.check_reachable(repository.git, name)
    dirty = repository.git.changed(PATHS)
    if dirty:
        raise InputError(
            "the work tree has changes that are in no label commit",
            where=", ".join(dirty),
            why="they would be carried to the other branch",
            cure="labeltrail sync commits them; or discard them: git checkout HEAD -- " + " ".join(dirty),
        )
    worktree.restore(project)
    _keep_model(project)
    repository.git.move("switch", "--quiet", name)
    moved = Project(project.root)
    kept = [path for path in (LABELS, SERIES) if repository.pointer(path)]
    moved.repository.checkout(*kept)
    worktree.mark_current(moved)
    worktree.restore_start(moved)
    named = dvc_lock.Lock.read(project.root).outputs()
    lacks = moved.repository.checkout_outputs(named)
    state = _state(moved, name)
    unpublished = ""
    if state and PREDICTIONS in named and PREDICTIONS not in lacks:
        unpublished = _publish(project)
    url = f"{moved.studio.session.url}/projects/{state}/data" if state else ""
    return SwitchResult(name, moved.repository.git.head(), url, tuple(lacks), unpublished)


def _keep_model(project: Project) -> None:
    """Commit a changed `dvc.lock` on the current branch: git would carry it to the other one."""
    repository = project.repository
    if repository.git.changed([LOCK]) and not repository.git.run("branch", "--show-current").strip():
        raise InputError(
            "the model of the work tree would be lost",
            where=LOCK,
            why="no branch is checked out",
            cure=f"git switch -c NAME keeps it; or discard it: git checkout HEAD -- {LOCK}",
        )
    commit_model(project)


def _publish(project: Project) -> str:
    """Publish the model's predictions in the branch's project too; returns why it failed."""
    try:
        publish(project)
    except ProgramError as error:
        return error.why
    return ""


def _state(project: Project, name: str) -> int:
    config = project.root / label_config.PATH
    if not config.exists():
        return 0
    state = registry.remote_of(project, name, config.read_text(encoding="utf-8")).state()
    return state.project if state else 0
