"""`labeltrail restore`: restore bucket and Label Studio from a label commit.

For a clone whose Label Studio is lost, or whose bucket is empty but for the DVC remote. Labels that only the bucket
still has become a label commit first. Interrupted, the same command resumes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial

from pipelines.best_model import PREDICTIONS, publish
from pipelines.branches import populate, registry
from pipelines.branches.provision import provision
from pipelines.result import Result
from pipelines.sync import apply, merge_base
from pipelines.sync.apply import PATHS, Move
from pipelines.sync.locks import exclusive
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage import worktree
from storage.errors import InputError, NotFoundError
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.labels import conflicts, label_changes, label_store, snapshot
from storage.labels.label_changes import plural
from storage.labels.three_way import OPEN, Settlement
from storage.paths import BEST, LABELS, LOCK, SERIES
from storage.printable import argument, shortened
from storage.project import Project
from storage.project_files import splits_file
from storage.remote.remote import Remote
from storage.remote.sync_state import DamagedStateError, State
from storage.repo import dvc_lock, git_hooks
from storage.repo.git import Git, prefix_of
from storage.repo.repository import Repository
from storage.s3.mirror import Mirror


@dataclass(frozen=True)
class RestoreResult(Result):
    """What was restored.

    Attributes:
        url: the project in Label Studio.
        commit: the label commit whose labels it has.
        kept: subject of the commit of labels that were not committed before; "" where there were none.
        salvaged: the label commit of labels that only the bucket had; "" where there were none.
        anew: whether the project had to be created.
        tasks, annotations: how many were created in it.
        strangers: annotators without an account in this Label Studio.
        aside: keys of objects in no label commit that were set aside.
        published: whether it shows the best model's predictions again.
        lacks: outputs of stages that neither the DVC cache nor its remote has.
    """

    url: str
    commit: str
    kept: str
    salvaged: str
    anew: bool
    tasks: int
    annotations: int
    strangers: tuple[str, ...]
    aside: tuple[str, ...]
    published: bool
    lacks: tuple[str, ...]
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        text = [f"warning: {warning}" for warning in self.warnings]
        if self.kept:
            text.append(f"not committed before, so first committed by itself: {self.kept}")
        if self.salvaged:
            text.append(f"label commit {self.salvaged[:12]} has what only the bucket had")
        counts = f"{plural(self.tasks, 'task')}, {plural(self.annotations, 'annotation')}"
        text.append(f"restored: {counts}" if self.anew else "the project exists: nothing had to be created")
        if self.strangers:
            text.append(populate.describe_strangers(self.strangers))
        if self.aside:
            text.append(f"set aside, because it is in no label commit or no task: {', '.join(self.aside)}")
        if self.published:
            text.append("the best model's predictions are in Label Studio")
        if self.lacks:
            missing = ", ".join(self.lacks)
            text.append(f"neither DVC's cache nor its remote has {missing}: dvc repro makes them again")
        return [*text, f"label in {self.url}"]


@exclusive
def restore(project: Project, revision: str = "", settlement: Settlement = OPEN) -> RestoreResult:
    """Restore recordings, tasks, annotations and predictions.

    Args:
        project: the clone; its current branch is restored.
        revision: whose labels; HEAD's if left out. Another one's become a new label commit first.
        settlement: how conflicts between the commit and labels that only the bucket has are settled.

    Raises:
        NotFoundError: there is no such revision, or it has no labels, or DVC lacks them.
        InputError: files of the project are missing; or `revision` is another one and nothing is lost.
        ConflictError: the commit and what only the bucket has differ in the same regions; nothing was written.
    """
    repository = project.repository
    branch = repository.git.branch()
    project.configure_remote()
    kept = _commit_uncommitted(repository)
    if not revision and not (project.root / label_config.PATH).exists():
        _sync_into_empty_history(project, branch)
    commit = repository.git.resolve(revision or "HEAD")
    content = populate.read_content(repository, commit)
    remote = registry.remote_of(project, branch, content.config)
    state = _state(remote)
    filled, salvaged = None, ""
    if not _exists(remote, state):
        git_hooks.install(repository.git)
        worktree.restore(repository, project.mirror)
        worktree.mark_current(repository, project.mirror)
        salvaged = _salvage(repository, remote, state, settlement)
        if revision:
            _go_back(repository, project.mirror, commit)
        content = populate.read_content(repository, repository.git.head())
        state, filled = provision(project, remote, content, {})
    elif not _is_same(repository.git, commit):
        raise InputError("nothing is lost", where=branch, cure=f"labeltrail rollback {argument(revision)}")
    synced = sync(Project(project.root), Options(yes=True))
    published, lacks = _publish(repository)
    return RestoreResult(
        url=project.studio.projects.url(state.project if state else 0),
        commit=repository.git.head(),
        kept=kept,
        salvaged=salvaged,
        anew=filled is not None,
        tasks=len(content.tasks),
        annotations=filled.annotations if filled else 0,
        strangers=filled.strangers if filled else (),
        aside=filled.aside if filled else (),
        published=published,
        lacks=tuple(lacks),
        warnings=tuple(synced.warnings),
    )


def _commit_uncommitted(repository: Repository) -> str:
    """Commit what is in no commit yet, such as an interrupted restore leaves; returns the subject."""
    dirty = repository.git.changed(PATHS)
    worktree.check_not_missing(repository.git, dirty)
    subject = apply.commit(repository, dirty, merge_base.pointers(repository))[1]
    if subject:
        repository.push()
    return subject


def _sync_into_empty_history(project: Project, branch: str) -> None:
    """The reverse case: bucket and Label Studio have the labels, and git's history is empty."""
    remote = project.remote_at(prefix_of(branch))
    state = remote.state()
    if state is not None and state.project:
        config = str(remote.project(state)["label_config"])
        label_config.parse(config, "the project's settings in Label Studio")
        write_bytes(project.root / label_config.PATH, config.encode(), durable=True)
        sync(Project(project.root))


