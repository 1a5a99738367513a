"""Replaces lone surrogates (half a character) in Label Studio by U+FFFD: it cannot show a task that holds one.

A browser that truncates a text may leave half a surrogate pair. Label Studio 1.23.2 stores it, and from then on
responds with HTTP 500 for the task and for the list of tasks. It still accepts changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from storage.label_studio.client import LabelStudio, Task
from storage.label_studio.session import BrokenResponseError
from storage.progress import note
from storage.remote.remote import Remote


def repair_annotations(remote: Remote, project: int) -> int:
    """Repair annotations with a lone surrogate that Label Studio cannot show.

    One that somebody is editing is left as it is: a change would drop the draft.

    Args:
        remote: the branch's place in bucket and Label Studio; the mirror is up to date with the bucket.
        project: its number in Label Studio.

    Returns:
        How many were repaired; Label Studio has rewritten their objects.
    """
    studio = remote.studio
    rows = [
        row
        for row in remote.mirror.with_lone_surrogate(remote.annotations_prefix)
        if not _is_shown(studio, row.value["annotation"])
    ]
    if not rows:
        return 0
    drafts = studio.drafts(project)
    edited = {draft["annotation"] for draft in drafts.begun} | drafts.hidden.keys()
    repaired = 0
    for row in rows:
        number = row.value["annotation"]
        if number in edited:
            why = "an edit that was begun on it would be dropped; have it submitted or discarded, then sync again"
            note(
                f"{row.key}: half a character, so that Label Studio cannot show its task; not repaired: {why}"
            )
            continue
        remote.annotations.read([row.key])
        if [current.etag for current in remote.mirror.at([row.key])] != [row.etag]:
            continue  # somebody has saved it since: the next sync checks it
        studio.repair_annotation(number, result=row.value["record"]["result"])
        note(f"{row.key}: half a character is U+FFFD now, for Label Studio could not show its task")
        repaired += 1
    return repaired


def _is_shown(studio: LabelStudio, annotation: int) -> bool:
    """Whether Label Studio can show an annotation, or has none with this id."""
    try:
        studio.annotation(annotation)
    except BrokenResponseError:
        return False
    return True


def repair_tasks(remote: Remote, tasks: Iterable[Task], task_data: Mapping[str, Mapping[str, Any]]) -> None:
    """Repair tasks that Label Studio cannot show, with the data in the bucket, or else in the label commit.

    Args:
        remote: the branch's place in bucket and Label Studio; the mirror is up to date with the bucket.
        tasks: those that it cannot show.
        known: task data by series, from git.
    """
    for task in tasks:
        if not task.source.startswith(remote.tasks_prefix):
            why = "Label Studio cannot show it, nor a list with it, and the bucket has no data for it"
            note(f"task {task.id}: {why}")
            continue  # created by hand, or from another storage
        series = remote.series_of_task(task.source)
        data = next((row.value for row in remote.mirror.at([task.source])), None)
        remote.studio.repair_task(task.id, remote.task_data(series, data or task_data.get(series, {})))
        note(f"task {task.id}: Label Studio could not show it; its data is that of {task.source} again")
