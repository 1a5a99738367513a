"""The annotations of one branch: their objects in the bucket, with the mirror as a cache.

Label Studio writes an annotation to the bucket after saving it, and either may fail: storage/remote/reconcile.py
compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from storage.errors import InputError
from storage.label_studio.client import LabelStudio, Task
from storage.labels.snapshot import Record, canonical, is_number
from storage.s3.bucket import Bucket, parallel
from storage.s3.keys import key_problem, series_key, series_of_url, shard_name
from storage.s3.mirror import Mirror, Refreshed, Row
from storage.text.json_text import SURROGATE_ESCAPE, has_lone_surrogate, parse_json

NO_RECORDING = "its task shows no recording of this bucket"
NO_TASK_NUMBER = "it does not say which task it belongs to"


class Annotations:
    """The annotations of one branch.

    Args:
        branch: as prefix of keys.
        data_key: key of the task data that holds the recording's address.
    """

    def __init__(
        self, bucket: Bucket, studio: LabelStudio, mirror: Mirror, branch: str, data_key: str
    ) -> None:
        self.bucket, self.studio, self.mirror = bucket, studio, mirror
        self.prefix, self.tasks_prefix = f"{branch}/annotations/", f"{branch}/tasks/"
        self.data_key = data_key

    def refresh(self) -> Refreshed:
        """Fetch the objects that changed since the last refresh."""
        return self.mirror.refresh(self.bucket, self.prefix, self._parse)

    def rows(self) -> list[Row]:
        """The objects at the last refresh."""
        return self.mirror.rows(self.prefix)

    def at(self, keys: Iterable[str]) -> list[Row]:
        """The objects with these keys, as far as they exist."""
        return self.mirror.at(keys)

    def of_shard(self, name: str) -> list[Row]:
        """The annotations of one shard of the label snapshot."""
        return self.mirror.of_shard(self.prefix, name)

    def shards(self) -> set[str]:
        """Names of all shards with annotations."""
        return self.mirror.shards(self.prefix)

    def read(self, keys: Collection[str]) -> Refreshed:
        """Fetch these objects and no others."""
        return self.mirror.read(self.bucket, keys, self._parse)

    def is_unchanged(self, number: int) -> bool:
        """Whether the object of an annotation is still the version of the last refresh."""
        key = self.key(number)
        return self.bucket.etag(key) == next((row.etag for row in self.mirror.at([key])), "")

    def key(self, number: int) -> str:
        """Key of the object of an annotation."""
        return f"{self.prefix}{number}"

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects whose annotation was deleted, for Label Studio may leave one, or has another object now."""
        names = list(keys)
        if names:
            self.bucket.delete(names)
            self.mirror.forget(names)

    def object_bytes(self, task: Task, annotation: dict[str, Any], users: Mapping[int, str]) -> bytes:
        """The object that Label Studio's target storage would write for an annotation of its API."""
        series = self.series_of(task)
        address = {self.data_key: self.bucket.url(series_key(series)), "series": series}
        whole = annotation | {
            "completed_by": {"email": email_of(annotation.get("completed_by"), users)},
            "task": {"id": task.id, "data": task.data | address},
        }
        return json.dumps(whole).encode()

    def row_of(self, key: str, data: bytes) -> Row:
        """The row of an object that is not in the bucket yet; with a problem where it is invalid."""
        try:
            return Row(key, "", self._parse(key, data), "")
        except InputError as error:
            return Row(key, "", None, error.why or error.what)

    def write(self, objects: Mapping[str, bytes]) -> None:
        """Write objects that were missing from the bucket."""

        def put(key: str) -> Row:
            etag = self.bucket.put(key, objects[key], content_type="application/json")
            return replace(self.row_of(key, objects[key]), etag=etag)

        self.mirror.put(list(parallel(put, objects)))

    def series_of(self, task: Task) -> str:
        """The series of a task; "" for one that did not come from this bucket."""
        series = task.data.get("series") or task.source.removeprefix(self.tasks_prefix).removesuffix(".json")
        return series if isinstance(series, str) and not key_problem(series) else ""

    # -- the objects ------------------------------------------------------------------------------

    def _parse(self, key: str, data: bytes) -> dict[str, Any]:
        value = parse_json(key, data)
        task = value.get("task") if isinstance(value, dict) else None
        fields = task.get("data") if isinstance(task, dict) else None
        if not isinstance(task, dict) or not isinstance(fields, dict):
            raise InputError("not an annotation", where=key, why=NO_TASK_NUMBER)
        address = fields.get(self.data_key)
        series = fields.get("series") or series_of_url(address if isinstance(address, str) else "")
        if not series:
            raise InputError("not an annotation", where=key, why=NO_RECORDING)
        why = key_problem(series) if isinstance(series, str) else "the key of its series is no text"
        if why:
            raise InputError("not an annotation", where=key, why=f"it shows no recording: {why}")
        record: Record = canonical(value, series, email_of(value.get("completed_by"), {}))
        if key != self.key(value["id"]):
            why = f"it says that it is annotation {value['id']}, whose place is {self.key(value['id'])}"
            raise InputError("not an annotation", where=key, why=why)
        if not is_number(task.get("id")):
            raise InputError("not an annotation", where=key, why=NO_TASK_NUMBER)
        surrogate = (
            {"half": True} if SURROGATE_ESCAPE.search(data) and has_lone_surrogate(record["result"]) else {}
        )
        return surrogate | {
            "annotation": value["id"],
            "import_id": value.get("import_id"),
            "task": task.get("id"),
            "shard": shard_name(record["series"]),
            "record": record,
        }


def email_of(user: Any, users: Mapping[int, str]) -> str:
    """E-mail address of an annotation's `completed_by`, which is an account or its number.

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
