"""Halves of characters that Label Studio holds, and cannot show for that: U+FFFD is put in their place.

A browser that cuts a text may leave half a surrogate pair. Label Studio 1.23.2 stores it, and from then on answers
HTTP 500 for the task and for its page of all tasks. It still takes changes.
"""

from __future__ import annotations

from contextlib import suppress

from storage.labelstudio import LabelStudio
from storage.labelstudio_http import BrokenAnswerError
from storage.progress import note, track
from storage.remote import Remote


def mend(remote: Remote) -> int:
    """Mend the annotations that have such, as the bucket says, and that Label Studio cannot show.

    Args:
        remote: the branch's place in bucket and Label Studio; the mirror is up to date with the bucket.

    Returns:
        How many were mended; Label Studio has written their objects anew.
    """
    mended = 0
    for row in remote.mirror.with_half(remote.annotations_prefix):
        number = row.value["annotation"]
        if not _is_shown(remote.studio, number):
            remote.annotations.read([row.key])
            if [now.etag for now in remote.mirror.at([row.key])] != [row.etag]:
                continue  # somebody has saved it since: theirs is looked at next time
            remote.studio.update_annotation(number, result=row.value["record"]["result"])
            note(f"{row.key}: half a character is U+FFFD now, for Label Studio could not show its task")
            mended += 1
    return mended


def _is_shown(studio: LabelStudio, annotation: int) -> bool:
    """Whether Label Studio shows an annotation, or has none of this number."""
    try:
        studio.annotation(annotation)
    except BrokenAnswerError:
        return False
    return True


def mend_tasks(remote: Remote, project: int) -> int:
    """Give tasks that Label Studio cannot show the data again that the bucket has: it cannot list tasks otherwise.

    Args:
        remote: the branch's place in bucket and Label Studio; the mirror is up to date with the bucket.
        project: its number in Label Studio.

    Returns:
        How many tasks were given it.
    """
    mended = 0
    numbers = remote.studio.task_numbers(project)
    for key, number in track(
        numbers.items(), "looking for tasks that Label Studio cannot show", len(numbers)
    ):
        data = next((row.value for row in remote.mirror.at([key])), None)
        if not key.startswith(remote.tasks_prefix) or data is None:
            continue  # made by hand, or of another storage: there is nothing to give it
        try:
            remote.studio.task(number)
        except BrokenAnswerError:
            with suppress(BrokenAnswerError):  # it is stored; the answer may fail at something else
                remote.studio.update_task(number, remote.task_data(remote.series_of_task(key), data))
            note(f"task {number}: Label Studio could not show it; its data is that of {key} again")
            mended += 1
    return mended
