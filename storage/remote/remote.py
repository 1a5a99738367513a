"""The remote of a branch: its tasks, annotations, project and state in bucket and Label Studio."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from storage.errors import InputError, NotFoundError
from storage.files import json_bytes, md5_bytes
from storage.label_studio.client import LabelStudio
from storage.printable import shortened
from storage.progress import track
from storage.remote.annotations import Annotations
from storage.remote.sync_state import LARGEST, DamagedStateError, State, parse
from storage.s3.bucket import Bucket, parallel
from storage.s3.keys import MD5, SERIES, is_storable, key_problem, path_collisions, series_key, series_of
from storage.s3.mirror import Content, Mirror, Row
from storage.text.json_text import DEEPEST, has_lone_surrogate, is_deep, parse_json, well_formed

MORE_INSIDE = "it holds more than a task's data"
SURROGATE_INSIDE = "it holds a lone surrogate (half a character)"


class Remote:
    """One branch in bucket and Label Studio.

    Args:
        prefix: the branch, as prefix of keys.
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
        self.aside_prefix = f"{prefix}/set-aside/"

    # -- sync.json --------------------------------------------------------------------------------

    def state(self) -> State | None:
        """Read `sync.json`; None where this branch has no project yet.

        Raises:
            InputError: a newer Labeltrail wrote it, or it is invalid.
        """
        try:
            data, etag = self.bucket.get(self.state_key, LARGEST)
        except NotFoundError:
            return None
        except InputError as error:
            objects = self.bucket.objects(self.state_key)
            etag = next(item.etag for item in objects if item.key == self.state_key)
            raise DamagedStateError(error.where, error.why, etag) from error
        return parse(data, etag, self.bucket.url(self.state_key))

    def write_state(self, state: State) -> State:
        """Write `sync.json` if it is unchanged since `state` was read (conditional put).

        Raises:
            ConflictError: somebody else synced in the meantime.
        """
        key, kind = self.state_key, "application/json"
        etag = self.bucket.put(key, state.dump(), match=state.etag, content_type=kind)
        return replace(state, etag=etag)

    # -- the project in Label Studio --------------------------------------------------------------

    @property
    def description(self) -> str:
        """The project's description, which names its branch."""
        return f"Labeltrail: {self.bucket.url(self.prefix)}"

    def find_or_create_project(self, clone: str, label_config: str) -> int:
        """Number of this branch's project; an interrupted run's is found by its description."""
        found = self.studio.projects.find_by_description(self.bucket.url(self.prefix))
        title = f"{clone} {self.prefix}"
        return found[0] if found else self.studio.projects.create(title, self.description, label_config)

    def project(self, state: State) -> dict[str, Any]:
        """This branch's project, as Label Studio's API returns it.

        Raises:
            NotFoundError: it does not exist, or the id is that of another project, as on another Label Studio, where
                all annotations would seem to be deleted.
        """
        number = state.project
        try:
            project = self.studio.projects.get(number)
        except NotFoundError as error:
            raise NotFoundError(
                f"the Label Studio project of this branch, number {number}, is gone",
                where=self.studio.session.url,
                why="it was deleted or never finished, or Label Studio began with a new database; "
                "git and bucket still have the labels",
                cure="labeltrail restore makes it anew (or mend LABEL_STUDIO_URL)",
            ) from error
        if self.bucket.url(self.prefix) in str(project["description"]).split():
            return project
        wanted = (self.bucket.name, self.tasks_prefix.rstrip("/"))
        for storage in self.studio.projects.storages(number)[0]:
            if (storage["bucket"], str(storage["prefix"] or "").rstrip("/")) == wanted:
                return project
        what = f"project {number} in Label Studio is not this branch's"
        where = f"{self.studio.session.url}/projects/{number}"
        why = f"neither its description nor a source storage of it names {self.bucket.url(self.prefix)}"
        raise NotFoundError(what, where=where, why=why, cure="check LABEL_STUDIO_URL: nothing was written")

    # -- recordings and tasks ---------------------------------------------------------------------

    def series(self) -> dict[str, str]:
        """ETag of every recording in the bucket, by series key."""
        return self.recordings()[0]

    def recordings(self) -> tuple[dict[str, str], list[Row]]:
        """ETag of every recording in the bucket, by series key, and rows of those with an invalid name."""
        etags = {series_of(o.key): o.etag for o in self.bucket.objects(SERIES) if o.key.endswith(".csv")}
        invalid = {series: why for series in etags if (why := key_problem(series))}
        for series, other in path_collisions(etags.keys() - invalid.keys()).items():
            invalid[series] = f"a folder of its name would be a file of {series_key(other)}"
        rows = [Row(series_key(key), etags[key], None, why) for key, why in invalid.items()]
        return {key: etag for key, etag in etags.items() if key not in invalid}, rows

    def contents(self, series: Mapping[str, str], known: Mapping[str, Collection[str]]) -> dict[str, str]:
        """MD5 of the recordings in the bucket, by series key.

        An ETag is the MD5 only of an object that was put in one part and not encrypted by a key of its own. It is
        taken for the MD5 where a known hash is equal, or where the series is new (fetching it then verifies the MD5,
        `take` in pipelines/sync/recordings.py). Else the object is read, once.

        Args:
            series: ETag by series key.
            known: hashes of earlier and current versions, by series key.
        """
        cached = self.mirror.contents()
        hashes: dict[str, str] = {}
        unknown = []
        for name, etag in series.items():
            version, md5 = cached.get(series_key(name), ("", ""))
            if version == etag:
                hashes[name] = md5
            elif etag in known.get(name, ()) or (name not in known and MD5.fullmatch(etag)):
                hashes[name] = etag
            else:
                unknown.append(name)
        rows = list(track(parallel(self._content, unknown), "reading recordings", len(unknown)))
        self.mirror.note_contents(rows)
        return hashes | {name: md5 for name, (_, _, md5) in zip(unknown, rows, strict=True)}

    def _content(self, series: str) -> Content:
        data, etag = self.bucket.get(series_key(series))
        return series_key(series), etag, md5_bytes(data)

    def put_recording(self, series: str, data: bytes) -> Content:
        """Write a recording to the bucket; returns its entry for the mirror."""
        etag = self.bucket.put(series_key(series), data, content_type="text/csv")
        return series_key(series), etag, md5_bytes(data)

    def put_task(
        self, series: str, data: Mapping[str, Any], annotations: Sequence[Any] = (), match: str | None = None
    ) -> None:
        """Write the object of a task; with `match` only if it still has this ETag."""
        body = self.task_object(series, data, annotations)
        self.bucket.put(self.task_key(series), body, match=match, content_type="application/json")

    def task_key(self, series: str) -> str:
        """Key of a series' task in the bucket."""
        return f"{self.tasks_prefix}{series}.json"

    def task_object(self, series: str, data: Mapping[str, Any], annotations: Sequence[Any] = ()) -> bytes:
        """The object that Label Studio creates a task from, with its first annotations."""
        body: dict[str, Any] = {"data": self.task_data(series, data)}
        if annotations:
            body["annotations"] = list(annotations)
        return json_bytes(well_formed(body), indent=1)

    def task_data(self, series: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data of a task, with the address of its recording."""
        return {**data, "series": series, self.data_key: self.bucket.url(series_key(series))}

    def parse_task(self, key: str, data: bytes) -> dict[str, Any]:
        """Task data in the object of a task, without the recording's address.

        Raises:
            InputError: it is no task.
        """
        value = parse_json(key, data, strict=True)
        if has_lone_surrogate(value):
            raise InputError("not a task", where=key, why=SURROGATE_INSIDE)
        fields = self.task_fields(key, value)
        if not data.lstrip().startswith(b"{"):
            raise InputError("not a task", where=key, why="it begins with another byte than `{` in UTF-8")
        extra = sorted(
            value.keys() - {"data"} if "data" in value else value.keys() & {"annotations", "predictions"}
        )
        if extra:
            raise InputError("not a task", where=key, why=f"{MORE_INSIDE}: {shortened(', '.join(extra))}")
        return fields

    def task_fields(self, key: str, value: Any) -> dict[str, Any]:
        """The same from its JSON value, which may hold more than task data.

        Raises:
            InputError: it is no task.
        """
        fields = value.get("data", value) if isinstance(value, dict) else None
        if not isinstance(fields, dict):
            raise InputError("not a task", where=key, why="its data is no JSON object")
        if is_deep({"data": fields}):  # as it will stand in data/tasks.jsonl
            why = f"lists and objects are nested more than {DEEPEST - 1} deep in its data"
            raise InputError("not a task", where=key, why=why)
        if why := key_problem(self.series_of_task(key)):
            raise InputError("not a task", where=key, why=why)
        return {k: v for k, v in fields.items() if k not in ("series", self.data_key)}

    def refresh_tasks(self) -> None:
        """Fetch the task objects that changed since the last refresh."""
        self.mirror.refresh(self.bucket, self.tasks_prefix, self.parse_task)

    def aside_key(self, row: Row) -> str:
        """Key under which an invalid object is set aside; the ETag in it keeps versions apart."""
        name = row.key.removeprefix(self.annotations_prefix).removeprefix(f"{self.prefix}/")
        key = f"{self.aside_prefix}{name}.{row.etag[:12]}"
        if not is_storable(key):
            key = f"{self.aside_prefix}{md5_bytes(name.encode())}.{row.etag[:12]}"
        return key

    def series_of_task(self, key: str) -> str:
        """The series of the task with this key."""
        return key.removeprefix(self.tasks_prefix).removesuffix(".json")
