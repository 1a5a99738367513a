"""Apply a plan: to the work tree, a label commit, bucket and Label Studio.

The order of writing makes it safe to kill at any point: files, DVC cache, git commit, DVC remote, Label Studio, and
`sync.json` last; the next sync has the same result.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pipelines.sync import (
    fetch,
    locks,
    merge_base,
    push_labels,
    recordings,
    unknown_labels,
)
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
    "macOS and Windows do not tell these names apart, so a clone there can hold only one of the recordings"
)


@dataclass(frozen=True)
class Move:
    """A label commit that a rollback or restore makes before it syncs.

    Attributes:
        labels: hash of its label snapshot; "" where `files` has the pointer.
        message: the commit's.
        files: bytes to write, by path.
    """

    labels: str
    message: str
    files: Mapping[str, bytes] = field(default_factory=dict)


def move(project: Project, to: Move) -> tuple[str, str]:
    """Make the label commit; returns it and its subject, "" and "" where nothing changed."""
    repository, pointer = project.repository, f"{LABELS}.dvc"
    for path, data in to.files.items():
        write_bytes(project.root / path, data, durable=True)
    if to.labels:
        repository.write_pointer(LABELS, to.labels)
    changed = repository.git.changed((pointer, *to.files))
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
        theirs: what bucket and Label Studio held when the plan was made.
        base: hashes of labels and recordings of the base.
        options: which sides are written.

    Raises:
        OvertakenError: somebody else synced, or labeled, since `theirs` was fetched.
    """
    repository, state = project.repository, theirs.state
    warnings: list[str] = []
    if options.push and plan.config and not plan.config.there:
        # First: Label Studio may refuse it, and then nothing else has changed.
        project.studio.projects.update(state.project, label_config=plan.config.text)
    project.remote.annotations.write(theirs.compared.missed)
    if options.pull:
        warnings, base = _write_work_tree(project, state, base, plan)
    hashes = (repository.pointer(LABELS), repository.pointer(SERIES))
    paths = changed(repository.git)
    warnings += _unknown_labels(repository, plan, hashes[0])
    made, subject = commit(project, paths, hashes)
    if options.remote:
        repository.push()
    ids = plan.labels.ids
    if options.push:
        state, ids = _write_remote(project, plan, theirs)
    if options.pull:
        project.remote.annotations.delete(theirs.compared.deleted)
    new = _agreed(repository, state, hashes, plan, options, ids)
    if new != state:
        new = locks.write_state(project, new)
    worktree.mark_current(project, folders(theirs))
    if _is_one_way(plan, options):
        labels_ = (
            merge_base.after_push(repository, base[0], plan.labels.outgoing) if options.push else base[0]
        )
        merge_base.note(project.remote, new, hashes[0], (labels_, base[1]))
    else:
        merge_base.forget(project.remote)
        fetch.remember(project.remote, new, theirs.series, plan.labels.rewritten(ids))
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


def _write_remote(project: Project, plan: SyncPlan, theirs: RemoteState) -> tuple[State, dict[str, str]]:
    """Write to bucket and Label Studio; returns the new `sync.json` and the ids of re-created annotations."""
    state, labels, annotations = theirs.state, plan.labels, project.remote.annotations
    ids = labels.ids
    if plan.series:
        recordings.upload(project.root, project.remote, plan.series)
    if labels.outgoing:
        with locks.lease(project, state) as lease:
            ids = push_labels.push(
                project.studio,
                state.project,
                labels.outgoing,
                labels.numbers,
                ids,
                lease.heartbeat,
                annotations.is_unchanged,
            )
            state = lease.state
        deleted = [labels.numbers[change.name] for change in labels.outgoing if change.after is None]
        annotations.delete(map(annotations.key, deleted))
    annotations.delete(labels.outlived(annotations, ids))
    return state, ids


def _write_work_tree(
    project: Project, state: State, base: merge_base.Base, plan: SyncPlan
) -> tuple[list[str], merge_base.Base]:
    """Write what came in: shards, recordings, label config, and the tasks and splits that follow.

    Shards go into the DVC cache before the work tree, so that what a killed run leaves there can be told from a
    person's files.

    Returns:
        Warnings, and the base of the next sync should this one be interrupted.
    """
    repository, merged = project.repository, plan.labels
    if plan.config and not plan.config.here:
        write_bytes(project.root / label_config.PATH, plan.config.text.encode(), durable=True)
    if plan.series:
        recordings.download(project.root, repository, project.remote, plan.series)
    shards = {name: after for name, (_, after) in merged.shards.items()}
    before = repository.pointer(LABELS)
    ours = label_store.store(repository, before, shards)
    base = (merge_base.after_pull(repository, before, merged) if merged.outgoing else ours, base[1])
    merge_base.note(project.remote, state, ours, base)
    snapshot.write(project.root / LABELS, shards)
    warnings = _write_splits(project, plan.series, merged.labeled)
    if shards or not before:
        repository.write_pointer(LABELS, ours)
    if plan.series and (plan.series.incoming or not repository.pointer(SERIES)):
        repository.add(SERIES)
        warnings += [f"{', '.join(names)}: {ONE_NAME}" for names in keys.case_collisions(plan.series.merged)]
    if plan.series and not plan.series.outgoing:
        base = (base[0], repository.pointer(SERIES))
        merge_base.note(project.remote, state, ours, base)
    return warnings, base


