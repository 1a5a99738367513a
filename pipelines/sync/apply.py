"""Apply a plan: to the work tree, a label commit, bucket and Label Studio.

The order of writing makes it safe to kill at any point: files, DVC cache, git commit, DVC remote, Label Studio, and
`sync.json` last; the next sync has the same result.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipelines.sync import fetch, locks, merge_base, push_labels, recordings, unknown_labels
from pipelines.sync.plan import SyncPlan
from pipelines.sync.remote_state import RemoteState
from pipelines.sync.result import Options, SyncResult
from stages import params as parameters
from stages.timeseries import splits
from storage import worktree
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.labels import label_changes, label_store, snapshot
from storage.labels.snapshot import LONGEST_NAME
from storage.labels.three_way import Merge, changes_between
from storage.paths import LABELS, SERIES
from storage.printable import printable, shortened
from storage.project import Project
from storage.project_files import splits_file, tasks_file
from storage.remote.remote import Remote
from storage.remote.sync_state import State
from storage.repo import dvc_stages
from storage.repo.git import Git
from storage.repo.pointer import parse_pointer
from storage.repo.repository import Repository
from storage.s3 import keys

PATHS = (
    "data/.gitignore",
    f"{LABELS}.dvc",
    f"{SERIES}.dvc",
    str(tasks_file.PATH),
    str(splits_file.PATH),
    str(label_config.PATH),
)

SHOWN = 5  # series that a warning names
ONE_NAME = (
    "macOS and Windows treat these names as equal, so a clone there can have only one of the recordings"
)


@dataclass(frozen=True)
class Move:
    """The label commit of a rollback or restore, made before the sync.

    Attributes:
        labels: hash of its label snapshot; "" where `files` has the pointer.
        message: the commit's.
        files: bytes to write, by path.
    """

    labels: str
    message: str
    files: Mapping[str, bytes] = field(default_factory=dict)


def move(repository: Repository, to: Move) -> tuple[str, str]:
    """Make the label commit; returns it and its subject, "" and "" where nothing changed."""
    for path, data in to.files.items():
        write_bytes(repository.root / path, data, durable=True)
    if to.labels:
        repository.write_pointer(LABELS, to.labels)
    changed = repository.git.changed((f"{LABELS}.dvc", *to.files))
    if not changed:
        return "", ""
    return repository.git.commit(changed, to.message), to.message.splitlines()[0]


def apply(
    project: Project, plan: SyncPlan, theirs: RemoteState, base: merge_base.Base, options: Options
) -> SyncResult:
    """Write the plan's changes to both sides.

    Args:
        project: the clone.
        plan: the changes; without conflicts.
        theirs: state of bucket and Label Studio when the plan was made.
        base: hashes of labels and recordings of the base.
        options: which sides are written.

    Raises:
        OvertakenError: somebody else synced, or labeled, since `theirs` was fetched.
    """
    repository, remote, state = project.repository, project.remote, theirs.state
    warnings: list[str] = []
    if options.push and plan.config and not plan.config.there:
        # First: Label Studio may refuse it, and then nothing else has changed.
        remote.studio.projects.update(state.project, label_config=plan.config.text)
    remote.annotations.write(theirs.compared.missed)
    if options.pull:
        warnings, base = _write_work_tree(repository, remote, state, base, plan)
    hashes = merge_base.pointers(repository)
    paths = changed(repository.git)
    warnings += _unknown_labels(repository, plan, hashes[0])
    made, subject = commit(repository, paths, hashes)
    if options.remote:
        repository.push(remote.bucket)
    ids = plan.labels.ids
    if options.push:
        state, ids = _write_remote(repository.root, remote, plan, theirs)
    if options.pull:
        remote.annotations.delete(theirs.compared.deleted)
    new = _new_state(repository, replace(state, ids=ids, pushing=""), hashes, plan, options)
    if new != state:
        new = locks.write_state(remote, new)
    worktree.mark_current(repository, remote.mirror, folders(theirs))
    if _is_one_way(plan, options):
        labels = base[0]
        if options.push:
            labels = merge_base.after_push(repository, labels, plan.labels.outgoing)
        merge_base.note(remote, new, hashes[0], (labels, base[1]))
    else:
        merge_base.forget(remote)
        fetch.remember(remote, new, theirs.series, plan.labels.rewritten(ids))
    return SyncResult(
        commit=made,
        subject=subject,
        labels=hashes[0],
        pushed=len(plan.labels.outgoing) if options.push else 0,
        healed=len(theirs.compared.missed),
        made_again=plan.labels.made_again if options.push else 0,
        taken_over=len(theirs.compared.lost.keys() - set(plan.labels.again.values())),
        returned=theirs.compared.returned,
        aside=theirs.aside,
        warnings=warnings,
        runs=dvc_stages.run_again(repository.root, (path.removesuffix(".dvc") for path in paths)),
    )


def changed(git: Git) -> list[str]:
    """The project's own files that are not as the commit that is checked out has them."""
    return [*git.changed(PATHS), *git.missing([splits_file.EARLIER.as_posix()])]


