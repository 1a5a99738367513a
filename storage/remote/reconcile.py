"""Reconciles bucket and Label Studio: finds annotations missing from the bucket, deleted, or lost by Label Studio.

Label Studio writes the object of an annotation after saving it, and deletes it after deleting it; either may fail. So
an object without an annotation is a deletion only if its task was saved after the annotation. Where the task is
older, Label Studio was restored from a backup or replaced, and has lost the annotation. Ids show the same: Label
Studio never reuses one, nor assigns a lower one later.

Only the mirror, a cache, is written.
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

# A task is saved right after its annotation; a longer gap means a later change of the task.
GAP = timedelta(milliseconds=250)
# Changes are listed again from shortly before the last comparison: they may become visible out of order.
OVERLAP = timedelta(seconds=10)
DELETED = "its annotation was deleted in Label Studio, and no label commit has it; delete the object to be rid of it"
NO_TASK = "Label Studio has no such task"


@dataclass
class Discrepancies:
    """Differences between bucket and Label Studio.

    Attributes:
        missed: the right bytes of objects that are missing or outdated in the bucket, by key.
        deleted: keys of objects whose annotations were deleted, and which a label commit has as they are.
        lost: objects whose annotations Label Studio has lost, by key.
        returned: series whose task was deleted in Label Studio and created again from the bucket.
        hidden: ids of annotations that Label Studio cannot show and that the bucket may lack or have outdated.
        unreadable: tasks whose data Label Studio cannot show.
    """

    missed: dict[str, bytes] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    lost: dict[str, Row] = field(default_factory=dict)
    returned: list[str] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)
    unreadable: list[Task] = field(default_factory=list)


@dataclass(frozen=True)
class LastComparison:
    """State of the last comparison.

    Attributes:
        newest: time of the last change of any task; None before the first comparison.
        tasks: tasks that changed shortly before that, with the time; they will be listed again.
    """

    newest: datetime | None
    tasks: Mapping[int, datetime]


def reconcile(
    annotations: Annotations, project: Mapping[str, Any], committed: Callable[[Row], bool]
) -> Discrepancies:
    """Compare the annotations in the bucket with those in Label Studio.

    Only tasks that changed since the last comparison are compared, unless the number of annotations differs.

    Args:
        annotations: of the branch; the mirror is up to date with the bucket.
        project: as Label Studio's API returns it.
        committed: whether a label commit has the content of an object.
    """
    return _Comparison(annotations, committed).run(project)


class _Comparison:
    def __init__(self, annotations: Annotations, committed: Callable[[Row], bool]) -> None:
        self.annotations, self.committed = annotations, committed
        self.mirror, self.studio, self.prefix = annotations.mirror, annotations.studio, annotations.prefix
        self.found = Discrepancies()

    def run(self, project: Mapping[str, Any]) -> Discrepancies:
        number = int(project["id"])
        last = self._last_comparison(number)
        since = last.newest - OVERLAP if last.newest else None
        tasks = list(self.studio.tasks(number, since))
        self._compare(tasks, last.tasks, everything=since is None)
        total = project["total_annotations_number"] + project["skipped_annotations_number"]
        if since is not None and total != self.mirror.count(self.prefix) + self._count_invalid():
            tasks = list(self.studio.tasks(number))
            self._compare(tasks, {}, everything=True)
        if last.newest:
            created = [task for task in tasks if task.created_at > last.newest and self._had_task(task)]
            self.found.returned = sorted(self.annotations.series_of(task) for task in created)
        self.found.unreadable = [task for task in tasks if not task.readable]
        if not (self.found.missed or self.found.hidden):
            # What is not written yet, as this run may fail, has to be found again.
            self._remember(number, tasks, last)
        return self.found

    # -- the last comparison ----------------------------------------------------------------------

    def _note(self, number: int) -> str:
        return f"reconciled {self.prefix} {number}"

    def _last_comparison(self, number: int) -> LastComparison:
        note = self.mirror.note(self._note(number))
        if not note:
            return LastComparison(None, {})
        tasks = {int(task): datetime.fromisoformat(at) for task, at in json.loads(note).items()}
        return LastComparison(max(tasks.values()), tasks)

    def _remember(self, number: int, tasks: Iterable[Task], last: LastComparison) -> None:
        seen = {**last.tasks, **{task.id: task.updated_at for task in tasks}}
        if seen == last.tasks:
            return
        newest = max(seen.values())
        recent = {task: at.isoformat() for task, at in seen.items() if at > newest - OVERLAP}
        self.mirror.set_note(self._note(number), json.dumps(recent))

    def _had_task(self, task: Task) -> bool:
        """Whether the bucket had the task's object before this comparison."""
        key = f"{self.annotations.tasks_prefix}{self.annotations.series_of(task)}.json"
        changed = self.mirror.changed(self.annotations.tasks_prefix).get("", {})
        return bool(self.mirror.at([key])) and key not in changed

    # -- comparing --------------------------------------------------------------------------------

    def _count_invalid(self) -> int:
        """Number of annotations in Label Studio with invalid objects, such as those of tasks created by hand."""
        rows = [row for row in self.mirror.invalid(self.prefix) if row.problem not in (DELETED, NO_TASK)]
        return sum(row.key.removeprefix(self.prefix).isdecimal() for row in rows)

    def _compare(self, tasks: list[Task], settled: Mapping[int, datetime], everything: bool) -> None:
        users: dict[int, str] = {}
        missing: list[tuple[Row, Task | None]] = []
        for task in tasks:
            rows = {row.value["annotation"]: row for row in self.mirror.of_task(self.prefix, task.id)}
            missing += [(row, task) for number, row in rows.items() if number not in task.annotations]
            if not self.annotations.series_of(task):
                continue  # its annotations are of no series: their objects are reported as invalid
            if rows.keys() == set(task.annotations) and (
                settled.get(task.id) == task.updated_at or _is_up_to_date(task, rows.values(), everything)
            ):
                continue
            users = users or self.studio.users()
            for annotation in self._annotations_of(task):
                known = rows.get(annotation["id"])
                if known is None or _is_outdated(known.value["record"], annotation):
                    self._add_missed(task, annotation, users)
        if everything:
            listed = {task.id for task in tasks}
            deleted = self.mirror.tasks(self.prefix) - listed
            missing += [(row, None) for task in deleted for row in self.mirror.of_task(self.prefix, task)]
        self._classify(missing, tasks)

    def _annotations_of(self, task: Task) -> list[dict[str, Any]]:
        """Annotations of a task, one by one where Label Studio cannot show the task.

        A lone surrogate in a draft, a prediction or the task's meta data is enough for that.
        """
        with suppress(BrokenResponseError):
            return self.studio.annotations(task.id)
        annotations = []
        for number in task.annotations:
            try:
                annotations.append(self.studio.annotation(number))
            except BrokenResponseError:
                rows = self.mirror.at([self.annotations.key(number)])
                if not any(row.value and row.value.get("half") for row in rows):
                    self.found.hidden.append(number)
        return [item for item in annotations if item is not None]

    def _add_missed(self, task: Task, annotation: dict[str, Any], users: Mapping[int, str]) -> None:
        key, data = (
            self.annotations.key(annotation["id"]),
            self.annotations.object_bytes(task, annotation, users),
        )
        row = self.annotations.row_of(key, data)
        if row.value is not None:
            self.mirror.put([row])
            self.found.missed[key] = data
        elif not self.mirror.at([key]):
            self.mirror.put([row])

    def _classify(self, missing: Iterable[tuple[Row, Task | None]], tasks: list[Task]) -> None:
        """Classify missing annotations: lost, deleted, or deleted without being in a label commit."""
        for row, task in missing:
            if _is_lost(row, task, tasks):
                self.found.lost[row.key] = row
            elif self.committed(row):
                self.found.deleted.append(row.key)
            else:
                self.mirror.put([replace(row, value=None, problem=DELETED if task else NO_TASK)])
        self.mirror.forget(self.found.deleted)


