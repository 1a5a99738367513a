"""The objects that Label Studio makes tasks of; any other object among them is set aside.

Label Studio 1.23.2 reads them in the order of their keys and ends at the first that it cannot use (NaN, no JSON at
all): no task is made of those behind it. Others it reads, and then fails at the list of tasks or shows what nobody
here has checked. So an object that is not the plain data of one task is copied to `<branch>/set-aside/tasks/`, and a
plain one is put in its place where there is a recording for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from storage.errors import ConflictError, InputError, NotFoundError
from storage.progress import track
from storage.remote.remote import HALF_INSIDE, MORE_INSIDE, Remote
from storage.s3.bucket import parallel
from storage.s3.mirror import MOST_BYTES, Row
from storage.text.json_text import parse_json, well_formed

CARRIES = f"{MORE_INSIDE}: annotations"
Known = Mapping[str, Mapping[str, Any]]


def set_aside(
    remote: Remote, known: Callable[[], Known], project: int, keep: Collection[str] = ()
) -> list[Row]:
    """Set aside what is no task, before Label Studio reads the source storage.

    Args:
        remote: the branch's place in bucket and Label Studio; the mirror is brought up to date with the tasks.
        known: gives task data by series, for objects that do not say it themselves.
        project: number in Label Studio; a task that it has made of half a character already is mended.
        keep: series whose objects may carry annotations: a project is being filled.

    Returns:
        The objects, as they were; the problem says where each is now.
    """
    remote.refresh_tasks()
    # Label Studio reads what ends as its filter `\.json$` says: also before a line end.
    aside = remote.mirror.invalid(remote.tasks_prefix)
    rows = [row for row in aside if row.key.removesuffix("\n").endswith(".json")]
    odd = [row for row in rows if row.problem != CARRIES or remote.series_of_task(row.key) not in keep]
    if not odd:
        return []
    copied = [c for c in track(parallel(lambda row: _copy(remote, row), odd), "setting aside", len(odd)) if c]
    recordings = remote.series()
    fallback = {} if all(copy.fields is not None for copy in copied) else known()
    plain = {
        copy.row.key: fallback.get(series, {}) if copy.fields is None else copy.fields
        for copy in copied
        if (series := remote.series_of_task(copy.row.key)) in recordings
    }
    halves = [copy.row.key for copy in copied if copy.row.problem == HALF_INSIDE and copy.row.key in plain]
    numbers = remote.studio.task_numbers(project) if halves else {}
    for key in halves:
        if key in numbers:
            series = remote.series_of_task(key)
            remote.studio.mend_task(numbers[key], remote.task_data(series, plain[key]))

    def tidy(copy: _Copy) -> Row | None:
        key = copy.row.key
        if key not in plain:
            if remote.bucket.etag(key) == copy.row.etag:
                remote.bucket.delete([key])
        else:
            try:
                remote.put_task(remote.series_of_task(key), plain[key], match=copy.row.etag)
            except ConflictError:
                return None  # somebody has put another one there: the next refresh reads it
        return replace(copy.row, problem=f"{copy.row.problem}; it is {copy.place} now")

    moved = [row for row in parallel(tidy, copied) if row]
    if moved:
        remote.refresh_tasks()
    return moved


@dataclass(frozen=True)
class _Copy:
    """An object that was copied to its place aside, and the task data in it; None where there are none."""

    row: Row
    place: str
    fields: dict[str, Any] | None


def _copy(remote: Remote, row: Row) -> _Copy | None:
    """Copy an object; None where it is another one by now, or too large, which Label Studio may take."""
    try:
        data, etag = remote.bucket.get(row.key, MOST_BYTES)
    except (InputError, NotFoundError):
        return None
    if etag != row.etag:
        return None  # mended, or moved by another clone: the next refresh reads it
    place = remote.aside_key(row)
    remote.bucket.put(place, data)
    return _Copy(row, place, _fields(remote, row.key, data))


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
