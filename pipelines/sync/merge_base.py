"""The merge base of a sync: the state of bucket and Label Studio when this clone last pulled them.

`sync.json` records each sync; the newest one whose label commit this clone has is the base. What an interrupted or
one-way sync pulled since is noted in the clone's mirror: otherwise a label that is then deleted in Label Studio would
look like a new one of the work tree.
"""

from __future__ import annotations

import json

from pipelines.sync.plan import LabelPlan
from storage.labels import label_store, snapshot
from storage.labels.snapshot import Record
from storage.labels.three_way import Change
from storage.paths import LABELS, SERIES
from storage.remote.remote import Remote
from storage.remote.sync_state import Entry, State
from storage.repo.git import LabelCommit
from storage.repo.repository import Repository
from storage.s3.keys import shard_name

Base = tuple[str, str]  # hashes of labels and recordings


def pointers(repository: Repository) -> Base:
    """The hashes in the work tree's `data/labels.dvc` and `data/series.dvc`."""
    return repository.pointer(LABELS), repository.pointer(SERIES)


def find(repository: Repository, remote: Remote, state: State, *, known: bool) -> Base:
    """Find the merge base: hashes of the labels and recordings that both sides had last.

    A clone without the newest label commit is behind: for it everything since its own last one is incoming. A clone
    that has it, and an older `data/labels.dvc` in its work tree, has rolled back.

    Args:
        repository: the clone.
        remote: whose mirror has the note of what was pulled since.
        state: the newest sync.
        known: bucket and label commit were equal in this clone as of `state`.
    """
    entries = (state.entry, *state.history)
    noted = json.loads(remote.mirror.note(_name(remote)) or "null")
    current = pointers(repository)
    if noted is None and entries[0][:2] == current:
        return current
    commits = list(repository.git.synced_commits())
    if noted and noted["ours"] not in {current[0], *(commit.labels for commit in commits)}:
        noted = None  # that label commit is not on this branch any more
    for place, entry in enumerate(entries):
        if noted and list(entry) == noted["after"]:
            return noted["labels"], noted["series"]
        if (place == 0 and known) or _has(commits, entry):
            return entry[:2]
    return "", ""


def _has(commits: list[LabelCommit], entry: Entry) -> bool:
    """Whether a sync is in this clone's history: by its commit, because two commits can have the same labels."""
    labels, series, commit = entry
    if commit and commit in {found.commit for found in commits}:
        return True
    # The newest commit may have been rewritten (amended, rebased); entries of older versions name no commit.
    candidates = commits[:1] if commit else commits
    return (labels, series) in {(found.labels, found.series) for found in candidates}


def note(remote: Remote, state: State, ours: str, base: Base) -> None:
    """Note the merge base after a pull that `sync.json` does not record.

    Args:
        remote: whose mirror has the note.
        state: the newest sync.
        ours: hash of the label snapshot after the pull: the note is valid as long as this clone has it.
        base: hashes of what is in bucket and Label Studio now.
    """
    value = {"after": list(state.entry), "ours": ours, "labels": base[0], "series": base[1]}
    remote.mirror.set_note(_name(remote), json.dumps(value))


def forget(remote: Remote) -> None:
    """Delete the note: `sync.json` is complete."""
    if remote.mirror.note(_name(remote)):
        remote.mirror.set_note(_name(remote), "")


def after_pull(repository: Repository, ours: str, merged: LabelPlan) -> str:
    """Hash of the snapshot in bucket and Label Studio after a pull; `ours` is the work tree's before the merge."""
    shards = {name: after for name, (_, after) in merged.shards.items()}
    return label_store.store(repository, ours, shards | merged.theirs)


def after_push(repository: Repository, base: str, outgoing: list[Change[Record]]) -> str:
    """Hash of the snapshot in bucket and Label Studio after these changes are pushed."""
    known = label_store.shards_of(repository, base)
    shards: dict[str, bytes] = {}
    for change in outgoing:
        name = shard_name((change.after or change.before or {})["series"])
        before = shards[name] if name in shards else known.data(name)
        shards[name] = snapshot.edit(before, {change.name: change.after})
    return label_store.store(repository, base, shards)


def _name(remote: Remote) -> str:
    return f"taken {remote.prefix}"
