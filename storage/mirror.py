"""What the bucket holds, remembered: a cache beside the work tree that can be deleted at any moment.

One row an object: its ETag and what its bytes said. A refresh lists the bucket, gets only objects whose ETag
is new, and forgets what is gone. SQLite in `.labeltrail/mirror.sqlite`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.bucket import Bucket, Object, parallel
from storage.errors import InputError, NotFoundError
from storage.progress import track

PATH = Path(".labeltrail/mirror.sqlite")
VERSION = 1
SCHEMA = """
CREATE TABLE object (key TEXT PRIMARY KEY, etag TEXT NOT NULL, value TEXT, problem TEXT) WITHOUT ROWID;
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Refreshed:
    """Keys that were read again, and keys that are gone."""

    changed: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One object: `value` is what its bytes said, or `problem` why they said nothing."""

    key: str
    etag: str
    value: Any
    problem: str


class Mirror:
    """The cache of one clone. Values are whatever JSON the `parse` of a refresh made of the bytes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = self._open(path)
        except sqlite3.DatabaseError:
            path.unlink()  # half-written or of another version: it can all be read again
            self._db = self._open(path)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            db.close()
            raise sqlite3.DatabaseError(f"version {version}")
        if version == 0:
            db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        return db

    def refresh(self, bucket: Bucket, prefix: str, parse: Callable[[str, bytes], Any]) -> Refreshed:
        """Bring the rows below `prefix` up to date with the bucket.

        Args:
            bucket: where to look.
            prefix: which keys; its rows and no others are touched.
            parse: turns key and bytes into a JSON value; an InputError sets the object aside.
        """
        known = self.etags(prefix)
        listed = {item.key: item for item in bucket.objects(prefix)}
        stale = [item for key, item in listed.items() if known.get(key) != item.etag]
        gone = [key for key in known if key not in listed]

        def read(item: Object) -> Row | None:
            try:
                data, etag = bucket.get(item.key)
            except NotFoundError:
                return None  # deleted since it was listed
            try:
                return Row(item.key, etag, parse(item.key, data), "")
            except InputError as error:
                return Row(item.key, etag, None, error.why or error.what)

        rows = list(track(parallel(read, stale), f"reading {prefix}", len(stale)))
        vanished = [item.key for item, row in zip(stale, rows, strict=True) if row is None]
        self.put(row for row in rows if row)
        self.forget([*gone, *(key for key in vanished if key in known)])
        changed = tuple(row.key for row in rows if row)
        return Refreshed(changed, (*gone, *(key for key in vanished if key in known)))

    def etags(self, prefix: str) -> dict[str, str]:
        """ETag by key of all rows below a prefix."""
        query = "SELECT key, etag FROM object WHERE key >= ? AND key < ?"
        return dict(self._db.execute(query, (prefix, prefix + "\U0010ffff")))

    def rows(self, prefix: str) -> list[Row]:
        """All rows below a prefix, in the order of their keys."""
        query = "SELECT key, etag, value, problem FROM object WHERE key >= ? AND key < ? ORDER BY key"
        found = self._db.execute(query, (prefix, prefix + "\U0010ffff"))
        return [Row(k, e, json.loads(v) if v is not None else None, p or "") for k, e, v, p in found]

    def put(self, rows: Iterable[Row]) -> None:
        """Remember rows, all or none."""
        values = ((r.key, r.etag, None if r.value is None else json.dumps(r.value), r.problem) for r in rows)
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)", values)

    def forget(self, keys: Iterable[str]) -> None:
        """Forget rows."""
        with self._db:
            self._db.executemany("DELETE FROM object WHERE key = ?", ((key,) for key in keys))

    def note(self, name: str) -> str:
        """A remembered word, "" where there is none."""
        row = self._db.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def set_note(self, name: str, value: str) -> None:
        """Remember a word."""
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._db.close()