def folders(theirs: RemoteState) -> tuple[str, ...]:
    """The folders that a sync compares: not the recordings where only named annotations were fetched."""
    return (LABELS,) if theirs.series is None else (LABELS, SERIES)


def _write_remote(
    root: Path, remote: Remote, plan: SyncPlan, theirs: RemoteState
) -> tuple[State, dict[str, str]]:
    """Write to bucket and Label Studio; returns the new `sync.json` and the ids of re-created annotations."""
    state, labels, annotations = theirs.state, plan.labels, remote.annotations
    ids = labels.ids
    if plan.series:
        recordings.upload(root, remote, plan.series)
    if labels.outgoing:
        with locks.lease(remote, state) as lease:
            ids = push_labels.push(remote, state.project, labels, lease.heartbeat)
            state = lease.state
        deleted = [labels.numbers[change.name] for change in labels.outgoing if change.after is None]
        annotations.delete(map(annotations.key, deleted))
    annotations.delete(labels.outlived(annotations, ids))
    return state, ids


def _write_work_tree(
    repository: Repository, remote: Remote, state: State, base: merge_base.Base, plan: SyncPlan
) -> tuple[list[str], merge_base.Base]:
    """Write the incoming changes: label config, recordings, shards of labels, task data and splits.

    Shards are written to the DVC cache before the work tree: a file that is in the cache is not a person's, so what a
    killed run leaves can be overwritten.

    Returns:
        Warnings, and the base of the next sync should this one be interrupted.
    """
    root, merged = repository.root, plan.labels
    if plan.config and not plan.config.here:
        write_bytes(root / label_config.PATH, plan.config.text.encode(), durable=True)
    if plan.series:
        recordings.download(repository, remote, plan.series)
    shards = {name: after for name, (_, after) in merged.shards.items()}
    before = repository.pointer(LABELS)
    ours = label_store.store(repository, before, shards)
    base = (merge_base.after_pull(repository, before, merged) if merged.outgoing else ours, base[1])
    merge_base.note(remote, state, ours, base)
    snapshot.write(root / LABELS, shards)
    warnings = _write_splits(root, remote, plan.series, merged.labeled)
    if shards or not before:
        repository.write_pointer(LABELS, ours)
    if plan.series and (plan.series.incoming or not repository.pointer(SERIES)):
        repository.add(SERIES)
        warnings += [f"{', '.join(names)}: {ONE_NAME}" for names in keys.case_collisions(plan.series.merged)]
    if plan.series and not plan.series.outgoing:
        base = (base[0], repository.pointer(SERIES))
        merge_base.note(remote, state, ours, base)
    return warnings, base


