"""`labeltrail sync`: bucket, Label Studio and label commit agree again.

Three-way: *base* is what they agreed on at the last sync, *theirs* what bucket and Label Studio hold now, *ours*
what the work tree's `data/labels.dvc` names. The order of writing makes it safe to kill at any point: files,
DVC cache, git commit, DVC remote, Label Studio, and `sync.json` last; the next sync ends in the same place.
"""

from __future__ import annotations

import operator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from stages import params as parameters
from stages.timeseries import splits
from storage import (
    conflicts,
    history,
    label_config,
    lineage,
    outgoing,
    recordings,
    sets,
    shared_config,
    snapshot,
    tasks,
    worktree,
)
from storage.errors import ConflictError, NotFoundError
from storage.git import LABELS, SERIES, parse_pointer
from storage.merge import Merge, changes_between, three_way
from storage.mirror import Row
from storage.project import Project
from storage.record_merge import combiner
from storage.remote import State, Theirs
from storage.shared_config import ConfigMerge
from storage.snapshot import Record

PATHS = (
    "data/.gitignore",
    f"{LABELS}.dvc",
    f"{SERIES}.dvc",
    str(tasks.PATH),
    str(sets.PATH),
    str(label_config.PATH),
)
ATTEMPTS = 3  # when somebody else syncs at the same moment


@dataclass(frozen=True)
class Synced:
    """What a sync did.

    Attributes:
        commit: the label commit that was made; "" where nothing changed.
        subject: its first line.
        labels: hash of the label snapshot.
        pushed: annotations that were changed in Label Studio.
        healed: annotations that Label Studio had and the bucket had missed.
        aside: objects in the bucket that say nothing: key and reason. They were left where they are.
        warnings: what else a person should know.
        runs: stages that `dvc repro` will run, each with the file that is the reason.
    """

    commit: str = ""
    subject: str = ""
    labels: str = ""
    pushed: int = 0
    healed: int = 0
    aside: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        text = [f"set aside: {key}: {problem}" for key, problem in self.aside]
        text += [f"warning: {warning}" for warning in self.warnings]
        if self.healed:
            text.append(
                f"{history.plural(self.healed, 'annotation')} that the bucket had missed: written to it"
            )
        if self.pushed:
            text.append(f"{history.plural(self.pushed, 'annotation')} changed in Label Studio")
        text.append(
            f"label commit {self.commit[:12]}  {self.subject}"
            if self.commit
            else "nothing to commit: all agree"
        )
        if self.runs:
            text.append(
                "dvc repro will run: " + ", ".join(f"{name} ({why})" for name, why in self.runs.items())
            )
        return text


def sync(project: Project) -> Synced:
    """Bring theirs into a new label commit and ours into bucket and Label Studio.

    Raises:
        NotFoundError: this branch has no project in Label Studio yet.
        ConflictError: both sides changed the same annotation, or the label config; nothing was written.
        InputError: a file of the project is gone from the work tree.
        ServiceError: bucket or Label Studio is away.
    """
    worktree.refuse_missing(project, PATHS)
    for attempt in range(1, ATTEMPTS + 1):
        state = project.remote.state()
        if state is None:
            why = f"there is no {project.bucket.url(project.remote.state_key)}"
            raise NotFoundError(
                f"branch {project.repository.branch()!r} has no Label Studio project yet",
                why=why,
                cure="labeltrail import PATH",
            )
        try:
            return _sync_once(project, state)
        except OvertakenError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


class OvertakenError(ConflictError):
    """Somebody else synced this branch at the same moment."""


def _sync_once(project: Project, state: State) -> Synced:
    repository = project.repository
    studio = project.remote.project(state)
    config = shared_config.merge(project, state, str(studio["label_config"]))
    theirs = project.remote.theirs(state, studio)
    ours = (repository.pointer(LABELS), repository.pointer(SERIES))
    quiet = not theirs.moved and config.settled and ours == (state.labels, state.series)
    if quiet and worktree.is_current(project) and not repository.changed(PATHS):
        project.remote.agree(state, theirs)
        return Synced(labels=ours[0], aside=_aside(theirs.aside))
    return _bring_together(project, state, theirs, config)


def _bring_together(project: Project, state: State, theirs: Theirs, config: ConfigMerge) -> Synced:
    repository = project.repository
    worktree.restore(project)
    base = _base(project, state)
    series = recordings.merge(project, base[1], theirs.series)
    labels, ids = _merge_labels(project, base[0], state, theirs)
    conflicts.refuse([*labels.conflicts, *series.conflicts])
    shared_config.write(project, state, config)
    recordings.write(project, series)
    warnings = _write_labels(project, labels, theirs, set(series.merged))
    hashes = (repository.add(LABELS), repository.add(SERIES))
    changed = repository.changed(PATHS)
    commit, subject = _commit(project, changed, labels, hashes[1])
    repository.push()
    ids = outgoing.push(project.studio, state.project, labels.outgoing, ids)
    new = replace(project.remote.follow(state, *hashes), label_config=config.md5, ids=ids)
    if new != state:
        try:
            new = project.remote.write_state(new)
        except ConflictError as error:
            raise OvertakenError(
                "somebody else synced this branch meanwhile", cure="labeltrail sync"
            ) from error
    worktree.remember(project)
    project.remote.agree(new, theirs)
    return Synced(
        commit=commit,
        subject=subject,
        labels=hashes[0],
        pushed=len(labels.outgoing),
        healed=theirs.healed,
        aside=_aside(theirs.aside),
        warnings=warnings,
        runs=repository.runs_again(path.removesuffix(".dvc") for path in changed),
    )


