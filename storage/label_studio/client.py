"""Client for Label Studio's HTTP API: users, tasks, annotations and predictions.

For Label Studio 1.23.2, with requests: the official SDK takes two seconds to import (docs/decisions/0002).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.errors import NotFoundError
from storage.label_studio.projects import Projects
from storage.label_studio.session import LONG_TIMEOUTS_S, BrokenResponseError, Json, Session
from storage.settings import Settings

VERSION = "1.23.2"

PAGES = (500, 50, 5, 1)  # tasks in one response; fewer where Label Studio cannot show one of them
# Label Studio fails on times without a fraction.
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
BATCH = 200  # predictions in one request


@dataclass(frozen=True)
class Task:
    """A task as Label Studio lists it.

    Attributes:
        id: Label Studio's number, different on every server.
        data: task data; the recording's address is already rewritten by Label Studio.
        source: key of the object in the bucket that the task was created from.
        annotations: ids of its annotations.
        updated_at: changes with the task's annotations.
        created_at: time of its creation.
        readable: whether Label Studio can show its data, which is {} otherwise.
    """

    id: int
    data: Json
    source: str
    annotations: tuple[int, ...]
    updated_at: datetime
    created_at: datetime
    readable: bool = True


@dataclass(frozen=True)
class Drafts:
    """Drafts in a project: edits that were not submitted.

    Attributes:
        begun: as Label Studio returns them; `annotation` is None for a new one.
        hidden: task by annotation, where Label Studio cannot show the drafts.
    """

    begun: list[Json]
    hidden: Mapping[int, int]


class LabelStudio:
    """One Label Studio server: users, tasks, annotations, predictions and projects.

    Args:
        session: with the server.

    Raises (every method):
        ServiceError: the server cannot be reached, refuses the token, or fails.
        NotFoundError: the project, task or annotation does not exist.
        InputError: Label Studio refuses what was sent, with its reason.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.projects = session, Projects(session)

    @classmethod
    def of(cls, settings: Settings, *, read_only: bool = False) -> LabelStudio:
        """The server and user that the settings name."""
        token = settings.label_studio_api_key.get_secret_value()
        return cls(Session(settings.label_studio_url, token, read_only=read_only))

    # -- server and users -------------------------------------------------------------------------

    def version(self) -> str:
        """The server's release."""
        return str(self.session.call("GET", "/api/version/")["release"])

    def whoami(self) -> str:
        """E-mail address of the token's owner."""
        return str(self.session.call("GET", "/api/current-user/whoami")["email"])

    def users(self) -> dict[int, str]:
        """E-mail address by user id."""
        return {user["id"]: user["email"] for user in self.session.call("GET", "/api/users/")}

    def invite(self, email: str, password: str) -> str:
        """Create a user of this organization by its invitation link; returns the token."""
        link = self.session.call_object("GET", "/api/invite")["invite_url"]
        token = self.session.sign_up(link, email, password)
        # The server logs the link, so it is made invalid.
        self.session.call("POST", "/api/invite/reset-token")
        return token

    # -- tasks and annotations --------------------------------------------------------------------

    def tasks(self, project: int, since: datetime | None = None) -> Iterator[Task]:
        """Tasks of a project; with `since`, those that changed after that time (in UTC)."""
        fields = "id,data,storage_filename,annotations_ids,updated_at,created_at"
        # In a fixed order, or a task that is deleted between two pages would hide another one.
        view: Json = {"ordering": ["tasks:id"]}
        if since:
            view["filters"] = _filter("updated_at", "greater", "Datetime", since.strftime(TIME_FORMAT))
        yield from map(_task, self._listed(project, fields, view))

    def task_numbers(self, project: int) -> dict[str, int]:
        """Id of each task by the key of its object; also where Label Studio cannot show the data of a task."""
        listed = self._listed(project, "id,storage_filename", {"ordering": ["tasks:id"]})
        return {str(task["storage_filename"]): int(task["id"]) for task in listed}

    def _listed(self, project: int, fields: str, view: Json) -> Iterator[Json]:
        """Fields of the tasks in a view, page by page; without `data` of a task that Label Studio cannot show."""
        query: Json = {"project": project, "fields": "all", "include": fields, "query": json.dumps(view)}
        less = query | {"include": ",".join(name for name in fields.split(",") if name != "data")}
        sizes: tuple[int, ...] = PAGES
        most, given = sizes[0], 0  # page sizes: to request, and that this server has returned
        seen, total = 0, 1
        while seen < total:
            size = max(size for size in sizes if size <= most and seen % size == 0)
            try:
                total, tasks = self._page(query, seen // size, size)
            except BrokenResponseError:
                if query == less:
                    raise
                if size > 1:
                    most = size - 1
                    continue
                total, tasks = self._page(less, seen, 1)
            if not tasks:
                return
            if seen and given < size > len(tasks):
                most = given  # the server returns smaller pages, so this is another page
                continue
            yield from tasks
            seen, given = seen + len(tasks), max(given, len(tasks))
            if len(tasks) < size and seen < total:  # the server limits the page size
                sizes = (len(tasks), *(size for size in sizes if size < len(tasks)))
            most = sizes[0]

    def _page(self, query: Json, page: int, size: int) -> tuple[int, list[Json]]:
        """Number of tasks in a view, and a page of them."""
        params = query | {"page": page + 1, "page_size": size}
        response = self.session.call_object("GET", "/api/tasks", params=params, timeout=LONG_TIMEOUTS_S)
        return response["total"], response["tasks"]

    def task(self, task: int) -> Task:
        """One task."""
        return _task(self.session.call_object("GET", f"/api/tasks/{task}/", params={"fields": "all"}))

    def update_task(self, task: int, data: Json) -> None:
        """Replace the data of a task."""
        self.session.call("PATCH", f"/api/tasks/{task}/", json={"data": data})

    def repair_task(self, task: int, data: Json) -> None:
        """The same for one that Label Studio cannot show."""
        with suppress(BrokenResponseError):  # it is stored, although the response fails
            self.update_task(task, data)

    def download(self, address: str) -> bytes:
        """The bytes at an address in a task's data, as a browser gets them."""
        return self.session.download(address)

    def annotations(self, task: int) -> list[Json]:
        """All annotations of a task, skipped ones too, which Label Studio's list of annotations leaves out."""
        annotations = self.session.call_object("GET", f"/api/tasks/{task}/")["annotations"]
        return [item | {"completed_by": (item["completed_by"] or {}).get("id")} for item in annotations]

    def annotation(self, annotation: int) -> Json | None:
        """One annotation; None where it does not exist."""
        try:
            return self.session.call_object("GET", f"/api/annotations/{annotation}/")
        except NotFoundError:
            return None

    def annotate(self, task: int, result: Sequence[Mapping[str, Any]], **fields: Any) -> int:
        """Submit an annotation; returns its id."""
        return int(self.create_annotation(task, result, **fields)["id"])

    def create_annotation(self, task: int, result: Sequence[Mapping[str, Any]], **fields: Any) -> Json:
        """The same; returns the annotation."""
        body = {"result": list(result)} | fields
        return self.session.call_object("POST", f"/api/tasks/{task}/annotations/", json=body)

    def update_annotation(self, annotation: int, **fields: Any) -> None:
        """Change an annotation in place."""
        self.session.call("PATCH", f"/api/annotations/{annotation}/", json=fields)

    def repair_annotation(self, annotation: int, **fields: Any) -> None:
        """The same for one that Label Studio cannot show."""
        with suppress(BrokenResponseError):  # it is stored, although the response fails
            self.update_annotation(annotation, **fields)

    def delete_annotation(self, annotation: int) -> None:
        """Delete an annotation."""
        self.session.call("DELETE", f"/api/annotations/{annotation}/")

    def drafts(self, project: int) -> Drafts:
        """The drafts in a project."""
        view = {"ordering": ["tasks:id"], "filters": _filter("draft_exists", "equal", "Boolean", True)}
        begun: list[Json] = []
        hidden: dict[int, int] = {}
        for task in self._listed(project, "id,annotations_ids", view):
            try:
                begun += self.session.call("GET", f"/api/tasks/{task['id']}/drafts")
            except BrokenResponseError:
                hidden |= {number: int(task["id"]) for number in _numbers(task)}
        return Drafts(begun, hidden)

    # -- predictions ------------------------------------------------------------------------------

    def prediction(self, prediction: int) -> Json:
        """One prediction."""
        return self.session.call_object("GET", f"/api/predictions/{prediction}/")

    def predictions(self, project: int) -> list[Json]:
        """All predictions of a project."""
        path, query = "/api/predictions/", {"project": project}
        predictions: list[Json] = self.session.call("GET", path, params=query, timeout=LONG_TIMEOUTS_S)
        return predictions

    def model_versions(self, project: int) -> dict[str, int]:
        """Number of predictions of each model version in a project."""
        counts = self.session.call_object("GET", f"/api/projects/{project}/model-versions")
        return {str(version): int(count) for version, count in counts.items()}

    def import_predictions(self, project: int, predictions: Sequence[Mapping[str, Any]]) -> Iterator[int]:
        """Send predictions in batches; yields the number that Label Studio created of each."""
        for start in range(0, len(predictions), BATCH):
            batch = list(predictions[start : start + BATCH])
            path = f"/api/projects/{project}/import/predictions"
            yield int(self.session.call_object("POST", path, json=batch, timeout=LONG_TIMEOUTS_S)["created"])

    def delete_predictions(self, project: int, model_version: str) -> int:
        """Delete the predictions of one model version; returns their number."""
        body = {"model_version": model_version}
        path = f"/api/projects/{project}/model-versions"
        response = self.session.call_object("DELETE", path, json=body, timeout=LONG_TIMEOUTS_S)
        return int(response["deleted_predictions"])


def _filter(column: str, operator: str, kind: str, value: object) -> Json:
    item = {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}
    return {"conjunction": "and", "items": [item]}


def _task(task: Json) -> Task:
    updated, created = (datetime.fromisoformat(task[name]) for name in ("updated_at", "created_at"))
    data, source = task.get("data", {}), task.get("storage_filename") or ""
    return Task(task["id"], data, source, _numbers(task), updated, created, readable="data" in task)


def _numbers(task: Json) -> tuple[int, ...]:
    """Ids of the annotations of a listed task."""
    return tuple(int(number) for number in str(task["annotations_ids"] or "").split(",") if number.strip())