def _is_lost(row: Row, task: Task | None, tasks: Iterable[Task]) -> bool:
    """Whether Label Studio has lost a missing annotation, rather than deleted it."""
    record, number = row.value["record"], row.value["task"]
    saved, created = parse_time(record["updated_at"]), parse_time(record["created_at"])
    if saved is None or created is None:
        return False
    if task is not None and task.updated_at < saved:
        return True
    # A task with this id or a lower one was created after the annotation: ids were reused.
    return any(other.id <= number and other.created_at > created for other in tasks)


def _is_up_to_date(task: Task, rows: Collection[Row], everything: bool) -> bool:
    """Whether the annotations of a task in the bucket are up to date.

    Setting ground truth clears it on the task's other annotations, and Label Studio writes only one of them to the
    bucket. So a changed task with ground truth is fetched; where all tasks are compared, only one that changed after
    ground truth was set.
    """
    starred = [row for row in rows if row.value["record"]["ground_truth"]]
    if starred:
        return everything and len(starred) == 1 and _unchanged_since(task, starred)
    return _unchanged_since(task, rows)


def _unchanged_since(task: Task, rows: Iterable[Row]) -> bool:
    """Whether a task did not change after its annotations were written to the bucket."""
    times = [time for row in rows if (time := parse_time(row.value["record"]["updated_at"]))]
    return not times or task.updated_at - max(times) < GAP


def _is_outdated(record: Record, annotation: Mapping[str, Any]) -> bool:
    """Whether the bucket's record of an annotation is outdated."""
    return bool(
        record["updated_at"] < annotation["updated_at"]
        or record["ground_truth"] != bool(annotation["ground_truth"])
    )
