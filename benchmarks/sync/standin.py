"""A stand-in for Label Studio that answers from memory: making a large project's annotations would take hours.

It serves the few routes that sync and rollback request, over HTTP as Label Studio does, and writes changes into the
bucket, as Label Studio's target storage does. It answers at once; what the real one takes is measured
in `benchmarks/sync/sync.py`.
"""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
PROJECT = 1
OWNER = {"id": 1, "email": "ann@labeltrail.example"}
IMPORTED = "2020-01-01T00:00:00.000000Z"  # when all tasks were made: before any annotation


@dataclass
class Desk:
    """A project's tasks and annotations.

    Attributes:
        config: the label config.
        place: address of the branch in the bucket.
        save: writes an annotation's object.
        annotations: Label Studio's form of each, by number.
        tasks: moment of the last change of each, by number.
        annotations_of: numbers of a task's annotations.
    """

    config: str
    place: str
    save: Callable[[Json], object]
    annotations: dict[int, Json] = field(default_factory=dict)
    tasks: dict[int, str] = field(default_factory=dict)
    annotations_of: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def keep(self, annotation: Json) -> None:
        """Store an annotation and its task, as Label Studio's database does."""
        number, task = annotation["id"], annotation["task"]["id"]
        if number not in self.annotations:
            self.annotations_of[task].append(number)
        self.annotations[number] = annotation
        self.tasks[task] = max(self.tasks.get(task, ""), annotation["updated_at"])

    def answer(self, method: str, path: str, query: Json, body: Json) -> Any:
        """The response's JSON; None: not found."""
        if path == f"/api/projects/{PROJECT}/":
            return self._project()
        if path == "/api/tasks":
            return self._page(json.loads(query["query"]), int(query["page"]), int(query["page_size"]))
        if path == "/api/users/":
            return [OWNER]
        if path == "/api/current-user/whoami":
            return OWNER
        found = re.fullmatch(r"/api/annotations/(\d+)/", path)
        if not found or int(found[1]) not in self.annotations:
            return None
        annotation = self.annotations[int(found[1])]
        if method == "PATCH":
            annotation = annotation | body
            self.keep(annotation)
            self.save(annotation)
        return annotation

    def _project(self) -> Json:
        return {
            "id": PROJECT,
            "description": f"Labeltrail: {self.place}",
            "label_config": self.config,
            "task_number": len(self.tasks),
            "total_annotations_number": len(self.annotations),
            "skipped_annotations_number": 0,
        }

    def _page(self, view: Json, page: int, size: int) -> Json:
        wanted = view["filters"]["items"][0] if "filters" in view else {"filter": "", "value": ""}
        drafts = wanted["filter"] == "filter:tasks:draft_exists"  # nobody has begun one
        found = sorted(task for task, moment in self.tasks.items() if not drafts and moment > wanted["value"])
        return {
            "total": len(found),
            "tasks": [self._task(task) for task in found[(page - 1) * size : page * size]],
        }

    def _task(self, task: int) -> Json:
        numbers = self.annotations_of[task]
        series = self.annotations[numbers[0]]["task"]["data"]["series"] if numbers else f"task-{task}"
        return {
            "id": task,
            "data": {"series": series},
            "annotations_ids": ",".join(map(str, numbers)),
            "created_at": IMPORTED,
            "updated_at": self.tasks[task],
        }


@contextmanager
def answering(desk: Desk) -> Iterator[str]:
    """Serve a desk's answers on a free port; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _handle(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else {}
            found = desk.answer(self.command, address.path, query, body)
            data = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PATCH = _handle  # noqa: N815 -- the names that http.server asks for

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
