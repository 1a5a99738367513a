"""Sets aside invalid objects among those that Label Studio creates tasks from.

Label Studio 1.23.2 reads them in the order of their keys and stops at the first that it cannot parse (NaN, no JSON):
no task is created from those behind it. Other invalid ones break its list of tasks, or hold unchecked content. So an
object that is not just the data of one task is copied to `<branch>/set-aside/tasks/`, and is replaced by a valid one
where there is a recording for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from storage.errors import ConflictError, InputError, NotFoundError
from storage.progress import track
from storage.remote.remote import MORE_INSIDE, SURROGATE_INSIDE, Remote
from storage.s3.bucket import parallel
from storage.s3.mirror import MOST_BYTES, Row
from storage.text.json_text import parse_json, well_formed

WITH_ANNOTATIONS = f"{MORE_INSIDE}: annotations"
TaskData = Mapping[str, Mapping[str, Any]]


def set_aside(
    remote: Remote, known: Callable[[], TaskData], project: int, keep: Collection[str] = ()
) -> list[Row]:
    """Set aside invalid task objects, before Label Studio reads the source storage.

    Args:
        remote: the branch in bucket and Label Studio; the mirror is brought up to date with the tasks.
        known: returns task data by series, for objects without readable data.
        project: number in Label Studio; a task that it has created with a lone surrogate is repaired.
        keep: series whose objects may hold annotations, while a project is being populated.

    Returns:
        The objects as they were; `problem` says where each is now.
    """
    remote.refresh_tasks()
    # Label Studio reads what ends as its filter `\.json$` says: also before a line end.
    rows = remote.mirror.invalid(remote.tasks_prefix)
    rows = [row for row in rows if row.key.removesuffix("\n").endswith(".json")]
    invalid = [r for r in rows if r.problem != WITH_ANNOTATIONS or remote.series_of_task(r.key) not in keep]
    if not invalid:
        return []
    copies = track(parallel(lambda row: _copy(remote, row), invalid), "setting aside", len(invalid))
    copied = [copy for copy in copies if copy]
    recordings = remote.series()
    fallback = {} if all(copy.fields is not None for copy in copied) else known()
    replacements = {
        copy.row.key: fallback.get(series, {}) if copy.fields is None else copy.fields
        for copy in copied
        if (series := remote.series_of_task(copy.row.key)) in recordings
    }
    broken = [c.row.key for c in copied if c.row.problem == SURROGATE_INSIDE and c.row.key in replacements]
    numbers = remote.studio.task_numbers(project) if broken else {}
    for key in broken:
        if key in numbers:
            series = remote.series_of_task(key)
            remote.studio.repair_task(numbers[key], remote.task_data(series, replacements[key]))

    def replace_or_delete(copy: _Copy) -> Row | None:
        key = copy.row.key
        if key not in replacements:
            if remote.bucket.etag(key) == copy.row.etag:
                remote.bucket.delete([key])
        else:
            try:
                remote.put_task(remote.series_of_task(key), replacements[key], match=copy.row.etag)
            except ConflictError:
                return None  # replaced by somebody else: the next refresh reads it
        return replace(copy.row, problem=f"{copy.row.problem}; it is {copy.place} now")

    moved = [row for row in parallel(replace_or_delete, copied) if row]
    if moved:
        remote.refresh_tasks()
    return moved


@dataclass(frozen=True)
class _Copy:
    """The copy of an object that is set aside, and the task data in it; None where it has none."""

    row: Row
    place: str
    fields: dict[str, Any] | None


def _copy(remote: Remote, row: Row) -> _Copy | None:
    """Copy an object; None where it has changed, or is too large."""
    try:
        data, etag = remote.bucket.get(row.key, MOST_BYTES)
    except (InputError, NotFoundError):
        return None
    if etag != row.etag:
        return None  # repaired or moved by another clone: the next refresh reads it
    key = remote.aside_key(row)
    remote.bucket.put(key, data)
    return _Copy(row, key, _fields(remote, row.key, data))


def task_data(remote: Remote, key: str) -> dict[str, Any] | None:
    """The task data in an object, also one with more in it; None where it has no valid data."""
    try:
        return _fields(remote, key, remote.bucket.get(key, MOST_BYTES)[0])
    except (InputError, NotFoundError):
        return None


def _fields(remote: Remote, key: str, data: bytes) -> dict[str, Any] | None:
    try:
        return remote.task_fields(key, well_formed(parse_json(key, data)))
    except InputError:
        return None
