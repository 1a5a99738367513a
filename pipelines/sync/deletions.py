"""Labels that a sync would delete, and whether that needs `--yes`.

Nothing is lost for good: every label commit keeps its labels. But an emptied Label Studio, an emptied bucket and a
label commit that `git reset` took off its branch all look like a person who deletes labels.
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
        put_back: Label Studio has lost annotations: it was restored from a backup, or replaced.
    """

    labels: int = 0
    studio: int = 0
    recordings: int = 0
    annotations: int = 0
    series: int = 0
    records: tuple[Record, ...] = ()
    names: tuple[str, ...] = ()
    put_back: bool = False

    def to_json(self) -> dict[str, int]:
        return {"labels": self.labels, "studio": self.studio, "recordings": self.recordings}


NONE = Deletions()


def planned(plan: SyncPlan, theirs: RemoteState) -> Deletions:
    """What a plan would delete."""
    merged = plan.labels
    here = [change.before for change in merged.incoming() if change.before and change.after is None]
    there = [change.before for change in merged.outgoing if change.before and change.after is None]
    gone = [c for c in plan.series.incoming if c.after is None] if plan.series else []
    return Deletions(
        labels=len(here),
        studio=len(there),
        recordings=len(gone),
        annotations=theirs.count + len(here),
        series=len(theirs.series or ()) + len(gone),
        records=tuple(there),
        names=tuple(f"{record['id']} on {record['series']}" for record in (*here, *there)[:SHOWN]),
        put_back=bool(theirs.compared.lost or merged.again),
    )


def check(repository: Repository, state: State, planned: Deletions) -> None:
    """Stop before deletions that may be a mistake.

    Raises:
        ConflictError: they need `--yes`; nothing was written.
    """
    why, cure = reason_to_ask(repository, state, planned)
    if why:
        raise ConflictError(
            f"this sync would delete {_words(planned)}",
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
    back = "labeltrail sync --yes; labeltrail undo after it creates them again"
    if planned.labels and planned.put_back:
        return "Label Studio was restored from a backup, so they may be lost rather than deleted", back
    if _is_large(planned.labels, planned.annotations, share):
        return f"they are gone from Label Studio, and are {_share(planned.labels, planned.annotations)}", back
    if _is_large(planned.studio, planned.annotations, share):
        why = f"the labels of the work tree lack them, and they are {_share(planned.studio, planned.annotations)}"
        return why, "labeltrail sync --yes; or git checkout HEAD -- data/labels.dvc"
    if _is_large(planned.recordings, planned.series, share):
        why = f"they are gone from the bucket, and are {_share(planned.recordings, planned.series)}"
        return why, "labeltrail sync --yes; or labeltrail import data/series puts them back"
    return "", ""


def _is_large(count: int, of_all: int, share: float) -> bool:
    return count >= FEW and count > share * of_all


def _share(count: int, of_all: int) -> str:
    return f"{count} of {of_all} (params.yaml: sync.ask_deleted)"


def _words(planned: Deletions) -> str:
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
