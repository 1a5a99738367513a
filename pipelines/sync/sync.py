"""`labeltrail sync`: make the labels of bucket, Label Studio and label commit the same.

Three-way: *base* is their common state at the last sync, *theirs* what bucket and Label Studio hold now, *ours* what
`data/labels.dvc` in the work tree names. fetch.py reads theirs, plan.py compares, apply.py writes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipelines.best_model import commit_model
from pipelines.sync import apply, deletions, fetch, locks, merge_base
from pipelines.sync.apply import PATHS
from pipelines.sync.plan import SyncPlan, make_plan
from pipelines.sync.recordings import by_series
from pipelines.sync.remote_state import RemoteState, Side
from pipelines.sync.result import ALL, Options, SyncResult
from pipelines.sync.shared_label_config import are_same
from storage import worktree
from storage.errors import NotFoundError
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.labels import conflicts, label_changes, label_store
from storage.labels.conflicts import OvertakenError
from storage.paths import LABELS
from storage.printable import argument
from storage.project import Project
from storage.project_files import splits_file
from storage.remote.sync_state import State
from storage.repo.repository import Repository
from storage.s3.mirror import Mirror

ATTEMPTS = 5  # when somebody else syncs or labels at the same moment


def sync(project: Project, options: Options = ALL) -> SyncResult:
    """Write what theirs changed into a new label commit, and what ours changed into bucket and Label Studio.

    Raises:
        NotFoundError: this branch has no project in Label Studio yet.
        ConflictError: both sides changed the same region, or the label config, or the deletions need `yes`; nothing
            was written.
        InputError: a file of the project is gone from the work tree.
        ServiceError: bucket or Label Studio cannot be reached.
    """
    options.check()
    project = project.dry() if options.dry_run else project
    with locks.clone_lock(project):
        worktree.check_not_merging(project.repository.git)
        worktree.check_not_missing(project.repository.git, PATHS)
        if not options.dry_run:
            splits_file.migrate(project.root)
        result = _sync_with_retry(project, options)
        if result.taken_over and options.push and not options.dry_run:
            # What Label Studio had lost is in a label commit now: the second sync creates it there again.
            result = result.followed_by(_sync_with_retry(project, options))
        return result


def _sync_with_retry(project: Project, options: Options) -> SyncResult:
    """Sync, and retry where somebody else synced in the meantime."""
    for _ in range(ATTEMPTS - 1):
        try:
            return _sync_once(project, _state(project), options)
        except OvertakenError:
            continue
    return _sync_once(project, _state(project), options)


def _state(project: Project) -> State:
    """`sync.json`; NotFoundError where the branch has no project."""
    state = locks.wait_for_lease(project.remote)
    if state is None or not state.project:
        where = project.bucket.url(project.remote.state_key)
        branch = project.repository.git.branch()
        raise NotFoundError(
            f"branch {branch!r} has no Label Studio project yet",
            why=f"there is no {where}"
            if state is None
            else f"{where} names none: creating it was interrupted",
            cure="labeltrail import PATH" if state is None else f"labeltrail branch {argument(branch)}",
        )
    return state


def _sync_once(project: Project, state: State, options: Options) -> SyncResult:
    repository, remote = project.repository, project.remote
    theirs = fetch.fetch(repository, remote, state, options.annotations, write=not options.dry_run)
    if not options.dry_run:
        commit_model(repository)
    if _is_up_to_date(repository, remote.mirror, theirs) and not apply.changed(repository.git):
        if not options.dry_run:
            merge_base.forget(remote)
            fetch.remember(remote, state, theirs.series, {})
        return SyncResult(labels=repository.pointer(LABELS), aside=theirs.aside)
    hashes = merge_base.find(repository, remote, state, known=theirs.known)
    base = _side(repository, hashes, config=None)
    ours = _side(repository, merge_base.pointers(repository), _config_text(repository.root))
    theirs = fetch.read_recordings(remote, theirs, base, ours)
    plan = make_plan(base, ours, theirs, options.settlement)
    planned = deletions.planned(plan, theirs)
    if options.dry_run:
        preview = _preview(plan, theirs, label_store.config_at(repository.git))
        return replace(
            preview, deletions=planned, asks=deletions.reason_to_ask(repository, state, planned)[0]
        )
    conflicts.check_settled(plan.conflicts)
    if not options.yes:
        deletions.check(repository, state, planned)
    worktree.restore(repository, remote.mirror, apply.folders(theirs))
    return replace(apply.apply(project, plan, theirs, hashes, options), deletions=planned)


def _is_up_to_date(repository: Repository, mirror: Mirror, theirs: RemoteState) -> bool:
    """Whether nothing has changed anywhere since the last sync."""
    state = theirs.state
    return (
        theirs.unchanged
        and (theirs.config is None or are_same(_config_text(repository.root), theirs.config))
        and merge_base.pointers(repository) == (state.labels, state.series)
        and not state.pushing
        and worktree.is_current(repository, mirror, apply.folders(theirs))
    )


def _config_text(root: Path) -> str:
    return (root / label_config.PATH).read_text(encoding="utf-8")


def _side(repository: Repository, hashes: merge_base.Base, config: str | None) -> Side:
    labels, series = hashes
    return Side(label_store.shards_of(repository, labels), by_series(repository, series), config)


def _preview(plan: SyncPlan, theirs: RemoteState, config: LabelConfig | None) -> SyncResult:
    """The result of a dry run."""
    changes = label_changes.count(plan.labels.incoming(), config=config)
    series = label_changes.signs(plan.series.incoming if plan.series else ())
    others = [str(label_config.PATH)] if plan.config and not plan.config.here else []
    subject = ""
    if changes.annotations or series or others:
        subject = label_changes.message(changes, series, others).splitlines()[0]
    return SyncResult(
        subject=subject,
        pushed=len(plan.labels.outgoing),
        healed=len(theirs.compared.missed),
        made_again=plan.labels.made_again,
        returned=theirs.compared.returned,
        aside=theirs.aside,
        conflicts=plan.conflicts,
        dry=True,
    )
