"""`labeltrail sync`: bucket, Label Studio and label commit agree again.

Three-way: *base* is what they agreed on at the last sync, *theirs* what bucket and Label Studio hold now, *ours*
what the work tree's `data/labels.dvc` names. The order of writing makes it safe to kill at any point: files,
DVC cache, git commit, DVC remote, Label Studio, and `sync.json` last; the next sync ends in the same place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipelines.best_model import commit_model
from pipelines.sync import (
    apply,
    deletions,
    fetch,
    locks,
    merge_base,
    push_labels,
    recordings,
    shared_label_config,
    unknown_labels,
)
from pipelines.sync.apply import PATHS, Sides
from pipelines.sync.fetch import Labels, Theirs
from pipelines.sync.result import Synced
from pipelines.sync.shared_label_config import ConfigMerge
from storage import worktree
from storage.errors import InputError, NotFoundError
from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig
from storage.labels import conflicts, label_changes, label_store
from storage.labels.conflicts import OvertakenError
from storage.labels.snapshot import Record
from storage.labels.three_way import OPEN, Conflict, Settlement
from storage.printable import argument
from storage.project import Project
from storage.remote import identity
from storage.remote.sync_state import State
from storage.repo import dvc_stages
from storage.repo.pointer import LABELS, SERIES

ATTEMPTS = 5  # when somebody else syncs or labels at the same moment


@dataclass(frozen=True)
class Options:
    """What a sync is to do.

    Attributes:
        pull: bring what bucket and Label Studio have into a label commit.
        push: bring what the work tree has into bucket and Label Studio.
        dry_run: only look.
        settlement: how conflicts are settled.
        yes: delete labels without asking, where that would be asked about.
        annotations: numbers of the annotations that changed, as a webhook names them: no other is looked at, and
            neither are recordings and label config, unless this clone has to look at all of them. None: all are.
        remote: copy the label commit to the DVC remote.
    """

    pull: bool = True
    push: bool = True
    dry_run: bool = False
    settlement: Settlement = OPEN
    yes: bool = False
    annotations: tuple[int, ...] | None = None
    remote: bool = True

    def check(self) -> None:
        """Refuse what cannot be: a side that is taken has to be written.

        Raises:
            InputError: conflicts are to be settled for a side that is not brought to the other.
        """
        sides = {self.settlement.all, *self.settlement.named.values()}
        for side, flag, other in (("ours", self.push, "--pull"), ("theirs", self.pull, "--push")):
            if side in sides and not flag:
                raise InputError(f"{other} cannot settle for {side}", cure=f"labeltrail sync --{side}")


def sync(project: Project, options: Options = Options()) -> Synced:
    """Bring theirs into a new label commit and ours into bucket and Label Studio.

    Raises:
        NotFoundError: this branch has no project in Label Studio yet.
        ConflictError: both sides changed the same region, or the label config, or it would delete labels and has to
            be told to; nothing was written.
        InputError: a file of the project is gone from the work tree.
        ServiceError: bucket or Label Studio is away.
    """
    options.check()
    project = project.dry() if options.dry_run else project
    with locks.alone(project):
        worktree.refuse_merging(project)
        worktree.refuse_missing(project, PATHS)
        done = _sync(project, options)
        if done.taken_over and options.push and not options.dry_run:
            # What Label Studio had lost is in a label commit now, and can be sent to it again.
            done = done.followed_by(_sync(project, options))
        return done


def _sync(project: Project, options: Options) -> Synced:
    """Sync, and begin again where somebody else was faster."""
    for _ in range(ATTEMPTS - 1):
        try:
            return _sync_once(project, _state(project), options)
        except OvertakenError:
            continue
    return _sync_once(project, _state(project), options)


def _state(project: Project) -> State:
    state = locks.wait(project)
    if state is None or not state.project:
        where = project.bucket.url(project.remote.state_key)
        branch = project.repository.branch()
        raise NotFoundError(
            f"branch {branch!r} has no Label Studio project yet",
            why=f"there is no {where}" if state is None else f"{where} names none: making it was cut off",
            cure="labeltrail import PATH" if state is None else f"labeltrail branch {argument(branch)}",
        )
    return state


def _sync_once(project: Project, state: State, options: Options) -> Synced:
    repository, remote = project.repository, project.remote
    found, config = _look(project, state, options)
    folders = _folders(found)
    ours = (repository.pointer(LABELS), repository.pointer(SERIES))
    settled = found.quiet and (config is None or config.settled) and ours == (state.labels, state.series)
    settled = settled and not state.pushing and worktree.is_current(project, folders)
    if not options.dry_run:
        commit_model(project)
    if settled and not repository.changed(PATHS):
        if not options.dry_run:
            merge_base.forget(project)
            fetch.agree(remote, state, found, {})
        return Synced(labels=ours[0], aside=_aside(found))
    base = merge_base.find(project, state, found)
    merged = fetch.merge(repository, remote, base[0], state, found, options.settlement)
    series = None
    if found.series is not None:
        series = recordings.merge(project, base[1], found.series, options.settlement)
    sides = Sides(merged, series, config)
    options.settlement.refuse_unknown()
    open_ = [*merged.conflicts, *(series.conflicts if series else ())]
    planned = deletions.of(sides, found, remote.mirror.count(remote.annotations_prefix))
    if options.dry_run:
        why = deletions.question(project, state, planned)
        return replace(
            _planned(sides, found, open_, label_store.asked(repository)), deletions=planned, asks=why
        )
    conflicts.refuse(open_)
    if not options.yes:
        deletions.ask(project, state, planned)
    worktree.restore(project, folders)
    return replace(_bring_together(project, state, base, found, sides, options), deletions=planned)


def _look(project: Project, state: State, options: Options) -> tuple[Theirs, ConfigMerge | None]:
    """What bucket and Label Studio hold, and the label config: of the named annotations alone where that will do."""
    remote = project.remote
    if options.annotations is not None and project.repository.pointer(SERIES) == state.series:
        found = fetch.look_at(remote, state, options.annotations)
        if found:
            return found, None
    studio = remote.project(state)
    config = shared_label_config.merge(project, state, str(studio["label_config"]), options.settlement)
    return fetch.look(project.repository, remote, state, studio, write=not options.dry_run), config


def _folders(found: Theirs) -> tuple[str, ...]:
    return (LABELS,) if found.series is None else (LABELS, SERIES)


def _aside(found: Theirs) -> list[tuple[str, str]]:
    return [(row.key, row.problem) for row in found.aside]


def _planned(sides: Sides, found: Theirs, open_: list[Conflict], asked: LabelConfig | None) -> Synced:
    """What a sync would do."""
    changes = label_changes.count(sides.labels.incoming(), config=asked)
    series = label_changes.signs(sides.series.incoming) if sides.series else label_changes.signs(())
    others = [str(label_config.PATH)] if sides.config and not sides.config.here else []
    subject = ""
    if changes.annotations or series or others:
        subject = label_changes.message(changes, series, others).splitlines()[0]
    return Synced(
        subject=subject,
        pushed=len(sides.labels.outgoing),
        healed=len(found.compared.missed),
        made_again=_made_again(sides.labels),
        returned=found.compared.returned,
        aside=_aside(found),
        conflicts=open_,
        dry=True,
    )


def _bring_together(
    project: Project, state: State, base: merge_base.Base, found: Theirs, sides: Sides, options: Options
) -> Synced:
    repository, merged = project.repository, sides.labels
    warnings: list[str] = []
    if options.push and sides.config:
        # First of all: Label Studio may refuse it, and then nothing else has changed either.
        shared_label_config.give(project, state, sides.config)
    project.remote.annotations.write(found.compared.missed)
    if options.pull:
        warnings, base = apply.take(project, state, base, sides)
    hashes = (repository.pointer(LABELS), repository.pointer(SERIES))
    changed = repository.changed(PATHS)
    warnings += _unknown_labels(project, sides, hashes[0])
    commit, subject = apply.commit(project, changed, hashes)
    if options.remote:
        repository.push()
    ids = merged.ids
    if options.push:
        if sides.series:
            recordings.give(project, sides.series)
        if merged.outgoing:
            with locks.held(project, state) as holder:
                ids = push_labels.push(
                    project.studio,
                    state.project,
                    merged.outgoing,
                    merged.numbers,
                    ids,
                    holder.beat,
                    project.remote.annotations.is_as_seen,
                )
                state = holder.state
            gone = [merged.numbers[change.name] for change in merged.outgoing if change.after is None]
            project.remote.annotations.drop(gone)
        project.remote.annotations.drop_keys(_outlived(project, merged, ids))
    if options.pull:
        project.remote.annotations.drop_keys(found.compared.deleted)
    new = _agreed(project, state, hashes, sides, options, ids)
    if new != state:
        new = locks.write(project, new)
    worktree.remember(project, _folders(found))
    if _left(sides, options):
        labels_ = merge_base.given(project, base[0], merged.outgoing) if options.push else base[0]
        merge_base.note(project, new, hashes[0], (labels_, base[1]))
    else:
        merge_base.forget(project)
        fetch.agree(project.remote, new, found, _rewritten(merged, ids))
    return Synced(
        commit=commit,
        subject=subject,
        labels=hashes[0],
        pushed=len(merged.outgoing) if options.push else 0,
        healed=len(found.compared.missed),
        made_again=_made_again(merged) if options.push else 0,
        taken_over=len(found.compared.lost.keys() - set(merged.again.values())),
        returned=found.compared.returned,
        aside=_aside(found),
        warnings=warnings,
        runs=dvc_stages.run_again(repository.root, (path.removesuffix(".dvc") for path in changed)),
    )


def _unknown_labels(project: Project, sides: Sides, hash_: str) -> list[str]:
    """What there is to say of labels that the label config lacks: all of them where it changed, else what came in."""
    config = label_store.asked(project.repository)
    if config is None:
        return []
    if sides.config and not sides.config.settled:
        return unknown_labels.warnings(label_store.records(project.repository, hash_), config)
    came = (change.after for change in sides.labels.incoming() if change.after is not None)
    return unknown_labels.warnings(came, config)


def _agreed(
    project: Project,
    state: State,
    hashes: tuple[str, str],
    sides: Sides,
    options: Options,
    ids: dict[str, str],
) -> State:
    """The state that is true now. Where one side still has to take something over, the base stays what it was."""
    new = replace(state, ids=ids, pushing="")
    if _left(sides, options):
        return new
    commit = next((found.commit for found in project.repository.synced_commits()), "")
    new = new.follow(*hashes, commit)
    if sides.config and (sides.config.settled or (options.pull and options.push)):
        new = replace(new, label_config=sides.config.md5)
    return new


def _left(sides: Sides, options: Options) -> bool:
    """Whether one side still has to take something over, because this sync goes one way only."""
    coming_in = sides.labels.shards or (sides.series and sides.series.incoming)
    going_out = sides.labels.outgoing or (sides.series and sides.series.outgoing)
    return bool((coming_in and not options.pull) or (going_out and not options.push))


def _made_again(merged: Labels) -> int:
    """How many annotations Label Studio had lost and is given again."""
    return sum(change.before is None and change.name in merged.again for change in merged.outgoing)


def _outlived(project: Project, merged: Labels, ids: dict[str, str]) -> list[str]:
    """Keys of objects whose annotations have been made again since, under other numbers."""
    numbers = identity.numbers(ids)
    now = {project.remote.annotations.key(numbers[name]) for name in merged.again if name in numbers}
    return [key for key in merged.again.values() if key and key not in now]


def _rewritten(merged: Labels, ids: dict[str, str]) -> dict[int, Record]:
    """Annotations whose objects Label Studio writes because of this sync, by number: changed, or made again."""
    numbers = identity.numbers(ids) | merged.numbers
    return {numbers[change.name]: change.after for change in merged.outgoing if change.after is not None}