def _unknown_labels(repository: Repository, plan: SyncPlan, hash_: str) -> list[str]:
    """Warnings of labels that the label config lacks: of all labels where it changed, else of the incoming ones."""
    config = label_store.config_at(repository.git)
    if config is None:
        return []
    if plan.config and not plan.config.settled:
        return unknown_labels.warnings(label_store.records(repository, hash_), config)
    came = (change.after for change in plan.labels.incoming() if change.after is not None)
    return unknown_labels.warnings(came, config)


def _agreed(
    repository: Repository,
    state: State,
    hashes: tuple[str, str],
    plan: SyncPlan,
    options: Options,
    ids: dict[str, str],
) -> State:
    """The new `sync.json`; the base stays the same where one side still lacks changes."""
    new = replace(state, ids=ids, pushing="")
    if _is_one_way(plan, options):
        return new
    commit = next((found.commit for found in repository.git.synced_commits()), "")
    new = new.after(*hashes, commit)
    if plan.config and (plan.config.settled or (options.pull and options.push)):
        new = replace(new, label_config=plan.config.md5)
    return new


def _is_one_way(plan: SyncPlan, options: Options) -> bool:
    """Whether one side still lacks changes, because this sync goes one way only."""
    return (plan.incoming and not options.pull) or (plan.outgoing and not options.push)


def _write_splits(project: Project, series: Merge[str] | None, labeled: Iterable[str]) -> list[str]:
    """Bring `data/tasks.jsonl` and `data/splits.csv` up to date; returns warnings."""
    rows = splits_file.read(project.root / splits_file.PATH)
    if series is None and all(rows[key].split != splits.UNASSIGNED for key in labeled if key in rows):
        return []
    known = tasks_file.read(project.root / tasks_file.PATH)
    merged = known
    if series is not None:
        held = fetch.task_data(project.remote)
        # The work tree's task data wins: Label Studio never reads a task's object twice.
        merged = {key: known.get(key, held.get(key, {})) for key in series.merged}
        tasks_file.write(merged, project.root / tasks_file.PATH)
    rules = parameters.load(project.root / parameters.PATH).splits
    groups = {key: group_of(data.get(rules.group)) or key for key, data in merged.items()}
    existing = {key: row.split for key, row in rows.items()}
    found = set(labeled)
    assigned = splits.assign(existing, groups, found & merged.keys(), rules.shares.model_dump(), rules.seed)
    splits_file.write(
        {key: splits_file.Row(groups[key], name) for key, name in assigned.items()},
        project.root / splits_file.PATH,
    )
    warnings = []
    lost = sorted(found - merged.keys())
    if lost:
        warnings.append(f"annotations on {len(lost)} series that the bucket does not have: {_some(lost)}")
    long = sorted(key for key, data in merged.items() if len(str(data.get(rules.group, ""))) > LONGEST_NAME)
    if long:
        what = f"have a {rules.group} of more than {LONGEST_NAME:,} characters, which is ignored"
        warnings.append(f"tasks of {len(long)} series {what}: {_some(long)}")
    return warnings


def _some(names: list[str]) -> str:
    return ", ".join(map(shortened, names[:SHOWN]))


def group_of(value: object) -> str:
    """The group of a series from its task data, as one line; "" where it is no text or number, or too long."""
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return printable(text) if len(text) <= LONGEST_NAME else ""


def commit(project: Project, changed: list[str], hashes: tuple[str, str]) -> tuple[str, str]:
    """Make the label commit; returns it and its subject, both "" where nothing changed.

    The message counts changes against the last commit, also when an interrupted sync wrote the files.
    """
    if not changed:
        return "", ""
    repository = project.repository
    head = [
        parse_pointer(text)
        for text in repository.git.contents(f"HEAD:{path}.dvc" for path in (LABELS, SERIES))
    ]
    found = label_store.changes(repository, head[0], hashes[0])
    changes = label_changes.count(found, config=label_store.config_at(repository.git))
    before, after = (recordings.by_series(repository.folder(md5, SERIES)) for md5 in (head[1], hashes[1]))
    text = label_changes.message(
        changes, label_changes.signs(changes_between(before, after, operator.eq)), changed
    )
    made = repository.git.commit(changed, text)
    return made, text.splitlines()[0] if made else ""