def _state(remote: Remote) -> State | None:
    """`sync.json`; a damaged one is replaced by that of a project that is being created."""
    try:
        return remote.state()
    except DamagedStateError as error:
        return remote.write_state(State(0, etag=error.etag))


def _exists(remote: Remote, state: State | None) -> bool:
    """Whether Label Studio has the project that `sync.json` names."""
    if state is None or not state.project:
        return False
    try:
        remote.project(state)
    except NotFoundError:
        return False
    return True


# -- labels ---------------------------------------------------------------------------------------


def _salvage(repository: Repository, remote: Remote, state: State | None, settlement: Settlement) -> str:
    """Make a label commit of labels that only the bucket has; returns it, "" where there are none.

    What the bucket lacks does not count as deleted: it may have been lost with Label Studio.
    """
    if state is not None and not state.project:
        return ""  # the interrupted run has done this, and has written what the bucket has now
    ours = repository.pointer(LABELS)
    base = state.labels if state is not None and state.labels else ours
    was = {record["id"]: record for record in label_store.records(repository, base)}
    found = registry.remote_records(remote, was, state)
    theirs = repository.cache.store(snapshot.dump((was | found).values()))
    config = label_store.config_at(repository.git)
    merged = label_store.merge(repository, base, ours, theirs, settlement, config)
    conflicts.check_settled(merged.conflicts, "labeltrail restore", "the bucket")
    if not merged.shards:
        return ""
    after = label_store.store(repository, ours, {name: text for name, (_, text) in merged.shards.items()})
    counts = label_changes.count(merged.incoming(), config=config)
    commit, _ = apply.move(repository, Move(after, label_changes.message(counts, Counter(), ())))
    repository.checkout(LABELS, force=True)
    worktree.mark_current(repository, remote.mirror)
    repository.push(remote.bucket)
    return commit


def _is_same(git: Git, commit: str) -> bool:
    """Whether the commit that is checked out has the labels and recordings of another one."""
    head = git.head()
    return all(git.show(commit, f"{path}.dvc") == git.show(head, f"{path}.dvc") for path in (LABELS, SERIES))


def _go_back(repository: Repository, mirror: Mirror, commit: str) -> None:
    """Make a label commit of another commit's labels, recordings, tasks, splits and model."""
    if _is_same(repository.git, commit):
        return
    texts = {path: repository.git.show(commit, path) for path in (*PATHS, LOCK)}
    texts[str(splits_file.PATH)] = splits_file.at(partial(repository.git.show, commit))
    files = {path: text.encode() for path, text in texts.items() if text}
    subject = repository.git.run("show", "--no-patch", "--format=%s", commit).strip()
    message = f"labels: back to {commit[:12]} ({shortened(subject)})"
    apply.move(repository, Move("", message, files))
    repository.checkout(LABELS, SERIES, force=True)
    worktree.mark_current(repository, mirror)


# -- predictions ----------------------------------------------------------------------------------


def _publish(repository: Repository) -> tuple[bool, list[str]]:
    """Publish the predictions of `dvc.lock` again; returns whether it could, and which outputs are lost."""
    outputs = dvc_lock.Lock.read(repository.root).outputs()
    if not outputs:
        return False, []
    lacks = repository.checkout_outputs(outputs)
    if PREDICTIONS not in outputs or {BEST.as_posix(), PREDICTIONS} & set(lacks):
        return False, lacks
    # The stage is run by itself: `dvc repro` would skip it, for its receipt is that of the lost project.
    publish(repository.root)
    return True, lacks
