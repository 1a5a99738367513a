"""A stand-in for Label Studio that writes the same objects to the bucket, for tests of very many steps.

It knows what sync asks for and no more. Its clock goes on by a second with every change.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from storage.errors import NotFoundError
from storage.label_studio.client import Drafts, Task
from storage.s3.bucket import Bucket
from tests.conftest import CONFIG

USERS = {1: "ann@example.com", 2: "ben@example.com"}
PROJECT = 1


class QuickStudio:
    """One project with a task for each series; the target storage is the bucket's `main/annotations/`."""

    def __init__(self, bucket: Bucket, series: list[str]) -> None:
        self.bucket, self.config = bucket, CONFIG
        self.series = dict(enumerate(series, 1))
        self.held: dict[int, dict[str, Any]] = {}
        self.made = 0
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.touched = dict.fromkeys(self.series, self.now)
        self.alone = threading.RLock()
        self.session = SimpleNamespace(url="http://quick.example")
        self.projects = SimpleNamespace(get=self._project, storages=lambda _: ([], []))

    # -- what sync reads --------------------------------------------------------------------------

    def _project(self, number: int) -> dict[str, Any]:
        skipped = sum(bool(a["was_cancelled"]) for a in list(self.held.values()))
        return {
            "id": number,
            "label_config": self.config,
            "description": f"Labeltrail: {self.bucket.url('main')}",
            "task_number": len(self.series),
            "total_annotations_number": len(self.held) - skipped,
            "skipped_annotations_number": skipped,
        }

    def drafts(self, number: int) -> Drafts:
        return Drafts([], {})

    def users(self) -> dict[int, str]:
        return USERS

    def whoami(self) -> str:
        return USERS[1]

    def tasks(self, number: int, since: datetime | None = None) -> Iterator[Task]:
        for task, series in self.series.items():
            if since is None or self.touched[task] > since:
                ids = tuple(n for n, a in list(self.held.items()) if a["task"] == task)
                source, first = f"main/tasks/{series}.json", datetime(2026, 1, 1, tzinfo=UTC)
                yield Task(task, {"series": series}, source, ids, self.touched[task], first)

    def annotations(self, task: int) -> list[dict[str, Any]]:
        return [self.annotation(n) for n, a in list(self.held.items()) if a["task"] == task]

    def annotation(self, number: int) -> Any:
        found = self.held.get(number)
        return found and json.loads(json.dumps(found))

    # -- what people and sync change --------------------------------------------------------------

    def annotate(self, task: int, result: list[Any], **fields: Any) -> int:
        return int(self.create_annotation(task, result, **fields)["id"])

    def create_annotation(self, task: int, result: list[Any], **fields: Any) -> dict[str, Any]:
        with self.alone:
            self.made += 1
            facts = {
                "completed_by": 1,
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": self._tick(),
            }
            self.held[self.made] = {"id": self.made, "task": task, **facts, **fields, "result": result}
            self._save(self.made)
            return dict(self.held[self.made])

    def update_annotation(self, number: int, **fields: Any) -> None:
        with self.alone:
            if number not in self.held:
                raise NotFoundError("it is gone")
            self.held[number] |= json.loads(json.dumps(fields))
            self._save(number)

    def delete_annotation(self, number: int) -> None:
        with self.alone:
            self.touched[self.held.pop(number)["task"]] = datetime.fromisoformat(self._tick())
            self.bucket.delete([f"main/annotations/{number}"])

    def _save(self, number: int) -> None:
        found = self.held[number]
        found["updated_at"] = self._tick()
        self.touched[found["task"]] = datetime.fromisoformat(found["updated_at"])
        series = self.series[found["task"]]
        data = {"series": series, "csv": self.bucket.url(f"series/{series}.csv")}
        user = {"id": found["completed_by"], "email": USERS[found["completed_by"]]}
        whole = found | {"completed_by": user, "task": {"id": found["task"], "data": data}}
        self.bucket.put(f"main/annotations/{number}", json.dumps(whole).encode())

    def _tick(self) -> str:
        self.now += timedelta(seconds=1)
        return self.now.isoformat()
