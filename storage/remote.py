"""Bucket and Label Studio as a remote work tree: what they hold now, and what they held at the last sync.

`<branch>/sync.json` in the bucket is the base of the three-way comparison. It is written last and only if it is
still the one that was read, so it is also the lease that keeps two people's syncs apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from storage.annotations import Annotations
from storage.bucket import Bucket
from storage.errors import InputError, NotFoundError
from storage.keys import SERIES, series_key, series_of
from storage.labelstudio import LabelStudio
from storage.mirror import Mirror, Refreshed, Row
from storage.snapshot import Record

VERSION = 1
HISTORY = 100  # syncs that a clone may be behind and still know what it missed


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
        self.annotations = Annotations(bucket, studio, mirror, prefix, data_key)
        self.tasks_prefix, self.annotations_prefix = self.annotations.tasks_prefix, self.annotations.prefix
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

    # -- the project in Label Studio --------------------------------------------------------------

    @property
    def mark(self) -> str:
        """What stands in the project's description, to say whose it is."""
        return f"Labeltrail: {self.bucket.url(self.prefix)}"

    def project(self, state: State) -> dict[str, Any]:
        """What Label Studio says of this branch's project.

        Raises:
            NotFoundError: it is gone, or it is another one: another Label Studio gives the same numbers to other
                projects, and all annotations in the bucket would seem to have been deleted in it.
        """
        number = state.project
        try:
            project = self.studio.project(number)
        except NotFoundError as error:
            raise NotFoundError(
                f"the Label Studio project of this branch, number {number}, is gone",
                where=self.studio.url,
                why="it was deleted or never finished, or Label Studio began with a new database; "
                "git and bucket still have the labels",
                cure="labeltrail restore makes it anew (or mend LABEL_STUDIO_URL)",
            ) from error
        if self.bucket.url(self.prefix) in str(project["description"]).split():
            return project
        wanted = (self.bucket.name, self.tasks_prefix.rstrip("/"))
        for storage in self.studio.storages(number)[0]:
            if (storage["bucket"], str(storage["prefix"] or "").rstrip("/")) == wanted:
                return project
        raise NotFoundError(
            f"project {number} in Label Studio is not this branch's",
            where=f"{self.studio.url}/projects/{number}",
            why=f"neither its description nor a source storage of it names {self.bucket.url(self.prefix)}",
            cure="check LABEL_STUDIO_URL: nothing was written",
        )

    # -- recordings and tasks ---------------------------------------------------------------------

    def series(self) -> dict[str, str]:
        """ETag of every recording in the bucket, by series key."""
        found = self.bucket.objects(SERIES)
        return {series_of(item.key): item.etag for item in found if item.key.endswith(".csv")}

    def put_task(self, series: str, data: Mapping[str, Any], annotations: Sequence[Any] = ()) -> None:
        """Write the object that Label Studio makes a task of."""
        body = self.task_object(series, data, annotations)
        self.bucket.put(self.task_key(series), body, content_type="application/json")

    def task_key(self, series: str) -> str:
        """Key of a series' task in the bucket."""
        return f"{self.tasks_prefix}{series}.json"

    def task_object(self, series: str, data: Mapping[str, Any], annotations: Sequence[Any] = ()) -> bytes:
        """What Label Studio makes a task of, with the annotations that it begins with."""
        address = {"series": series, self.data_key: self.bucket.url(series_key(series))}
        body: dict[str, Any] = {"data": {**data, **address}}
        if annotations:
            body["annotations"] = list(annotations)
        return (json.dumps(body, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()

    def _parse_task(self, key: str, data: bytes) -> dict[str, Any]:
        try:
            value = json.loads(data)
            fields = dict(value.get("data", value))
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError("not a task", where=key, why=f"not a JSON object: {error}") from error
        return {k: v for k, v in fields.items() if k not in ("series", self.data_key)}

    # -- both together ----------------------------------------------------------------------------

    def theirs(self, state: State, project: Mapping[str, Any]) -> Theirs:
        """Look at bucket and Label Studio; gets only what changed since this clone looked last.

        Args:
            state: which project in Label Studio, and what was agreed on.
            project: what Label Studio says of the project.
        """
        agreed = self.mirror.note(self._agreed)
        # Gone while somebody looks and acts on it, so that a run that was killed is not taken for one that ended.
        self.mirror.set_note(self._agreed, "")
        series = self.series()
        tasks, missing = self._refresh_tasks(series)
        task_rows = self.mirror.rows(self.tasks_prefix)
        if missing or tasks.changed or project["task_number"] < len(task_rows):
            for source in self.studio.storages(state.project)[0]:
                self.studio.sync_source(source["id"])
        annotations = self.annotations.refresh()
        healed, dropped = self.annotations.reconcile(project)
        rows = self.annotations.rows()
        changed = any(seen.changed or seen.gone for seen in (tasks, annotations))
        return Theirs(
            labels=_labels(rows, state.ids),
            tasks={self._task_series(row.key): row.value for row in task_rows if row.value is not None},
            series=series,
            aside=[row for row in (*rows, *task_rows) if row.value is None],
            healed=healed,
            moved=bool(agreed != _seen(state, series) or missing or healed or dropped or changed),
        )

    def _refresh_tasks(self, series: Mapping[str, str]) -> tuple[Refreshed, int]:
        """Tasks that changed, and how many recordings had none yet and have one now."""
        tasks = self.mirror.refresh(self.bucket, self.tasks_prefix, self._parse_task)
        known = self.mirror.etags(self.tasks_prefix)
        missing = sorted(key for key in series if f"{self.tasks_prefix}{key}.json" not in known)
        for key in missing:
            self.put_task(key, {})
        if missing:
            self.mirror.refresh(self.bucket, self.tasks_prefix, self._parse_task)
        return tasks, len(missing)

    def _task_series(self, key: str) -> str:
        return key.removeprefix(self.tasks_prefix).removesuffix(".json")


def _labels(rows: Iterable[Row], ids: Mapping[str, str]) -> dict[str, Record]:
    """The records of the annotations, those that were made again under the id that they keep."""
    labels = {}
    for row in rows:
        if row.value is not None:
            record = row.value["record"]
            record["id"] = ids.get(str(row.value["annotation"]), record["id"])
            labels[record["id"]] = record
    return labels


def _seen(state: State, series: dict[str, str]) -> str:
    """A word that stands for one state of `sync.json` and of the recordings in the bucket."""
    listing = json.dumps([state.etag, series], sort_keys=True).encode()
    return hashlib.md5(listing, usedforsecurity=False).hexdigest()
