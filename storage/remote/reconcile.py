"""Compares bucket and Label Studio: annotations that the bucket missed, people deleted or Label Studio lost.

Label Studio writes an annotation's object after saving it, and deletes it after deleting it; either may fail. So an
object whose annotation is gone is no deletion by itself. It is one where the task was saved after the annotation was.
Where the task is older than the annotation, Label Studio was put back to an earlier state, or exchanged: it never
deleted anything, it has lost it. Numbers show the same: Label Studio never gives one twice, or a lower one later.

Nothing is written here but the mirror, which is a cache.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from storage.label_studio.client import Task
from storage.label_studio.session import BrokenResponseError
from storage.labels.snapshot import Record, parse_time
from storage.remote.annotations import Annotations
from storage.s3.mirror import Row

# A task is saved right after its annotation; a longer gap means that something else happened to it.
GAP = timedelta(milliseconds=250)
# Changes are fetched again from a little before the last look: they may become visible out of order.
OVERLAP = timedelta(seconds=10)
DELETED = "its annotation was deleted in Label Studio, and no label commit has it; delete the object to be rid of it"
NO_TASK = "Label Studio has no such task"


@dataclass
class Found:
    """What a comparison found.

    Attributes:
        missed: objects that the bucket lacks or has in an older version, as they should be, by key.
        deleted: keys of objects whose annotations people deleted, and which a label commit has as they are.
        lost: objects whose annotations Label Studio has lost, by key.
        returned: series whose task was deleted in Label Studio and has been made anew from the bucket.
        hidden: numbers of annotations that Label Studio cannot show and the bucket may lack, or have as they were.
        unreadable: tasks whose data Label Studio cannot show.
    """

    missed: dict[str, bytes] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    lost: dict[str, Row] = field(default_factory=dict)
    returned: list[str] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)
    unreadable: list[Task] = field(default_factory=list)


@dataclass(frozen=True)
class Look:
    """The last look at Label Studio.

    Attributes:
        newest: when the task that changed last had changed; None: nobody has looked yet.
        tasks: those that changed shortly before that, with the moment; they will be listed again.
    """

    newest: datetime | None
    tasks: Mapping[int, datetime]


def reconcile(
    annotations: Annotations, project: Mapping[str, Any], committed: Callable[[Row], bool]
) -> Found:
    """Find annotations that the bucket missed, or still has, by comparing it with Label Studio.

    Tasks that changed since the last look are compared; all are where counts disagree.

    Args:
        annotations: of the branch; the mirror is up to date with the bucket.
        project: as Label Studio's API returns it.
        committed: whether a label commit has the content of an object.
    """
    return _Comparison(annotations, committed).run(project)


class _Comparison:
    def __init__(self, annotations: Annotations, committed: Callable[[Row], bool]) -> None:
        self.at, self.committed = annotations, committed
        self.mirror, self.studio = annotations.mirror, annotations.studio
        self.found = Found()

    def run(self, project: Mapping[str, Any]) -> Found:
        number = int(project["id"])
        last = self._last_look(number)
        since = last.newest - OVERLAP if last.newest else None
        tasks = list(self.studio.tasks(number, since))
        self._compare(tasks, last.tasks, everything=since is None)
        total = project["total_annotations_number"] + project["skipped_annotations_number"]
        if since is not None and total != self.mirror.count(self.at.prefix) + self._count_invalid():
            tasks = list(self.studio.tasks(number))
            self._compare(tasks, {}, everything=True)
        if last.newest:
            created = [task for task in tasks if task.created_at > last.newest and self._had_task(task)]
            self.found.returned = sorted(self.at.series_of(task) for task in created)
        self.found.unreadable = [task for task in tasks if not task.readable]
        if not (self.found.missed or self.found.hidden):
            # What nobody has written yet, for this may be refused or cut off, is to be found again.
            self._remember_look(number, tasks, last)
        return self.found

    # -- the last look ----------------------------------------------------------------------------

    def _note(self, number: int) -> str:
        return f"reconciled {self.at.prefix} {number}"

    def _last_look(self, number: int) -> Look:
        note = self.mirror.note(self._note(number))
        if not note:
            return Look(None, {})
        tasks = {int(task): datetime.fromisoformat(at) for task, at in json.loads(note).items()}
        return Look(max(tasks.values()), tasks)

    def _remember_look(self, number: int, tasks: Iterable[Task], last: Look) -> None:
        seen = {**last.tasks, **{task.id: task.updated_at for task in tasks}}
        if seen == last.tasks:
            return
        newest = max(seen.values())
        recent = {task: at.isoformat() for task, at in seen.items() if at > newest - OVERLAP}
        self.mirror.set_note(self._note(number), json.dumps(recent))

    def _had_task(self, task: Task) -> bool:
        """Whether the bucket had a task's object before this look: the task was there once."""
        key = f"{self.at.tasks_prefix}{self.at.series_of(task)}.json"
        changed = self.mirror.changed(self.at.tasks_prefix).get("", {})
        return bool(self.mirror.at([key])) and key not in changed

    # -- comparing --------------------------------------------------------------------------------

    def _count_invalid(self) -> int:
        """How many annotations Label Studio has whose objects are invalid, such as those of tasks made by hand."""
        aside = [row for row in self.mirror.invalid(self.at.prefix) if row.problem not in (DELETED, NO_TASK)]
        return sum(row.key.removeprefix(self.at.prefix).isdecimal() for row in aside)

    def _compare(self, tasks: list[Task], settled: Mapping[int, datetime], everything: bool) -> None:
        users: dict[int, str] = {}
        gone: list[tuple[Row, Task | None]] = []
        for task in tasks:
            rows = {row.value["annotation"]: row for row in self.mirror.of_task(self.at.prefix, task.id)}
            gone += [(row, task) for number, row in rows.items() if number not in task.annotations]
            if not self.at.series_of(task):
                continue  # its annotations are of no series here: their objects are set aside and named
            if rows.keys() == set(task.annotations) and (
                settled.get(task.id) == task.updated_at or _is_as_written(task, rows.values(), everything)
            ):
                continue
            users = users or self.studio.users()
            for found in self._annotations(task):
                known = rows.get(found["id"])
                if known is None or _is_behind(known.value["record"], found):
                    self._add_missed(task, found, users)
        if everything:
            there = {task.id for task in tasks}
            lacking = self.mirror.tasks(self.at.prefix) - there
            gone += [(row, None) for task in lacking for row in self.mirror.of_task(self.at.prefix, task)]
        self._classify(gone, tasks)

    def _annotations(self, task: Task) -> list[dict[str, Any]]:
        """Annotations of a task, one by one where Label Studio cannot show the task.

        Half a character in a draft, a prediction or the task's meta data is enough for that.
        """
        with suppress(BrokenResponseError):
            return self.studio.annotations(task.id)
        found = []
        for number in task.annotations:
            try:
                found.append(self.studio.annotation(number))
            except BrokenResponseError:
                rows = self.mirror.at([self.at.key(number)])
                if not any(row.value and row.value.get("half") for row in rows):
                    self.found.hidden.append(number)
        return [item for item in found if item is not None]

    def _add_missed(self, task: Task, annotation: dict[str, Any], users: Mapping[int, str]) -> None:
        key, data = self.at.key(annotation["id"]), self.at.object_of(task, annotation, users)
        row = self.at.row_of(key, data)
        if row.value is not None:
            self.mirror.put([row])
            self.found.missed[key] = data
        elif not self.mirror.at([key]):
            self.mirror.put([row])

    def _classify(self, gone: Iterable[tuple[Row, Task | None]], tasks: list[Task]) -> None:
        """Sort what is gone into lost, deleted, and deleted without being in a label commit."""
        for row, task in gone:
            if _is_lost(row, task, tasks):
                self.found.lost[row.key] = row
            elif self.committed(row):
                self.found.deleted.append(row.key)
            else:
                self.mirror.put([replace(row, value=None, problem=DELETED if task else NO_TASK)])
        self.mirror.forget(self.found.deleted)


