"""`labeltrail restore`: bucket and Label Studio anew from a label commit.

For a clone whose Label Studio is gone, or whose bucket is empty but for the DVC remote. What only the bucket still
has of the labels becomes a label commit first. Cut off, the same command goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.best_model import publish
from pipelines.branches import populate, registry
from pipelines.sync import apply
from pipelines.sync.apply import PATHS, Move
from pipelines.sync.locks import exclusive
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage import worktree
from storage.artifacts import predictions
from storage.errors import InputError, NotFoundError
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.labels import conflicts, label_changes, label_store, snapshot
from storage.labels.label_changes import plural
from storage.labels.three_way import OPEN, Settlement
from storage.paths import BEST, LABELS, LOCK, SERIES
from storage.printable import argument, shortened
from storage.project import Project
from storage.remote.remote import Remote
from storage.remote.sync_state import DamagedStateError, State
from storage.repo import dvc_lock
from storage.repo.git import prefix_of

PREDICTIONS = predictions.PATH.as_posix()


@dataclass(frozen=True)
class RestoreResult:
    """What was brought back.

    Attributes:
        url: the project in Label Studio.
        commit: the label commit whose labels it holds.
        kept: subject of the commit with what was in none here before; "" where that was nothing.
        salvaged: the label commit with what only the bucket had; "" where that was nothing.
        anew: whether the project had to be made.
        tasks, annotations: how many it was filled with.
        strangers: annotators whom this Label Studio does not know.
        aside: keys of objects in no label commit that were moved out of the new project's way.
        published: whether it shows the best model's predictions again.
        lacks: outputs of stages that neither the DVC cache nor its remote has.
        warnings: what else a person should know.
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

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        text = [f"warning: {warning}" for warning in self.warnings]
        if self.kept:
            text.append(f"in no commit before, so first one of its own: {self.kept}")
        if self.salvaged:
            text.append(f"label commit {self.salvaged[:12]} holds what only the bucket had")
        held = f"{plural(self.tasks, 'task')}, {plural(self.annotations, 'annotation')}"
        text.append(f"brought back: {held}" if self.anew else "the project is there: nothing had to be made")
        if self.strangers:
            text.append(
                f"Label Studio does not know {', '.join(self.strangers)}: there the annotations are the token "
                "owner's, in the label commits they stay theirs"
            )
        if self.aside:
            text.append(f"set aside, being in no label commit, or no task: {', '.join(self.aside)}")
        if self.published:
            text.append("the best model's predictions are in Label Studio")
        if self.lacks:
            text.append(
                f"neither DVC's cache nor its remote has {', '.join(self.lacks)}: dvc repro makes them"
            )
        return [*text, f"label in {self.url}"]


@exclusive
def restore(project: Project, revision: str = "", settlement: Settlement = OPEN) -> RestoreResult:
    """Bring back recordings, tasks, annotations and predictions.

    Args:
        project: the clone; its checked-out branch is restored.
        revision: whose labels; HEAD's if left out. Another one's become a new label commit first.
        settlement: how conflicts between the commit and labels that only the bucket has are settled.

    Raises:
        NotFoundError: there is no such revision, or it holds no labels, or DVC lacks them.
        InputError: files of the project are gone; or `revision` is another one and nothing is lost.
        ConflictError: the commit and what only the bucket has differ in the same regions; nothing was written.
    """
    repository = project.repository
    branch = repository.git.branch()
    project.wire()
    kept = _keep(project)
    if not revision and not (project.root / label_config.PATH).exists():
        _begin(project, branch)
    commit = repository.git.resolve(revision or "HEAD")
    held = populate.content(repository, commit)
    remote = registry.remote_of(project, branch, held.config)
    state = _state(remote)
    filled, salvaged = None, ""
    if not _lives(remote, state):
        worktree.follow_git(project)
        worktree.restore(project)
        worktree.remember(project)
        salvaged = _salvage(project, remote, state, settlement)
        if revision:
            _go_back(project, commit)
        held = populate.content(repository, repository.git.head())
        state, filled = registry.provision(project, remote, held, f"{project.root.name} {remote.prefix}", {})
    elif not _holds(project, commit):
        raise InputError("nothing is lost", where=branch, cure=f"labeltrail rollback {argument(revision)}")
    synced = sync(Project(project.root), Options(yes=True))
    published, lacks = _predictions(project)
    return RestoreResult(
        url=f"{project.studio.session.url}/projects/{state.project if state else 0}/data",
        commit=repository.git.head(),
        kept=kept,
        salvaged=salvaged,
        anew=filled is not None,
        tasks=len(held.tasks),
        annotations=filled.annotations if filled else 0,
        strangers=filled.strangers if filled else (),
        aside=filled.aside if filled else (),
        published=published,
        lacks=tuple(lacks),
        warnings=tuple(synced.warnings),
    )


