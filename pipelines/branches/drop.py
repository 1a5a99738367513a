"""`labeltrail drop`: delete a branch: its project in Label Studio, its objects in the bucket, its git branch.

What would be lost is listed first. Interrupted, the same command resumes.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.branches import registry
from pipelines.result import Result
from pipelines.sync.locks import exclusive
from storage.errors import InputError, LabeltrailError, NotFoundError
from storage.label_studio.label_config import PATH as CONFIG
from storage.labels.label_changes import plural
from storage.paths import LABELS
from storage.printable import argument
from storage.project import Project
from storage.remote.sync_state import DamagedStateError, State
from storage.repo.git import Git, prefix_of


@dataclass(frozen=True)
class Loss(Result):
    """What is lost with a branch.

    Attributes:
        branch: its name.
        projects: numbers of its projects in Label Studio; more than one where creating it was interrupted.
        objects: how many it has in the bucket, without the recordings.
        commits: label commits that no other branch and no tag has.
        unsynced: annotations that are in no label commit; None where that is not known.
        aside: objects that sync set aside: invalid, or in no label commit.
    """

    branch: str
    projects: tuple[int, ...]
    objects: int
    commits: tuple[str, ...]
    unsynced: int | None
    aside: int

    def lines(self) -> list[str]:
        numbers = ", ".join(map(str, self.projects)) or "none"
        text = [f"branch {self.branch}: project {numbers} in Label Studio, {plural(self.objects, 'object')}"]
        if self.unsynced is None:
            text.append("lost: its labels; which of them are in a label commit is not known here")
        elif self.unsynced:
            text.append(f"lost: {plural(self.unsynced, 'annotation')} in no label commit")
        if self.aside:
            text.append(f"lost: {plural(self.aside, 'object')} that sync has set aside")
        if self.commits:
            text.append(f"lost: {plural(len(self.commits), 'label commit')} that no other branch or tag has:")
            text += [f"  {commit}" for commit in self.commits]
        return text


def loss(project: Project, name: str) -> Loss:
    """What would be lost; changes nothing.

    Raises:
        InputError: it is checked out, or another branch has the same prefix in the bucket.
        NotFoundError: neither git, the bucket nor Label Studio knows it.
    """
    repository = project.repository
    _check_droppable(repository.git, name)
    commit = registry.names(repository.git).get(name)
    remote = project.remote_at(prefix_of(name))
    try:
        state, is_damaged = remote.state(), False
    except DamagedStateError:  # it is deleted with the branch
        state, is_damaged = None, True
    projects = remote.studio.projects.find_by_description(project.bucket.url(remote.prefix))
    objects = [item.key for item in project.bucket.objects(f"{remote.prefix}/")]
    if remote.prefix in registry.SHARED or not (commit or state or projects or objects):
        raise NotFoundError(f"there is no branch {name!r}", cure="labeltrail branches")
    unsynced = None if is_damaged else _unsynced(project, name, state)
    aside = sum(key.startswith(remote.aside_prefix) for key in objects)
    aside += len(remote.mirror.invalid(remote.annotations_prefix))
    commits = _commits(repository.git, name) if commit else ()
    return Loss(name, tuple(projects), len(objects), commits, unsynced, aside)


@exclusive
def drop(project: Project, found: Loss) -> None:
    """Delete a branch: first its project, for Label Studio writes to the bucket; `sync.json` and git branch last.

    Raises:
        InputError: as `loss`: somebody may have checked it out since.
    """
    _check_droppable(project.repository.git, found.branch)
    remote = project.remote_at(prefix_of(found.branch))
    for number in found.projects:
        remote.studio.projects.delete(number)
    for part in (remote.annotations_prefix, remote.tasks_prefix, f"{remote.prefix}/"):
        project.bucket.delete_prefix(part)
    if found.branch in registry.names(project.repository.git):
        project.repository.git.run("branch", "--quiet", "-D", found.branch)


def _check_droppable(git: Git, name: str) -> None:
    """A branch that is checked out, or whose prefix another one shares, cannot be dropped."""
    if name == git.run("branch", "--show-current").strip():
        raise InputError(f"branch {name!r} is checked out", cure="labeltrail switch main (or another branch)")
    others = registry.sharing_prefix(git, name)
    if others:
        delete = f"git branch -D {argument(name)} deletes this git branch alone"
        raise InputError(
            f"branch {name!r} has no prefix of its own in the bucket",
            where=f"{prefix_of(name)}/",
            why=f"branch {others[0]!r} has the same: its project and labels would be lost",
            cure=delete if name in registry.names(git) else "labeltrail branches",
        )


def _commits(git: Git, name: str) -> tuple[str, ...]:
    """The label commits that only this branch has."""
    others = (f"--exclude={name}", "--branches", "--tags", "--remotes")
    options = ("log", "--format=%h %s", f"refs/heads/{name}", "--not", *others, "--", f"{LABELS}.dvc")
    return tuple(git.lines(*options))


def _unsynced(project: Project, name: str, state: State | None) -> int | None:
    """How many annotations are in no label commit; None where that cannot be known here."""
    if state is None:
        return 0
    repository = project.repository
    config = repository.git.show(name, str(CONFIG))
    if config is None:
        return None
    try:
        return registry.count_unsynced(repository, registry.remote_of(project, name, config), state)
    except LabeltrailError:
        return None