def _commit(project: Project, changed: list[str], labels: Merge[Record], series: str) -> tuple[str, str]:
    """Make the label commit; returns it and its subject, both "" where nothing changed.

    The message tells the difference to the last commit, also when a sync that was cut off wrote the files.
    """
    if not changed:
        return "", ""
    repository = project.repository
    head = [parse_pointer(repository.show("HEAD", f"{path}.dvc")) for path in (LABELS, SERIES)]
    changes = history.count(changes_between(_records(project, head[0]), labels.merged, snapshot.same))
    before, after = (recordings.by_series(repository.folder(md5)) for md5 in (head[1], series))
    text = history.message(changes, history.signs(changes_between(before, after, operator.eq)), changed)
    commit = repository.commit(changed, text)
    return commit, text.splitlines()[0] if commit else ""


def _base(project: Project, state: State) -> tuple[str, str]:
    """Labels and series of the newest sync that this clone has in its history.

    A clone that somebody else's sync has left behind lacks that label commit: for it everything since its own
    last one is news. A clone that has it, and an older `data/labels.dvc` in its work tree, wants the old labels.
    """
    repository = project.repository
    synced = ((state.labels, state.series), *state.history)
    if synced[0] == (repository.pointer(LABELS), repository.pointer(SERIES)):
        return synced[0]
    # After a rollback the same state stands there twice; the newest is meant.
    known = {pair: place for place, pair in reversed(list(enumerate(synced)))}
    found = len(synced)
    for commit in repository.synced_commits():
        found = min(found, known.get((commit.labels, commit.series), found))
        if found == 0:
            break
    return synced[found] if found < len(synced) else ("", "")


# -- labels ---------------------------------------------------------------------------------------


def _merge_labels(
    project: Project, base: str, state: State, theirs: Theirs
) -> tuple[Merge[Record], dict[str, str]]:
    ours = _records(project, project.repository.pointer(LABELS))
    was = ours if base == project.repository.pointer(LABELS) else _records(project, base)
    found = outgoing.adopt(ours, theirs.labels)
    ids = dict(state.ids)
    current = dict(theirs.labels)
    for name, keeps in found.items():
        ids[str(snapshot.annotation_id(name))] = keeps
        current[keeps] = current.pop(name) | {"id": keeps}
    for name in ours.keys() & current.keys() & set(ids.values()):
        # Made again by whoever had the token where the annotator has left: still that person's annotation.
        current[name] = current[name] | {"annotator": ours[name]["annotator"]}
    return three_way(was, ours, current, snapshot.same, combiner()), ids


def _records(project: Project, md5: str) -> dict[str, Record]:
    """The records of a snapshot by id, from the DVC cache."""
    return {record["id"]: record for record in lineage.records(project.repository, md5)}


def _write_labels(project: Project, labels: Merge[Record], theirs: Theirs, series: set[str]) -> list[str]:
    """Write shards, tasks and sets; returns warnings."""
    shards = snapshot.dump(labels.merged.values())
    folder = project.root / LABELS
    gone = {path.name: b"" for path in folder.glob("*") if path.name not in shards}
    snapshot.write(folder, gone | shards)
    known = tasks.read(project.root / tasks.PATH)
    # What the work tree says of a task wins: Label Studio never reads a task's object twice.
    merged = {key: known.get(key, theirs.tasks.get(key, {})) for key in series}
    tasks.write(merged, project.root / tasks.PATH)
    rows = sets.read(project.root / sets.PATH)
    rules = parameters.load(project.root / parameters.PATH).sets
    groups = {key: str(data.get(rules.group, "") or key) for key, data in merged.items()}
    labeled = {record["series"] for record in labels.merged.values() if not record["was_cancelled"]}
    existing = {key: row.set for key, row in rows.items()}
    assigned = splits.assign(existing, groups, labeled & series, rules.shares.model_dump(), rules.seed)
    sets.write({key: sets.Row(groups[key], name) for key, name in assigned.items()}, project.root / sets.PATH)
    lost = sorted(labeled - series)
    if lost:
        return [f"annotations on {len(lost)} series that the bucket does not have: {', '.join(lost[:5])}"]
    return []


# -- saying it ------------------------------------------------------------------------------------


def _aside(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.key, row.problem) for row in rows]
