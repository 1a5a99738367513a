"""Push label changes of the work tree to Label Studio, which writes them to the bucket.

They come from a rollback, a merge or a plain `git checkout` of `data/labels.dvc`: edited annotations are changed in
place, deleted ones created again, later ones deleted. Label Studio gives an annotation that is created again a new
id; the record keeps its own, and `sync.json` has the pair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from storage.errors import ConflictError, NotFoundError
from storage.label_studio.client import LabelStudio
from storage.label_studio.session import BrokenResponseError
from storage.labels.conflicts import OvertakenError
from storage.labels.snapshot import Record, record_id
from storage.labels.three_way import Change
from storage.progress import note, track
from storage.remote.identity import without

# Fields that Label Studio accepts for a new annotation; it sets the others by itself.
CREATABLE = ("was_cancelled", "ground_truth", "lead_time")
CHANGEABLE = ("was_cancelled", "ground_truth")


def push(
    studio: LabelStudio,
    project: int,
    changes: Sequence[Change[Record]],
    numbers: Mapping[str, int],
    ids: Mapping[str, str],
    heartbeat: Callable[[], None],
    as_seen: Callable[[int], bool],
) -> dict[str, str]:
    """Change, create and delete annotations in Label Studio.

    Args:
        studio: where to.
        project: the branch's project.
        changes: from what Label Studio has (`before`) to what it should have (`after`).
        numbers: number in Label Studio of the annotations that it has, by record id.
        ids: of `sync.json`: annotations that were created again before.
        heartbeat: called before each, to renew the lease.
        as_seen: whether the object of an annotation is the one that was fetched.

    Returns:
        `ids`, with the annotations that were created now.

    Raises:
        NotFoundError: an annotation has to be created on a series that has no task; nothing was changed.
        ConflictError: somebody is editing one of them and has not submitted it; nothing was changed.
        OvertakenError: somebody changed one of them since the fetch; those before it were changed.
    """
    known = dict(ids)
    _check_no_drafts(studio, project, {numbers[c.name]: c.before["series"] for c in changes if c.before})
    making = [change.after for change in changes if change.before is None and change.after is not None]
    tasks = tasks_of(studio, project, {record["series"] for record in making})
    users = {email: user for user, email in studio.users().items()} if making else {}
    # Deletions first: ground truth set on one annotation is taken from the task's others, and if this is interrupted
    # then, one that was to be deleted would look edited by somebody.
    for change in track(sorted(changes, key=lambda c: c.after is not None), "writing to Label Studio"):
        heartbeat()
        if change.before is None and change.after is not None:
            fields: dict[str, Any] = {key: change.after[key] for key in CREATABLE if key in change.after}
            if change.after["annotator"] in users:
                fields["completed_by"] = users[change.after["annotator"]]
            made = studio.create_annotation(tasks[change.after["series"]], change.after["result"], **fields)
            known[record_id(int(made["id"]), str(made["created_at"]))] = change.name
        elif change.before is not None:
            number = numbers[change.name]
            _check_unchanged(studio, number, change, as_seen)
            if change.after is None:
                studio.delete_annotation(number)
                known = without(known, number)
            else:
                fields = {key: change.after[key] for key in CHANGEABLE}
                studio.update_annotation(number, result=change.after["result"], **fields)
    return known


def tasks_of(studio: LabelStudio, project: int, series: Set[str]) -> dict[str, int]:
    """Number of each series' task; NotFoundError where one has none."""
    listed = studio.tasks(project) if series else ()
    tasks = {name: task.id for task in listed if isinstance(name := task.data.get("series"), str)}
    without_task = sorted(series - tasks.keys())
    if without_task:
        raise NotFoundError(
            "labels of these series cannot go into Label Studio: it has no task for them",
            where=", ".join(without_task),
            why="the task, or the recording in the bucket, is gone, or the task's `series` was changed",
            cure="restore the recordings (labeltrail import), then labeltrail sync",
        )
    return tasks


def _check_no_drafts(studio: LabelStudio, project: int, changing: Mapping[int, str]) -> None:
    """Label Studio drops the draft of an annotation as soon as the annotation changes."""
    if not changing:
        return
    drafts = studio.drafts(project)
    begun = [
        f"annotation {draft['annotation']} on {changing[draft['annotation']]}, by {draft['user']}"
        for draft in drafts.begun
        if draft["annotation"] in changing
    ]
    if begun:
        raise ConflictError(
            "somebody is editing annotations that labels here would change, and has not submitted it",
            where="; ".join(begun),
            why="Label Studio would drop the edit; nothing was changed there",
            cure="have it submitted or discarded, then labeltrail sync",
        )
    for number in sorted(drafts.hidden.keys() & changing.keys()):
        note(
            f"annotation {number} on {changing[number]} changes: an edit that was begun on task "
            f"{drafts.hidden[number]}, which Label Studio cannot show to anybody, is dropped if it is of this one"
        )


def _check_unchanged(
    studio: LabelStudio, number: int, change: Change[Record], as_seen: Callable[[int], bool]
) -> None:
    """What somebody saved since the fetch is not overwritten: the next attempt merges it."""
    try:
        found = studio.annotation(number)
    except BrokenResponseError:
        overtaken = not as_seen(number)  # Label Studio writes the object with every change
    else:
        overtaken = (
            change.before is not None and (found or {}).get("updated_at") != change.before["updated_at"]
        )
    if overtaken and change.before is not None:
        raise OvertakenError(
            "somebody labeled while this sync was pushing labels",
            where=f"annotation {number} of {change.before['series']}",
            why="what they saved is not overwritten",
            cure="labeltrail sync",
        )
