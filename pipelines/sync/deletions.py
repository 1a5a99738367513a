"""Deletions of a sync, and whether they need `--yes`.

Nothing is lost for good: every label commit keeps its labels. But an emptied Label Studio, an emptied bucket and a
label commit that `git reset` removed from its branch all look like a person who deletes labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.sync.plan import SyncPlan
from pipelines.sync.remote_state import RemoteState
from stages import params as parameters
from storage.errors import ConflictError, LabeltrailError
from storage.labels.label_changes import plural
from storage.labels.snapshot import Record, find, same
from storage.paths import LABELS
from storage.remote.sync_state import State
from storage.repo.repository import Repository
from storage.s3.keys import shard_name

SHOWN = 5
FEW = 2  # a single deletion is never too large a share


@dataclass(frozen=True)
class Deletions:
    """What a sync would delete.

    Attributes:
        labels: annotations that are gone from Label Studio and would be deleted from the labels.
        studio: annotations that the labels lack and would be deleted in Label Studio.
        recordings: recordings that are gone from the bucket and would be deleted from the project.
        annotations, series: how many there are in all, deleted ones included.
        records: those of `studio`, as Label Studio has them.
        names: some of the annotations, with their series.
        studio_was_restored: Label Studio has lost annotations: it was restored from a backup, or replaced.
    """

    labels: int = 0
    studio: int = 0
    recordings: int = 0
    annotations: int = 0
    series: int = 0
    records: tuple[Record, ...] = ()
    names: tuple[str, ...] = ()
    studio_was_restored: bool = False

    def to_json(self) -> dict[str, int]:
        return {"labels": self.labels, "studio": self.studio, "recordings": self.recordings}


def planned(plan: SyncPlan, theirs: RemoteState) -> Deletions:
    """What a plan would delete."""
    merged = plan.labels
    labels = [change.before for change in merged.incoming() if change.before and change.after is None]
    studio = [change.before for change in merged.outgoing if change.before and change.after is None]
    recordings = sum(change.after is None for change in plan.series.incoming) if plan.series else 0
    return Deletions(
        labels=len(labels),
        studio=len(studio),
        recordings=recordings,
        annotations=theirs.count + len(labels),
        series=len(theirs.series or ()) + recordings,
        records=tuple(studio),
        names=tuple(f"{record['id']} on {record['series']}" for record in (*labels, *studio)[:SHOWN]),
        studio_was_restored=bool(theirs.compared.lost or merged.again),
    )


def check(repository: Repository, state: State, planned: Deletions) -> None:
    """Check that the deletions are not likely a mistake.

    Raises:
        ConflictError: they need `--yes`; nothing was written.
    """
    why, cure = reason_to_ask(repository, state, planned)
    if why:
        raise ConflictError(
            f"this sync would delete {_describe(planned)}",
            where=list(planned.names),
            why=f"{why}; nothing was written",
            cure=cure,
        )


def reason_to_ask(repository: Repository, state: State, planned: Deletions) -> tuple[str, str]:
    """Why a sync would need `--yes`, and the next command; "" and "" where it would not."""
    share = parameters.load(repository.root / parameters.PATH).sync.ask_deleted
    if planned.records and not _are_on_a_branch(repository, planned.records):
        commit = state.commit[:12]
        why = f"label commit {commit}, which made them, is on no branch any more (git reset, rebase?)"
        return why, f"labeltrail sync --yes deletes them; git merge {commit} restores them"
    undo, checkout = "labeltrail undo after it creates them again", "or git checkout HEAD -- data/labels.dvc"
    reimport = "or labeltrail import data/series puts them back"
    if planned.labels and planned.studio_was_restored:
        why = "Label Studio was restored from a backup, so they may be lost rather than deleted"
        return why, f"labeltrail sync --yes; {undo}"
    for count, total, why, cure in (
        (planned.labels, planned.annotations, "they are gone from Label Studio, and are", undo),
        (
            planned.studio,
            planned.annotations,
            "the labels of the work tree lack them, and they are",
            checkout,
        ),
        (planned.recordings, planned.series, "they are gone from the bucket, and are", reimport),
    ):
        if count >= FEW and count > share * total:
            fraction = f"{count} of {total} (params.yaml: sync.ask_deleted)"
            return f"{why} {fraction}", f"labeltrail sync --yes; {cure}"
    return "", ""


def _describe(planned: Deletions) -> str:
    parts = (
        (planned.labels, "annotation", "from the labels"),
        (planned.studio, "annotation", "in Label Studio"),
        (planned.recordings, "recording", "from the project"),
    )
    return ", ".join(f"{plural(count, noun)} {where}" for count, noun, where in parts if count)


def _are_on_a_branch(repository: Repository, records: Iterable[Record]) -> bool:
    """Whether label commits of branches and tags, here or of a git remote, have all of these records as they are."""
    missing = {record["id"]: record for record in records}
    seen: set[str] = set()
    for commit in repository.git.every_synced_commit():
        try:
            folder = repository.folder(commit.labels, LABELS)
            shards = {name: folder.get(shard_name(record["series"]), "") for name, record in missing.items()}
            new = repository.read({md5 for md5 in shards.values() if md5} - seen)
        except LabeltrailError:
            continue  # its labels are lost
        seen |= new.keys()
        for name in [name for name in missing if shards[name] in new]:
            found = find(new[shards[name]], [name]).get(name)
            if found is not None and same(found, missing[name]):
                del missing[name]
        if not missing:
            return True
    return False
