"""`labeltrail branch`: a label experiment with its own prefix in the bucket and its own Label Studio project.

The new project begins with the tasks, annotations and settings of a commit. Nothing of the branch that it comes from
is touched. Interrupted, the same command resumes.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.branches import populate, registry
from pipelines.branches.provision import provision
from pipelines.result import Result
from pipelines.sync.locks import exclusive
from storage.errors import ConflictError, InputError
from storage.labels.label_changes import plural
from storage.printable import argument
from storage.project import Project
from storage.repo.git import Git


@dataclass(frozen=True)
class BranchResult(Result):
    """A new branch.

    Attributes:
        commit: the commit that it begins at.
        tasks, annotations: how many its project in Label Studio has.
        url: that project.
        left: annotations of the current branch that are not synced yet: they are not on the new one.
        strangers: annotators without an account in Label Studio.
        missing: annotations that Label Studio has not accepted yet.
    """

    branch: str
    commit: str
    tasks: int
    annotations: int
    url: str
    left: int
    strangers: tuple[str, ...]
    missing: int

    def lines(self) -> list[str]:
        counts = f"{plural(self.tasks, 'task')}, {plural(self.annotations, 'annotation')}"
        text = [f"branch {self.branch} at {self.commit[:12]}: {counts}", f"label it in {self.url}"]
        if self.left:
            text.append(
                f"warning: {plural(self.left, 'annotation')} of the current branch not synced yet, "
                "so not on the new one"
            )
        if self.strangers:
            text.append(f"warning: {populate.describe_strangers(self.strangers)}")
        if self.missing:
            text.append(
                f"warning: Label Studio lacks {plural(self.missing, 'annotation')}; the first sync sends them"
            )
        return text


@exclusive
def branch(project: Project, name: str, start: str = "") -> BranchResult:
    """Make a branch at HEAD, or at another commit.

    Args:
        project: the clone; its work tree stays the same.
        name: of the branch; for an existing git branch without a project one is created.
        start: where it begins.

    Raises:
        InputError: the name is invalid, or no branch is checked out, or `start` has no labels.
        ConflictError: there is such a branch already.
    """
    repository = project.repository
    repository.git.branch()  # InputError where none is checked out
    registry.check_name(repository.git, name)
    commit = _commit(repository.git, name, start)
    content = populate.read_content(repository, commit)
    remote = registry.remote_of(project, name, content.config)
    state = remote.state()
    if state is not None and state.project:
        fetch = "" if name in registry.names(repository.git) else "git fetch; "
        raise ConflictError(
            f"branch {name!r} exists already",
            where=project.studio.projects.url(state.project),
            cure=f"{fetch}labeltrail switch {argument(name)}",
        )
    if state is None and any(project.bucket.objects(remote.annotations_prefix)):
        raise ConflictError(
            f"the bucket holds annotations of a branch {name!r} that has no sync.json",
            where=project.bucket.url(remote.annotations_prefix),
            cure=f"labeltrail drop {argument(name)}, or choose another name",
        )
    settings, left = _current_branch(project)
    if name not in registry.names(repository.git):
        repository.git.run("branch", "--no-track", name, commit)
    state, filled = provision(project, remote, content, settings)
    return BranchResult(
        branch=name,
        commit=commit,
        tasks=len(content.tasks),
        annotations=filled.annotations,
        url=project.studio.projects.url(state.project),
        left=left,
        strangers=filled.strangers,
        missing=len(filled.missing),
    )


def _commit(git: Git, name: str, start: str) -> str:
    """The commit that the branch begins at: that of the git branch, where there is one."""
    existing = registry.names(git).get(name)
    commit = git.resolve(start) if start else existing or git.head()
    if existing and commit != existing:
        why = f"it is at {existing[:12]}, not at {commit[:12]}"
        cure = f"labeltrail branch {argument(name)} (without --from), or another name"
        raise InputError(f"there is a git branch {name!r} already", why=why, cure=cure)
    return commit


def _current_branch(project: Project) -> tuple[dict[str, object], int]:
    """Labeling settings of the current branch's project, and how many of its annotations are not synced."""
    remote = project.remote
    state = remote.state()
    if state is None or not state.project:
        return {}, 0
    return registry.settings_of(remote, state), registry.count_unsynced(project.repository, remote, state)
