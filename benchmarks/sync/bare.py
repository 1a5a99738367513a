"""The bare cost of a label commit: the least that must be done, without Labeltrail's merge and checks.

LIST, a GET for each object whose ETag is new, the touched shards written anew, DVC's `add` in a warm Python and
git's `add` and `commit`. No merge, no check, no message, no merge base; it cannot resume after a crash.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from benchmarks.sync.lab import identify
from storage import process, settings
from storage.files import write_bytes
from storage.labels.snapshot import Record, canonical, dump_shard
from storage.s3.bucket import Bucket, parallel
from storage.s3.keys import shard_name

FOLDER = "data/labels"
PREFIX = "main/annotations/"


class Bare:
    """A repository whose label snapshot is kept up with the bucket by nothing but the necessary.

    Args:
        root: where to make it.
        bucket: whose annotations it follows.
    """

    def __init__(self, root: Path, bucket: Bucket) -> None:
        from dvc.repo import Repo

        self.root, self.bucket = root, bucket
        self.etags: dict[str, str] = {}
        root.mkdir(parents=True)
        process.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=root)
        identify(root)
        process.run(["dvc", "init", "--quiet"], cwd=root, env=settings.stage_environment())
        self._dvc: Any = Repo(str(root))

    def copy(self, labels: Path) -> None:
        """Begin with a snapshot that somebody else made of the bucket as it is."""
        shutil.copytree(labels, self.root / FOLDER)
        self.etags = {item.key: item.etag for item in self.bucket.objects(PREFIX)}
        self._commit()

    def first(self) -> None:
        """LIST and GET of everything, and nothing else."""
        for _ in parallel(self.bucket.get, [item.key for item in self.bucket.objects(PREFIX)]):
            pass

    def by_list(self) -> None:
        """A commit of what LIST says has changed."""
        found = {item.key: item.etag for item in self.bucket.objects(PREFIX)}
        changed = [key for key, etag in found.items() if self.etags.get(key) != etag]
        self.etags = found
        self._write(self._get(changed))
        self._commit()

    def by_numbers(self, numbers: Iterable[int]) -> None:
        """A commit of these annotations."""
        self._write(self._get([f"{PREFIX}{number}" for number in numbers]))
        self._commit()

    def _get(self, keys: list[str]) -> list[Record]:
        records = []
        for data, _ in parallel(self.bucket.get, keys):
            found = json.loads(data)
            records.append(canonical(found, found["task"]["data"]["series"], found["completed_by"]["email"]))
        return records

    def _write(self, records: Iterable[Record]) -> None:
        shards: dict[str, dict[str, Record]] = defaultdict(dict)
        for record in records:
            shards[shard_name(record["series"])][record["id"]] = record
        for name, changed in shards.items():
            path = self.root / FOLDER / name
            lines = path.read_bytes().splitlines() if path.exists() else []
            known = {record["id"]: record for record in map(json.loads, lines)}
            write_bytes(path, dump_shard((known | changed).values()))

    def _commit(self) -> None:
        with redirect_stdout(StringIO()):
            self._dvc.add([str(self.root / FOLDER)])
        process.run(["git", "add", "--all"], cwd=self.root)
        process.run(["git", "commit", "--quiet", "-m", "labels"], cwd=self.root)
