"""The annotations of one branch: the objects in the bucket, and Label Studio's own word on whether they are all.

Label Studio writes an annotation to the bucket after saving it, so the bucket alone can lag: where that failed,
only Label Studio's database has it, and where a delete failed, only the bucket has it still.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from storage.bucket import Bucket
from storage.errors import InputError
from storage.json_text import parse_json
from storage.keys import refusal, series_key, series_of_url
from storage.labelstudio import LabelStudio, Task
from storage.mirror import Mirror, Refreshed, Row
from storage.snapshot import Record, canonical, is_number, moment, shard_name

# A task is saved right after its annotation; a longer gap means that something else happened to it.
GAP = timedelta(milliseconds=250)
# Changes are asked for again from a little before the last look: they may become visible out of order.
OVERLAP = timedelta(seconds=10)
NO_TASK = "Label Studio has no such task"
NO_RECORDING = "its task shows no recording of this bucket"


@dataclass(frozen=True)
class Look:
    """The last look at Label Studio.

    Attributes:
        newest: when the task that changed last had changed; None: nobody has looked yet.
        tasks: those that changed shortly before that, with the moment; they will be listed again.
    """

    newest: datetime | None
    tasks: Mapping[int, datetime]


class Annotations:
    """Bucket, mirror and Label Studio as the places where the annotations of one branch are.

    Args:
        branch: as keys begin with it.
        data_key: key of the task data that holds the recording's address.
    """

    def __init__(
        self, bucket: Bucket, studio: LabelStudio, mirror: Mirror, branch: str, data_key: str
    ) -> None:
        self.bucket, self.studio, self.mirror = bucket, studio, mirror
        self.prefix, self.tasks_prefix = f"{branch}/annotations/", f"{branch}/tasks/"
        self.data_key = data_key

    def refresh(self) -> Refreshed:
        """Get the objects that changed since this clone looked last."""
        return self.mirror.refresh(self.bucket, self.prefix, self._parse)

    def rows(self) -> list[Row]:
        """What the bucket held when it was looked at last."""
        return self.mirror.rows(self.prefix)

    def read(self, keys: Collection[str]) -> Refreshed:
        """Get these objects, without a look at the others."""
        return self.mirror.read(self.bucket, keys, self._parse)

    def key(self, number: int) -> str:
        """The object of an annotation."""
        return f"{self.prefix}{number}"

    def drop(self, numbers: Iterable[int]) -> None:
        """Delete the objects of annotations that Label Studio has deleted, for it leaves one behind now and then."""
        keys = [self.key(number) for number in numbers]
        self.bucket.delete(keys)
        self.mirror.forget(keys)

    def reconcile(self, project: Mapping[str, Any]) -> tuple[int, int]:
        """Find what the bucket missed, or kept too long, by asking Label Studio.

        Tasks that changed since the last look are compared; all are where counts disagree.

        Args:
            project: what Label Studio says of the project.

        Returns:
            How many annotations were added to the bucket, and how many orphans were removed from it.
        """
        number = int(project["id"])
        last = self._last_look(number)
        since = last.newest - OVERLAP if last.newest else None
        tasks = list(self.studio.tasks(number, since))
        healed, dropped = self._compare(tasks, last.tasks, everything=since is None)
        total = project["total_annotations_number"] + project["skipped_annotations_number"]
        if since is not None and total != self.mirror.count(self.prefix) + self._elsewhere():
            tasks = list(self.studio.tasks(number))
            more = self._compare(tasks, {}, everything=True)
            healed, dropped = healed + more[0], dropped + more[1]
        self._remember_look(number, tasks, last)
        return healed, dropped

    # -- the last look ----------------------------------------------------------------------------

    def _note(self, number: int) -> str:
        return f"reconciled {self.prefix} {number}"

    def _last_look(self, number: int) -> Look:
        note = self.mirror.note(self._note(number))
        if not note:
            return Look(None, {})
        tasks = {int(task): datetime.fromisoformat(moment) for task, moment in json.loads(note).items()}
        return Look(max(tasks.values()), tasks)

    def _remember_look(self, number: int, tasks: Iterable[Task], last: Look) -> None:
        seen = {**last.tasks, **{task.id: task.updated_at for task in tasks}}
        if seen == last.tasks:
            return
        newest = max(seen.values())
        recent = {task: moment.isoformat() for task, moment in seen.items() if moment > newest - OVERLAP}
        self.mirror.set_note(self._note(number), json.dumps(recent))

    # -- comparing --------------------------------------------------------------------------------

    def _elsewhere(self) -> int:
        """How many annotations are of tasks that somebody made by hand, of no recording of this bucket."""
        return sum(row.problem == NO_RECORDING for row in self.mirror.aside(self.prefix))

    def _compare(
        self, tasks: Iterable[Task], settled: Mapping[int, datetime], everything: bool
    ) -> tuple[int, int]:
        orphans: list[str] = []
        healed = 0
        users: dict[int, str] = {}
        seen: set[int] = set()
        for task in tasks:
            seen.add(task.id)
            rows = {row.value["annotation"]: row for row in self.mirror.of_task(self.prefix, task.id)}
            orphans += [row.key for number, row in rows.items() if number not in task.annotations]
            if not self._series(task):
                continue  # its annotations say nothing here: their objects are set aside and named
            # A star takes away that of the task's other annotations, and Label Studio tells the bucket of one only.
            starred = [row for row in rows.values() if row.value["record"]["ground_truth"]]
            if rows.keys() == set(task.annotations) and (
                settled.get(task.id) == task.updated_at
                or (_untouched_since(task, rows.values()) and len(starred) < 2)
            ):
                continue
            users = users or self.studio.users()
            for found in self.studio.annotations(task.id):
                known = rows.get(found["id"])
                if known is None or _is_behind(known.value["record"], found):
                    self._heal(task, found, users)
                    healed += 1
        if everything:
            orphans += self._of_deleted_tasks(self.mirror.tasks(self.prefix) - seen)
        self.bucket.delete(orphans)
        self.mirror.forget(orphans)
        return healed, len(orphans)

    def _of_deleted_tasks(self, tasks: Iterable[int]) -> list[str]:
        """Keys of what deleted tasks take along; what may be in no label commit is set aside instead, and named."""
        new = {key for found in self.mirror.moved(self.prefix).values() for key in found}
        rows = [row for task in tasks for row in self.mirror.of_task(self.prefix, task)]
        self.mirror.put(replace(row, value=None, problem=NO_TASK) for row in rows if row.key in new)
        return [row.key for row in rows if row.key not in new]

    def _heal(self, task: Task, annotation: dict[str, Any], users: dict[int, str]) -> None:
        """Write the object that Label Studio's target storage would have written."""
        series = self._series(task)
        address = {self.data_key: self.bucket.url(series_key(series)), "series": series}
        whole = annotation | {
            "completed_by": {"email": _email(annotation.get("completed_by"), users)},
            "task": {"id": task.id, "data": task.data | address},
        }
        key = self.key(annotation["id"])
        data = json.dumps(whole, ensure_ascii=False).encode()
        value = self._parse(key, data)
        etag = self.bucket.put(key, data, content_type="application/json")
        self.mirror.put([Row(key, etag, value, "")])

    def _series(self, task: Task) -> str:
        """The series that a task shows; "" for one that did not come from this bucket."""
        return str(
            task.data.get("series") or task.source.removeprefix(self.tasks_prefix).removesuffix(".json")
        )

    # -- the objects ------------------------------------------------------------------------------

    def _parse(self, key: str, data: bytes) -> dict[str, Any]:
        value = parse_json(key, data)
        task = value.get("task") if isinstance(value, dict) else None
        fields = task.get("data") if isinstance(task, dict) else None
        if not isinstance(task, dict) or not isinstance(fields, dict):
            raise InputError("not an annotation", where=key, why="it does not say which task it belongs to")
        address = fields.get(self.data_key)
        series = fields.get("series") or series_of_url(address if isinstance(address, str) else "")
        if not series:
            raise InputError("not an annotation", where=key, why=NO_RECORDING)
        why = refusal(series) if isinstance(series, str) else "the key of its series is no text"
        if why:
            raise InputError("not an annotation", where=key, why=f"it shows no recording: {why}")
        record: Record = canonical(value, series, _email(value.get("completed_by"), {}))
        if key != self.key(value["id"]):
            why = f"it says that it is annotation {value['id']}, whose place is {self.key(value['id'])}"
            raise InputError("not an annotation", where=key, why=why)
        if not is_number(task.get("id")):
            raise InputError("not an annotation", where=key, why="it does not say which task it belongs to")
        return {
            "annotation": value["id"],
            "task": task.get("id"),
            "shard": shard_name(record["series"]),
            "record": record,
        }


def _untouched_since(task: Task, rows: Iterable[Row]) -> bool:
    """Whether nothing happened to a task after its annotations were written to the bucket."""
    moments = [found for row in rows if (found := moment(row.value["record"]["updated_at"]))]
    return not moments or task.updated_at - max(moments) < GAP


def _is_behind(record: Record, found: Mapping[str, Any]) -> bool:
    """Whether the bucket's record of an annotation is older than Label Studio's word on it."""
    return bool(
        record["updated_at"] < found["updated_at"] or record["ground_truth"] != bool(found["ground_truth"])
    )


def _email(user: Any, users: Mapping[int, str]) -> str:
    """Who made an annotation: the address that it names, or the number of an account.

    Raises:
        InputError: it is neither.
    """
    if isinstance(user, dict):
        email, user = user.get("email"), user.get("id")
        if isinstance(email, str) and email:
            return email
    if user is None or is_number(user):
        return users.get(user, f"user {user}")
    raise InputError("not an annotation", why="it does not say who made it: `completed_by` is no account")
