"""Bucket and Label Studio as a remote work tree: what they hold now, and what they held at the last sync.

`<branch>/sync.json` in the bucket is the base of the three-way comparison. It is written last and only if it is
still the one that was read, so it is also the lease that keeps two people's syncs apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from storage.bucket import Bucket
from storage.errors import InputError, NotFoundError
from storage.labelstudio import LabelStudio, Task
from storage.mirror import Mirror, Row
from storage.snapshot import Record, canonical

VERSION = 1
HISTORY = 100  # syncs that a clone may be behind and still know what it missed
SERIES = "series/"
# A task is saved right after its annotation; a longer gap means that something else happened to it.
GAP = timedelta(milliseconds=250)
# Changes are asked for again from a little before the last look: they may become visible out of order.
OVERLAP = timedelta(seconds=10)


@dataclass(frozen=True)
class State:
    """`sync.json`: what bucket, Label Studio and label commit agreed on.

    Attributes:
        project: id of the branch's Label Studio project.
        labels: hash of the label snapshot; "" before the first sync.
        series: hash of the folder of recordings.
        label_config: hash of the label config.
        history: (labels, series) of earlier syncs, newest first: the base for a clone that is behind.
        ids: annotations that were created again, by their new id, with the record id they keep.
        etag: of the object itself; "" where it is not there yet.
    """

    project: int
    labels: str = ""
    series: str = ""
    label_config: str = ""
    history: tuple[tuple[str, str], ...] = ()
    ids: dict[str, str] = field(default_factory=dict)
    etag: str = ""


@dataclass(frozen=True)
class Theirs:
    """What bucket and Label Studio hold now.

    Attributes:
        labels: records by id.
        tasks: task data by series key, without the recording's address.
        series: ETag by series key.
        aside: objects that say nothing, with the reason: they are left where they are.
        healed: annotations that the bucket had missed.
        moved: something differs, or may differ, from what this clone saw agree at the end of a sync.
    """

    labels: dict[str, Record]
    tasks: dict[str, dict[str, Any]]
    series: dict[str, str]
    aside: list[Row]
    healed: int
    moved: bool


class Remote:
    """One branch's side of bucket and Label Studio.

    Args:
        prefix: the branch, as keys begin with it.
        data_key: key of the task data that holds the recording's address.
    """

    def __init__(
        self, bucket: Bucket, studio: LabelStudio, mirror: Mirror, prefix: str, data_key: str
    ) -> None:
        self.bucket, self.studio, self.mirror = bucket, studio, mirror
        self.prefix, self.data_key = prefix, data_key
        self.tasks_prefix = f"{prefix}/tasks/"
        self.annotations_prefix = f"{prefix}/annotations/"
        self.state_key = f"{prefix}/sync.json"
        self._agreed = f"agreed {prefix}"

    # -- sync.json --------------------------------------------------------------------------------

    def state(self) -> State | None:
        """Read `sync.json`; None where this branch has no project yet.

        Raises:
            InputError: a newer Labeltrail wrote it, or it is damaged.
        """
        try:
            data, etag = self.bucket.get(self.state_key)
        except NotFoundError:
            return None
        where = self.bucket.url(self.state_key)
        try:
            value = json.loads(data)
            if value.pop("version") > VERSION:
                raise InputError(
                    "this project was synced by a newer Labeltrail", where=where, cure="git pull"
                )
            value["history"] = tuple((labels, series) for labels, series in value["history"])
            return State(**value, etag=etag)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            why = f"{type(error).__name__}: {error}"
            raise InputError(
                "sync.json is damaged", where=where, why=why, cure="labeltrail doctor"
            ) from error

    @staticmethod
    def follow(state: State, labels: str, series: str) -> State:
        """The state after a sync that ended in these hashes; the one before it becomes history."""
        before = (state.labels, state.series)
        if before == (labels, series):
            return state
        history = (before, *state.history) if state.labels else state.history
        return replace(state, labels=labels, series=series, history=history[:HISTORY])

    def write_state(self, state: State) -> State:
        """Write `sync.json` if it is still the one that `state` was made from.

        Raises:
            ConflictError: somebody else synced in the meantime.
        """
        value = {k: v for k, v in asdict(state).items() if k != "etag"} | {"version": VERSION}
        text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
        etag = self.bucket.put(
            self.state_key, text.encode(), match=state.etag, content_type="application/json"
        )
        return replace(state, etag=etag)

    def agree(self, state: State, theirs: Theirs) -> None:
        """Remember that this clone saw bucket, Label Studio and label commit agree, as `state` says."""
        self.mirror.set_note(self._agreed, _seen(state, theirs.series))

    # -- recordings and tasks ---------------------------------------------------------------------

    def series(self) -> dict[str, str]:
        """ETag of every recording in the bucket, by series key."""
        found = self.bucket.objects(SERIES)
        return {series_of(item.key): item.etag for item in found if item.key.endswith(".csv")}

    def put_task(self, series: str, data: dict[str, Any]) -> None:
        """Write the object that Label Studio makes a task of."""
        body = {"data": {**data, "series": series, self.data_key: self.bucket.url(series_key(series))}}
        text = json.dumps(body, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
        self.bucket.put(f"{self.tasks_prefix}{series}.json", text.encode(), content_type="application/json")

    def _parse_task(self, key: str, data: bytes) -> dict[str, Any]:
        try:
            value = json.loads(data)
            fields = dict(value.get("data", value))
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError("not a task", where=key, why=f"not a JSON object: {error}") from error
        return {k: v for k, v in fields.items() if k not in ("series", self.data_key)}

    # -- annotations ------------------------------------------------------------------------------

    def theirs(self, state: State) -> Theirs:
        """Look at bucket and Label Studio; gets only what changed since this clone looked last."""
        agreed = self.mirror.note(self._agreed)
        # Gone while somebody looks and acts on it, so that a run that was killed is not taken for one that ended.
        self.mirror.set_note(self._agreed, "")
        series = self.series()
        tasks = self.mirror.refresh(self.bucket, self.tasks_prefix, self._parse_task)
        known = {row.key: row for row in self.mirror.rows(self.tasks_prefix)}
        missing = sorted(key for key in series if f"{self.tasks_prefix}{key}.json" not in known)
        for key in missing:
            self.put_task(key, {})
        if missing:
            self.mirror.refresh(self.bucket, self.tasks_prefix, self._parse_task)
        sources, _ = self.studio.storages(state.project)
        project = self.studio.project(state.project)
        if missing or tasks.changed or project["task_number"] < len(known):
            for source in sources:
                self.studio.sync_source(source["id"])
        annotations = self.mirror.refresh(self.bucket, self.annotations_prefix, self._parse_annotation)
        healed, dropped = self._reconcile(state)
        rows = self.mirror.rows(self.annotations_prefix)
        task_rows = self.mirror.rows(self.tasks_prefix)
        labels = {}
        for row in rows:
            if row.value is not None:
                record = row.value["record"]
                record["id"] = state.ids.get(str(row.value["annotation"]), record["id"])
                labels[record["id"]] = record
        seen = (tasks, annotations)
        return Theirs(
            labels=labels,
            tasks={self._task_series(row.key): row.value for row in task_rows if row.value is not None},
            series=series,
            aside=[row for row in (*rows, *task_rows) if row.value is None],
            healed=healed,
            moved=bool(
                agreed != _seen(state, series)
                or missing
                or healed
                or dropped
                or any(r.changed or r.gone for r in seen)
            ),
        )

    def _task_series(self, key: str) -> str:
        return key.removeprefix(self.tasks_prefix).removesuffix(".json")

    def _parse_annotation(self, key: str, data: bytes) -> dict[str, Any]:
        try:
            value = json.loads(data)
        except ValueError as error:
            raise InputError("not an annotation", where=key, why=f"not JSON: {error}") from error
        task = value.get("task") if isinstance(value, dict) else None
        fields = task.get("data") if isinstance(task, dict) else None
        if not isinstance(task, dict) or not isinstance(fields, dict):
            raise InputError("not an annotation", where=key, why="it does not say which task it belongs to")
        series = fields.get("series") or series_of_url(str(fields.get(self.data_key, "")))
        if not series:
            raise InputError("not an annotation", where=key, why="its task shows no recording of this bucket")
        record = canonical(value, series, _email(value.get("completed_by"), {}))
        return {"annotation": value["id"], "task": task.get("id"), "record": record}

    def _reconcile(self, state: State) -> tuple[int, int]:
        """Find what the bucket missed, or kept too long, by asking Label Studio.

        Label Studio writes an annotation to the bucket after saving it; where that failed, only its own
        database has it. Tasks that changed since the last look are compared; all are where counts disagree.

        Returns:
            How many annotations were added to the bucket, and how many orphans were removed from it.
        """
        note = f"reconciled {self.prefix} {state.project}"
        last = self.mirror.note(note)
        since = datetime.fromisoformat(last) - OVERLAP if last else None
        project = self.studio.project(state.project)
        total = project["total_annotations_number"] + project["skipped_annotations_number"]
        tasks = list(self.studio.tasks(state.project, since))
        healed, dropped = self._compare(tasks, everything=since is None)
        if since is not None and total != len(self._rows_by_annotation()):
            tasks = list(self.studio.tasks(state.project))
            more = self._compare(tasks, everything=True)
            healed, dropped = healed + more[0], dropped + more[1]
        if tasks:
            newest = max(task.updated_at for task in tasks)
            if not last or newest > datetime.fromisoformat(last):
                self.mirror.set_note(note, newest.isoformat())
        return healed, dropped

    def _rows_by_annotation(self) -> dict[int, Row]:
        rows = self.mirror.rows(self.annotations_prefix)
        return {row.value["annotation"]: row for row in rows if row.value is not None}

    def _compare(self, tasks: Iterable[Task], everything: bool) -> tuple[int, int]:
        rows = self._rows_by_annotation()
        by_task: dict[int, set[int]] = {}
        for annotation, row in rows.items():
            by_task.setdefault(row.value["task"], set()).add(annotation)
        orphans: set[int] = set()
        healed = 0
        users: dict[int, str] = {}
        for task in tasks:
            have = by_task.pop(task.id, set())
            orphans |= have - set(task.annotations)
            moments = [datetime.fromisoformat(rows[a].value["record"]["updated_at"]) for a in have]
            if have == set(task.annotations) and (not have or task.updated_at - max(moments) < GAP):
                continue
            users = users or self.studio.users()
            for found in self.studio.annotations(task.id):
                known = rows.get(found["id"])
                if known and known.value["record"]["updated_at"] >= found["updated_at"]:
                    continue
                healed += self._heal(task, found, users)
        if everything:  # a deleted task takes its annotations along
            orphans |= {annotation for found in by_task.values() for annotation in found}
        keys = [rows[annotation].key for annotation in sorted(orphans)]
        self.bucket.delete(keys)
        self.mirror.forget(keys)
        return healed, len(keys)

    def _heal(self, task: Task, annotation: dict[str, Any], users: dict[int, str]) -> int:
        """Write the object that Label Studio's target storage would have written."""
        series = str(task.data.get("series") or self._task_series(task.source))
        address = {self.data_key: self.bucket.url(series_key(series)), "series": series}
        whole = annotation | {
            "completed_by": {"email": _email(annotation.get("completed_by"), users)},
            "task": {"id": task.id, "data": task.data | address},
        }
        key = f"{self.annotations_prefix}{annotation['id']}"
        data = json.dumps(whole, ensure_ascii=False).encode()
        value = self._parse_annotation(key, data)
        etag = self.bucket.put(key, data, content_type="application/json")
        self.mirror.put([Row(key, etag, value, "")])
        return 1


def series_key(series: str) -> str:
    """Key of a recording in the bucket."""
    return f"{SERIES}{series}.csv"


def series_of(key: str) -> str:
    """The series key of a recording's object."""
    return key.removeprefix(SERIES).removesuffix(".csv")


def series_of_url(url: str) -> str:
    """The series key of `s3://bucket/series/<key>.csv`; "" for any other address."""
    _, found, key = url.partition(f"/{SERIES}")
    return key.removesuffix(".csv") if found and url.startswith("s3://") else ""


def _seen(state: State, series: dict[str, str]) -> str:
    """A word that stands for one state of `sync.json` and of the recordings in the bucket."""
    listing = json.dumps([state.etag, series], sort_keys=True).encode()
    return hashlib.md5(listing, usedforsecurity=False).hexdigest()


def _email(user: Any, users: dict[int, str]) -> str:
    if isinstance(user, dict):
        return str(user.get("email") or f"user {user.get('id')}")
    return users.get(user, f"user {user}")
