"""The objects that Label Studio makes tasks of: whatever else lies among them is moved out of its way.

Label Studio 1.23.2 reads them in the order of their keys and ends at the first that it cannot use (NaN, no JSON at
all): no task is made of those behind it. Others it reads, and then fails at the list of tasks or shows what nobody
here has checked. So an object that is not the plain data of one task is copied to `<branch>/set-aside/tasks/`, and a
plain one is put in its place where there is a recording for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from storage.errors import InputError, NotFoundError
from storage.json_text import parse_json, well_formed
from storage.labelstudio_http import BrokenAnswerError
from storage.mirror import MOST_BYTES, Row
from storage.remote import HALF_INSIDE, MORE_INSIDE, Remote

CARRIES = f"{MORE_INSIDE}: annotations"
Known = Mapping[str, Mapping[str, Any]]


def set_aside(
    remote: Remote, known: Callable[[], Known], project: int, keep: Collection[str] = ()
) -> list[Row]:
    """Move what is no task out of Label Studio's way, before it reads the source storage.

    Args:
        remote: the branch's place in bucket and Label Studio; the mirror is brought up to date with the tasks.
        known: gives task data by series, for objects that do not say it themselves.
        project: number in Label Studio; a task that it has made of half a character already is mended.
        keep: series whose objects may carry annotations: a project is being filled.

    Returns:
        The objects, as they were; the problem says where each is now.
    """
    remote.refresh_tasks()
    rows = [row for row in remote.mirror.aside(remote.tasks_prefix) if row.key.endswith(".json")]
    odd = [row for row in rows if row.problem != CARRIES or remote.series_of_task(row.key) not in keep]
    halves = any(row.problem == HALF_INSIDE for row in odd)
    numbers = remote.studio.task_numbers(project) if halves else {}
    recordings = remote.series() if odd else {}
    moved = []
    for row in odd:
        series, place = remote.series_of_task(row.key), remote.aside_key(row)
        try:
            data, etag = remote.bucket.get(row.key, MOST_BYTES)
        except (InputError, NotFoundError):
            continue  # too large, which Label Studio may take; or another clone was faster
        if etag != row.etag:
            continue  # mended, or moved by another clone: the next look tells
        found = _fields(remote, row.key, data)
        remote.bucket.copy(row.key, place)
        if series not in recordings:
            remote.bucket.delete([row.key])
        else:
            fields = known().get(series, {}) if found is None else found
            if row.problem == HALF_INSIDE and row.key in numbers:
                with suppress(BrokenAnswerError):  # it is stored; the answer may fail at something else
                    remote.studio.update_task(numbers[row.key], remote.task_data(series, fields))
            remote.put_task(series, fields)
        moved.append(replace(row, problem=f"{row.problem}; it is {place} now"))
    if moved:
        remote.refresh_tasks()
    return moved


def task_data(remote: Remote, key: str) -> dict[str, Any] | None:
    """The task data in an object, be it no plain task; None where there is none that can be kept."""
    try:
        return _fields(remote, key, remote.bucket.get(key, MOST_BYTES)[0])
    except (InputError, NotFoundError):
        return None


def _fields(remote: Remote, key: str, data: bytes) -> dict[str, Any] | None:
    try:
        return remote.task_fields(key, well_formed(parse_json(key, data)))
    except InputError:
        return None
