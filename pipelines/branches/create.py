"""`labeltrail branch`: a label experiment, with a place in the bucket and a Label Studio project of its own.

The new project begins with the tasks, annotations and settings of a commit. Nothing of the branch that it comes from
is touched. Cut off, the same command goes on where it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipelines.branches import populate, registry
from pipelines.sync.locks import exclusive
from storage.errors import ConflictError, InputError
from storage.label_studio import label_config
from storage.labels.label_changes import plural
from storage.printable import argument
from storage.project import Project
from storage.repo.git import Git


@dataclass(frozen=True)
class BranchResult:
    """What a branch begins with.

    Attributes:
        branch: its name.
        commit: the commit that it begins at.
        tasks, annotations: how many its project in Label Studio has.
        url: that project.
        left: annotations of the branch that is checked out that no sync has brought in yet: they are not on it.
        strangers: annotators whom Label Studio does not know.
        missing: annotations that Label Studio did not take yet.
    """

    branch: str
    commit: str
    tasks: int
    annotations: int
    url: str
    left: int
    strangers: tuple[str, ...]
    missing: int

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        held = f"{plural(self.tasks, 'task')}, {plural(self.annotations, 'annotation')}"
        text = [f"branch {self.branch} at {self.commit[:12]}: {held}", f"label it in {self.url}"]
        if self.left:
            text.append(
                f"warning: {plural(self.left, 'annotation')} of the branch that is checked out not synced yet, "
                "so not on the new one"
            )
        if self.strangers:
            text.append(
                f"warning: Label Studio does not know {', '.join(self.strangers)}; "
                "there the annotations are the token owner's, in the label commits they stay theirs"
            )
        if self.missing:
            text.append(
                f"warning: Label Studio lacks {plural(self.missing, 'annotation')}; the first sync sends them"
            )
        return text


@exclusive
def branch(project: Project, name: str, start: str = "") -> BranchResult:
    """Make a branch at the commit that is checked out, or at another one.

    Args:
        project: the clone; what is checked out in it stays.
        name: of the branch; a git branch of that name without a project is given one.
        start: where it begins.

    Raises:
        InputError: the name is none, or no branch is checked out, or `start` is no label commit's.
        ConflictError: there is such a branch already.
    """
    repository = project.repository
    here = repository.git.branch()
    registry.check_name(repository.git, name)
    commit = _commit(repository.git, name, start)
    held = populate.content(repository, commit)
    remote = registry.remote_of(project, name, held.config)
    state = remote.state()
    if state is not None and state.project:
        where = f"{project.studio.session.url}/projects/{state.project}"
        known = name in registry.names(repository.git)
        cure = (
            f"labeltrail switch {argument(name)}"
            if known
            else f"git fetch; labeltrail switch {argument(name)}"
        )
        raise ConflictError(f"branch {name!r} is there already", where=where, cure=cure)
    if state is None and any(project.bucket.objects(remote.annotations_prefix)):
        raise ConflictError(
            f"the bucket holds annotations of a branch {name!r} that nothing names",
            where=project.bucket.url(remote.annotations_prefix),
            cure=f"labeltrail drop {argument(name)}, or choose another name",
        )
    like, left = _parent(project, here)
    if name not in registry.names(repository.git):
        repository.git.run("branch", "--no-track", name, commit)
    state, filled = registry.provision(project, remote, held, f"{project.root.name} {remote.prefix}", like)
    return BranchResult(
        branch=name,
        commit=commit,
        tasks=len(held.tasks),
        annotations=filled.annotations,
        url=f"{project.studio.session.url}/projects/{state.project}/data",
        left=left,
        strangers=filled.strangers,
        missing=len(filled.missing),
    )


def _commit(git: Git, name: str, start: str) -> str:
    """Where the branch begins: that of the git branch, where there is one."""
    existing = registry.names(git).get(name)
    wanted = git.resolve(start) if start else existing or git.head()
    if existing and wanted != existing:
        why = f"it stands at {existing[:12]}, not at {wanted[:12]}"
        cure = f"labeltrail branch {argument(name)} (without --from), or another name"
        raise InputError(f"there is a git branch {name!r} already", why=why, cure=cure)
    return wanted


def _parent(project: Project, here: str) -> tuple[dict[str, object], int]:
    """Settings to take over from the branch that is checked out, and how much of it no sync has seen."""
    config = (project.root / label_config.PATH).read_text(encoding="utf-8")
    remote = registry.remote_of(project, here, config)
    state = remote.state()
    if state is None or not state.project:
        return {}, 0
    return registry.settings_of(remote), registry.unsynced(project, remote, state)
