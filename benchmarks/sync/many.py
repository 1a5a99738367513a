"""A project of many annotations: their objects are put straight into the bucket, in Label Studio's own form.

Recordings are a few lines each, for nothing that is measured reads them. There are always as many series, so that
more annotations are more of them in a series, and in a shard of the label snapshot.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.sync.lab import clone
from benchmarks.sync.standin import OWNER, PROJECT, Desk, Json, answering
from pipelines.demo.accelerometer import LABELS
from pipelines.sync.result import Options, SyncResult
from pipelines.sync.sync import sync
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.labels.snapshot import Record, canonical
from storage.progress import track
from storage.project import Project
from storage.remote.remote import Remote
from storage.remote.sync_state import State
from storage.s3.bucket import parallel
from storage.s3.keys import series_key
from storage.settings import Settings

SERIES = 1000
BEGINNING = datetime(2026, 1, 5, 8, tzinfo=UTC)
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"
REGIONS = 3  # in an annotation


def series_name(number: int) -> str:
    """The series of a task; by subject, as people name them."""
    return f"subject{number % 40:02d}_{number:04d}"


def annotation(number: int, series: int, bucket: str, when: datetime, version: int = 0) -> Json:
    """What Label Studio's target storage writes, with as many fields; another version has other regions.

    Args:
        number: its number in Label Studio.
        series: how many series there are.
        bucket: where the recordings are.
        when: when it was saved last.
        version: how often it was changed.
    """
    seed = random.Random(number * 1000 + version)  # noqa: S311 -- no secret
    task = number % series
    name = series_name(task)
    made = (BEGINNING + timedelta(microseconds=number * 1003)).strftime(MOMENT)
    return {
        "id": number,
        "result": [_region(seed, place) for place in range(REGIONS)],
        "completed_by": OWNER | {"first_name": "", "last_name": "", "avatar": None, "initials": "an"},
        "task": {
            "id": task + 1,
            "data": {"csv": f"s3://{bucket}/{series_key(name)}", "series": name, "subject": name[:9]},
            "meta": {}, "created_at": made, "updated_at": when.strftime(MOMENT), "is_labeled": True,
            "overlap": 1, "inner_id": task + 1, "total_annotations": 10, "cancelled_annotations": 0,
            "total_predictions": 0, "comment_count": 0, "project": PROJECT, "updated_by": 1,
        },
        "project": PROJECT, "created_username": f" {OWNER['email']}, 1", "created_ago": "3 minutes",
        "was_cancelled": False, "ground_truth": False, "created_at": made, "updated_at": when.strftime(MOMENT),
        "draft_created_at": None, "lead_time": round(seed.uniform(4, 90), 3), "import_id": None,
        "last_action": None, "bulk_created": False, "updated_by": 1, "parent_prediction": None,
        "parent_annotation": None, "last_created_by": None, "state": "SUBMITTED",
    }  # fmt: skip


def _region(seed: random.Random, place: int) -> Json:
    start = round(20 * place + seed.uniform(0, 8), 2)
    value: Json = {"start": start, "end": round(start + seed.uniform(1, 9), 2), "instant": False}
    return {
        "id": f"r{place}{seed.randrange(16**6):06x}",
        "from_name": "label",
        "to_name": "ts",
        "type": "timeserieslabels",
        "origin": "manual",
        "value": value | {"timeserieslabels": [seed.choice(LABELS)]},
    }


def record(number: int, series: int, bucket: str) -> Record:
    """The label record of an annotation as it was at the beginning."""
    return canonical(
        annotation(number, series, bucket, BEGINNING), series_name(number % series), str(OWNER["email"])
    )


@dataclass
class Many:
    """A project of so many annotations.

    Attributes:
        root: its clone.
        count, series: of annotations, of series.
        desk: what answers in Label Studio's place.
        version: how often annotations were changed.
    """

    root: Path
    count: int
    series: int
    desk: Desk
    version: int = 0

    def project(self) -> Project:
        """The clone, as a new process sees it."""
        return Project(self.root)

    def sync(self, **options: Any) -> SyncResult:
        """A sync that ends with the commit: the DVC remote is left out on both sides of a comparison."""
        return sync(self.project(), Options(remote=False, **options))

    def fill(self) -> None:
        """Put all annotations into the bucket."""
        bucket = self.project().bucket
        found = (
            annotation(number, self.series, bucket.name, BEGINNING + timedelta(seconds=20 * number))
            for number in range(1, self.count + 1)
        )
        for _ in track(parallel(self._save, found), "annotations into the bucket", self.count):
            pass

    def change(self, count: int) -> tuple[int, ...]:
        """Change so many annotations, spread over all series; returns their numbers."""
        self.version += 1
        name = self.project().bucket.name
        numbers = random.Random(self.version).sample(range(1, self.count + 1), count)  # noqa: S311
        when = datetime.now(UTC)
        for found in (annotation(number, self.series, name, when, self.version) for number in numbers):
            self._save(found)
        return tuple(numbers)

    def _save(self, found: Json) -> None:
        self.desk.keep(found)
        self.desk.save(found)


@contextmanager
def many(root: Path, settings: Settings, count: int, series: int = SERIES) -> Iterator[Many]:
    """A project whose recordings are synced and whose annotations nobody has looked at yet."""
    series = min(series, count)
    project = clone(root, settings)
    config = label_config.render(("acc_x", "acc_y", "acc_z"), LABELS, "time")
    write_bytes(root / label_config.PATH, config.encode())
    bucket = project.bucket

    def save(found: Json) -> None:
        data = json.dumps(found, ensure_ascii=False).encode()
        bucket.put(f"main/annotations/{found['id']}", data, content_type="application/json")

    desk = Desk(config, bucket.url("main"), save)
    with answering(desk) as url:
        _point_at(root, url)
        project = Project(root)
        desk.tasks |= {task + 1: BEGINNING.strftime(MOMENT) for task in range(series)}
        remote = project.remote
        for _ in parallel(lambda task: _bring(remote, series_name(task)), range(series)):
            pass
        remote.write_state(State(PROJECT))
        sync(project)
        yield Many(root, count, series, desk)


def _bring(remote: Remote, series: str) -> None:
    lines = ["time,acc_x,acc_y,acc_z", *(f"{row / 50},0,0,1" for row in range(3))]
    remote.bucket.put(series_key(series), ("\n".join(lines) + "\n").encode(), content_type="text/csv")
    remote.put_task(series, {"subject": series[:9]})


def _point_at(root: Path, url: str) -> None:
    """Name the stand-in as the project's Label Studio."""
    path = root / ".env"
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("LABEL_STUDIO_URL=")]
    write_bytes(path, ("\n".join([*kept, f"LABEL_STUDIO_URL={url}"]) + "\n").encode(), mode=0o600)