def _unknown_labels(repository: Repository, plan: SyncPlan, labels: str) -> list[str]:
    """Warnings of labels that the label config lacks: of all labels where it changed, else of the incoming ones."""
    config = label_store.config_at(repository.git)
    if config is None:
        return []
    if plan.config and not plan.config.settled:
        return unknown_labels.warnings(label_store.records(repository, labels), config)
    incoming = (change.after for change in plan.labels.incoming() if change.after is not None)
    return unknown_labels.warnings(incoming, config)


def _new_state(
    repository: Repository, state: State, hashes: tuple[str, str], plan: SyncPlan, options: Options
) -> State:
    """The new `sync.json`; the last sync in it stays the same where one side still lacks changes."""
    if _is_one_way(plan, options):
        return state
    commit = next((found.commit for found in repository.git.synced_commits()), "")
    new = state.after(*hashes, commit)
    if plan.config and (plan.config.settled or (options.pull and options.push)):
        new = replace(new, label_config=plan.config.md5)
    return new


def _is_one_way(plan: SyncPlan, options: Options) -> bool:
    """Whether one side still lacks changes, because this sync goes one way only."""
    return (plan.incoming and not options.pull) or (plan.outgoing and not options.push)


def _write_splits(root: Path, remote: Remote, series: Merge[str] | None, labeled: Set[str]) -> list[str]:
    """Update `data/tasks.jsonl` and `data/splits.csv`; returns warnings."""
    rows = splits_file.read(root / splits_file.PATH)
    if series is None and all(rows[key].split != splits.UNASSIGNED for key in labeled if key in rows):
        return []
    task_data = tasks_file.read(root / tasks_file.PATH)
    if series is not None:
        # The work tree's task data wins: Label Studio never reads a task's object twice.
        known = fetch.task_data(remote) | task_data
        task_data = {key: known.get(key, {}) for key in series.merged}
        tasks_file.write(task_data, root / tasks_file.PATH)
    rules = parameters.load(root / parameters.PATH).splits
    groups = {key: group_of(data.get(rules.group)) or key for key, data in task_data.items()}
    existing = {key: row.split for key, row in rows.items()}
    shares = rules.shares.model_dump()
    assigned = splits.assign(existing, groups, labeled & task_data.keys(), shares, rules.seed)
    new_rows = {key: splits_file.Row(groups[key], name) for key, name in assigned.items()}
    splits_file.write(new_rows, root / splits_file.PATH)
    missing = labeled - task_data.keys()
    long = [key for key, data in task_data.items() if len(str(data.get(rules.group, ""))) > LONGEST_NAME]
    ignored = f"a {rules.group} of more than {LONGEST_NAME:,} characters, which is ignored"
    return [
        f"{what}: {', '.join(map(shortened, sorted(keys)[:SHOWN]))}"
        for what, keys in (
            (f"annotations on {len(missing)} series that the bucket does not have", missing),
            (f"tasks of {len(long)} series have {ignored}", long),
        )
        if keys
    ]


def group_of(value: object) -> str:
    """The group of a series from its task data, as one line; "" where it is no text or number, or too long."""
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return printable(text) if len(text) <= LONGEST_NAME else ""


def commit(repository: Repository, changed: list[str], hashes: tuple[str, str]) -> tuple[str, str]:
    """Make the label commit; returns it and its subject, both "" where nothing changed.

    The message counts changes against the last commit, also when an interrupted sync wrote the files.
    """
    if not changed:
        return "", ""
    pointers = repository.git.contents(f"HEAD:{path}.dvc" for path in (LABELS, SERIES))
    head = [parse_pointer(text) for text in pointers]
    found = label_store.changes(repository, head[0], hashes[0])
    counts = label_changes.count(found, config=label_store.config_at(repository.git))
    before, after = (recordings.by_series(repository, md5) for md5 in (head[1], hashes[1]))
    signs = label_changes.signs(changes_between(before, after, operator.eq))
    message = label_changes.message(counts, signs, changed)
    made = repository.git.commit(changed, message)
    return made, message.splitlines()[0] if made else ""
