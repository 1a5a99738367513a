"""Push label changes of the work tree to Label Studio, which writes them to the bucket.

They come from a rollback, a merge or a plain `git checkout` of `data/labels.dvc`: edited annotations are changed in
place, deleted ones created again, later ones deleted. Label Studio gives an annotation that is created again a new
id; its record keeps the old one, and `sync.json` has both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

from pipelines.sync.plan import LabelPlan
from storage.errors import ConflictError, NotFoundError
from storage.label_studio.client import LabelStudio
from storage.label_studio.session import BrokenResponseError
from storage.labels.conflicts import OvertakenError
from storage.labels.snapshot import Record, record_id
from storage.progress import note, track
from storage.remote.identity import without
from storage.remote.remote import Remote

# Fields that Label Studio accepts for a new annotation; it sets the others by itself.
CREATABLE = ("was_cancelled", "ground_truth", "lead_time")
CHANGEABLE = ("was_cancelled", "ground_truth")


def push(remote: Remote, project: int, plan: LabelPlan, heartbeat: Callable[[], None]) -> dict[str, str]:
    """Change, create and delete annotations in Label Studio.

    Args:
        remote: the branch in bucket and Label Studio.
        project: its project.
        plan: the outgoing changes, each from what Label Studio has (`before`) to what it should have (`after`).
        heartbeat: called before each change, to renew the lease.

    Returns:
        `ids` of the plan, with the annotations that were created now.

    Raises:
        NotFoundError: an annotation has to be created on a series that has no task; nothing was changed.
        ConflictError: somebody is editing one of them and has not submitted it; nothing was changed.
        OvertakenError: somebody changed one of them since the fetch; those before it were changed.
    """
    studio, changes, numbers, ids = remote.studio, plan.outgoing, plan.numbers, dict(plan.ids)
    _check_no_drafts(studio, project, {numbers[c.name]: c.before["series"] for c in changes if c.before})
    new = [change.after for change in changes if change.before is None and change.after is not None]
    tasks = tasks_of(studio, project, {record["series"] for record in new})
    users = {email: user for user, email in studio.users().items()} if new else {}
    # Deletions first: setting ground truth on one annotation removes it from the task's others. If the push were
    # interrupted then, one that was to be deleted would look edited by somebody.
    for change in track(sorted(changes, key=lambda c: c.after is not None), "writing to Label Studio"):
        heartbeat()
        if change.before is None and change.after is not None:
            fields: dict[str, Any] = {key: change.after[key] for key in CREATABLE if key in change.after}
            if change.after["annotator"] in users:
                fields["completed_by"] = users[change.after["annotator"]]
            made = studio.create_annotation(tasks[change.after["series"]], change.after["result"], **fields)
            ids[record_id(int(made["id"]), str(made["created_at"]))] = change.name
        elif change.before is not None:
            number = numbers[change.name]
            _check_unchanged(remote, number, change.before)
            if change.after is None:
                studio.delete_annotation(number)
                ids = without(ids, number)
            else:
                fields = {key: change.after[key] for key in CHANGEABLE}
                studio.update_annotation(number, result=change.after["result"], **fields)
    return ids


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


def _check_unchanged(remote: Remote, number: int, fetched: Record) -> None:
    """Check that nobody changed an annotation since the fetch; else the next attempt merges the change."""
    try:
        found = remote.studio.annotation(number)
        overtaken = (found or {}).get("updated_at") != fetched["updated_at"]
    except BrokenResponseError:
        overtaken = not remote.annotations.is_unchanged(number)  # its object is written with every change
    if overtaken:
        raise OvertakenError(
            "somebody labeled while this sync was pushing labels",
            where=f"annotation {number} of {fetched['series']}",
            why="what they saved is not overwritten",
            cure="labeltrail sync",
        )