def _keep(project: Project) -> str:
    """Give what is in no commit one of its own, as a restore that was cut off leaves it; returns its subject."""
    repository = project.repository
    dirty = repository.git.changed(PATHS)
    worktree.refuse_missing(project, dirty)
    hashes = (repository.pointer(LABELS), repository.pointer(SERIES))
    subject = apply.commit(project, dirty, hashes)[1]
    if subject:
        repository.push()
    return subject


def _begin(project: Project, branch: str) -> None:
    """The other way round: bucket and Label Studio are there, and git's history is empty."""
    remote = Remote(project.bucket, project.studio, project.mirror, prefix_of(branch), "")
    state = remote.state()
    if state is not None and state.project:
        config = str(remote.project(state)["label_config"])
        label_config.parse(config, "the project's settings in Label Studio")
        write_bytes(project.root / label_config.PATH, config.encode(), durable=True)
        sync(Project(project.root))


def _state(remote: Remote) -> State | None:
    """`sync.json`; a damaged one is replaced by that of a project that is still being made, as this one will be."""
    try:
        return remote.state()
    except DamagedStateError as error:
        return remote.write_state(State(0, etag=error.etag))


def _lives(remote: Remote, state: State | None) -> bool:
    """Whether Label Studio has the project that `sync.json` names."""
    if state is None or not state.project:
        return False
    try:
        remote.project(state)
    except NotFoundError:
        return False
    return True


# -- labels ---------------------------------------------------------------------------------------


def _salvage(project: Project, remote: Remote, state: State | None, settlement: Settlement) -> str:
    """Make a label commit of what the bucket has and no commit; returns it, "" where there is nothing.

    What the bucket lacks does not count as deleted: it may have gone with Label Studio.
    """
    if state is not None and not state.project:
        return ""  # that was done by the run that was cut off; what is there now is its own
    repository = project.repository
    ours = repository.pointer(LABELS)
    base = state.labels if state is not None and state.labels else ours
    was = {record["id"]: record for record in label_store.records(repository, base)}
    found = registry.remote_records(remote, was, state)
    theirs = repository.cache.store(snapshot.dump((was | found).values()))
    config = label_store.asked(repository.git)
    merged = label_store.merge(repository, base, ours, theirs, settlement, config)
    conflicts.refuse(merged.conflicts, "labeltrail restore", "the bucket")
    if not merged.shards:
        return ""
    after = label_store.store(repository, ours, {name: text for name, (_, text) in merged.shards.items()})
    counts = label_changes.count(merged.incoming(), config=config)
    commit, _ = apply.move(project, Move(after, label_changes.message(counts, Counter(), ())))
    repository.checkout(LABELS, force=True)
    worktree.remember(project)
    repository.push()
    return commit


def _holds(project: Project, commit: str) -> bool:
    """Whether the commit that is checked out has the labels and recordings of another one."""
    show, head = project.repository.git.show, project.repository.git.head()
    return all(show(commit, f"{path}.dvc") == show(head, f"{path}.dvc") for path in (LABELS, SERIES))


def _go_back(project: Project, commit: str) -> None:
    """Make a label commit of another commit's labels, recordings, tasks, sets and model."""
    repository = project.repository
    if _holds(project, commit):
        return
    texts = {path: repository.git.show(commit, path) for path in (*PATHS, LOCK)}
    files = {path: text.encode() for path, text in texts.items() if text is not None}
    subject = repository.git.run("show", "--no-patch", "--format=%s", commit).strip()
    message = f"labels: back to {commit[:12]} ({shortened(subject)})"
    apply.move(project, Move("", message, files))
    repository.checkout(LABELS, SERIES, force=True)
    worktree.remember(project)


# -- predictions ----------------------------------------------------------------------------------


def _predictions(project: Project) -> tuple[bool, list[str]]:
    """Publish the predictions of `dvc.lock` again; returns whether, and which outputs are lost."""
    outputs = dvc_lock.Lock.read(project.root).outputs()
    if not outputs:
        return False, []
    lacks = project.repository.bring(outputs)
    if PREDICTIONS not in outputs or {BEST.as_posix(), PREDICTIONS} & set(lacks):
        return False, lacks
    # By itself, for its receipt says that it was published: to the project that is no more.
    publish(project)
    return True, lacks
