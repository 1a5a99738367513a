"""Halves of characters that Label Studio holds, and cannot show for that: U+FFFD is put in their place.

A browser that cuts a text may leave half a surrogate pair, and whoever writes to the bucket may. Label Studio 1.23.2
stores it, and answers HTTP 500 from then on: for the task where an annotation has it, and for the list of all tasks
where a task's data has it. It still takes changes. Label commits keep what was there.
"""

from __future__ import annotations

from storage.errors import ServiceError
from storage.files import json_bytes
from storage.json_text import has_half, parse_json, well_formed
from storage.labelstudio import LabelStudio
from storage.remote import Remote


def mend(remote: Remote, project: int) -> list[str]:
    """Mend the tasks and annotations that the bucket says are such.

    Args:
        remote: the branch's place in bucket and Label Studio; the mirror is up to date with the bucket.
        project: its number in Label Studio.

    Returns:
        Keys of the objects of what was mended; none where Label Studio fails for another reason.
    """
    return [*_mend_tasks(remote, project), *_mend_annotations(remote)]


def _mend_tasks(remote: Remote, project: int) -> list[str]:
    odd = [row for row in remote.mirror.rows(remote.tasks_prefix) if row.value and has_half(row.value)]
    numbers = remote.studio.task_numbers(project) if odd else {}
    for row in odd:
        if row.key in numbers:
            series = remote.series_of_task(row.key)
            remote.studio.update_task(numbers[row.key], remote.task_data(series, row.value))
        # All of it and not its data alone: the object may carry more. Last, for it says that there is work left.
        whole = well_formed(parse_json(row.key, remote.bucket.get(row.key)[0]))
        remote.bucket.put(row.key, json_bytes(whole, indent=1), content_type="application/json")
    return [row.key for row in odd]


def _mend_annotations(remote: Remote) -> list[str]:
    mended = []
    for row in remote.mirror.rows(remote.annotations_prefix):
        if row.value is None or not has_half(row.value["record"]["result"]):
            continue
        if not _is_shown(remote.studio, row.value["annotation"]):
            result = row.value["record"]["result"]
            remote.studio.update_annotation(row.value["annotation"], result=result)
            mended.append(row.key)
    return mended


def _is_shown(studio: LabelStudio, annotation: int) -> bool:
    """Whether Label Studio shows an annotation, or has none of this number."""
    try:
        studio.annotation(annotation)
    except ServiceError:
        return False
    return True