def _is_lost(row: Row, task: Task | None, tasks: Iterable[Task]) -> bool:
    """Whether an annotation that Label Studio has not was lost by it, rather than deleted in it."""
    record, number = row.value["record"], row.value["task"]
    saved, made = parse_time(record["updated_at"]), parse_time(record["created_at"])
    if saved is None or made is None:
        return False
    if task is not None and task.updated_at < saved:
        return True
    # A task with this number, or a lower one, that was made after the annotation: the number came a second time.
    return any(other.id <= number and other.created_at > made for other in tasks)


def _is_as_written(task: Task, rows: Collection[Row], everything: bool) -> bool:
    """Whether the annotations of a task in the bucket are up to date.

    A star takes away that of the task's other annotations, and Label Studio tells the bucket of one only; which may
    have been deleted since. So a task with a star that changed is fetched; where all tasks are looked at, one to
    which something happened after the star was given.
    """
    starred = [row for row in rows if row.value["record"]["ground_truth"]]
    if starred:
        return everything and len(starred) == 1 and _untouched_since(task, starred)
    return _untouched_since(task, rows)


def _untouched_since(task: Task, rows: Iterable[Row]) -> bool:
    """Whether nothing happened to a task after its annotations were written to the bucket."""
    moments = [found for row in rows if (found := parse_time(row.value["record"]["updated_at"]))]
    return not moments or task.updated_at - max(moments) < GAP


def _is_behind(record: Record, found: Mapping[str, Any]) -> bool:
    """Whether the bucket's record of an annotation is older than the one in Label Studio."""
    return bool(
        record["updated_at"] < found["updated_at"] or record["ground_truth"] != bool(found["ground_truth"])
    )
