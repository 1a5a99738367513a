"""The mirror: a cache of the bucket in `.labeltrail/mirror.sqlite`, which can be deleted at any time.

It has a row for each object, with its ETag and its parsed value. A refresh lists the bucket, fetches objects with a
new ETag and drops deleted ones. Objects that changed since the last sync are marked, so that a sync compares only
them.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from storage import process
from storage.errors import ConflictError, DamagedError, InputError, NotFoundError, sqlite_code
from storage.paths import MIRROR
from storage.progress import track
from storage.s3.bucket import Bucket, parallel, too_large

VERSION = 5  # of schema and parsers: a mirror of another version is made anew
MOST_BYTES = 16_000_000  # of one object: tens of thousands of regions; sixteen are read at the same time
BATCH = 1000  # objects in a transaction: limits memory, and what a crash loses
# The columns after `problem` are generated from an annotation's value, for queries.
SCHEMA = """
CREATE TABLE object (
    key TEXT PRIMARY KEY, etag TEXT NOT NULL, value TEXT, problem TEXT NOT NULL,
    shard TEXT AS (json_extract(value, '$.shard')), task INTEGER AS (json_extract(value, '$.task')),
    half INTEGER AS (json_extract(value, '$.half'))
) WITHOUT ROWID;
CREATE INDEX by_shard ON object (shard, key) WHERE shard IS NOT NULL;
CREATE INDEX by_task ON object (task, key) WHERE task IS NOT NULL;
CREATE INDEX by_half ON object (key) WHERE half = 1;
CREATE INDEX by_problem ON object (key) WHERE problem != '';
CREATE TABLE moved (
    key TEXT, shard TEXT NOT NULL, number INTEGER, record TEXT, PRIMARY KEY (key, shard)
) WITHOUT ROWID;
CREATE TABLE content (key TEXT PRIMARY KEY, etag TEXT NOT NULL, md5 TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
LOCK_TIMEOUT_S = 30.0  # for another command that holds the lock of the file
LAST = "\U0010ffff"  # sorts after every key
Content = tuple[str, str, str]  # key of a recording's object, ETag, MD5 of its bytes
ChangedAnnotation = tuple[str, str, int, str]  # key of an annotation's object, shard, number, record id
MARK = """
INSERT OR IGNORE INTO moved
SELECT key, coalesce(shard, ''), json_extract(value, '$.annotation'), json_extract(value, '$.record.id')
FROM object WHERE key = ?
"""


@dataclass(frozen=True)
class Refreshed:
    """Keys that were read again, and keys that were deleted."""

    changed: tuple[str, ...]
    deleted: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One object: its parsed `value`, or in `problem` why it is invalid."""

    key: str
    etag: str
    value: Any
    problem: str


class Mirror:
    """The mirror of one clone. Values are the JSON that the `parse` of a refresh returned.

    Args:
        path: the file.
        scratch: work on a temporary copy.
    """

    def __init__(self, path: Path, *, scratch: bool = False) -> None:
        if scratch:
            self._folder = TemporaryDirectory(prefix="labeltrail-")
            path = _copy(path, Path(self._folder.name))
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _translate_errors(path, fresh=True):
                self._db = self._open(path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and not _is_damaged(path, error):
                raise  # not damaged: the disk, or permissions
            for part in ("", "-wal", "-shm"):  # damaged or of another version: made anew
                path.with_name(path.name + part).unlink(missing_ok=True)
            self._db = self._open(path)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)
        # Without fsync for each write: what a crash of the machine loses is read again.
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            db.close()
            raise sqlite3.DatabaseError(f"version {version}")
        if version == 0:
            db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        return db

    # -- reading the bucket ----------------------------------------------------------------------

    def refresh(self, bucket: Bucket, prefix: str, parse: Callable[[str, bytes], Any]) -> Refreshed:
        """Bring the rows below `prefix` up to date with the bucket.

        Args:
            bucket: the bucket.
            prefix: of the keys.
            parse: turns key and bytes into a JSON value; InputError: the object is invalid.
        """
        known = self.etags(prefix)
        stale, large = [], []
        for item in bucket.objects(prefix):
            if known.pop(item.key, None) != item.etag:
                if item.size > MOST_BYTES:
                    large.append(Row(item.key, item.etag, None, too_large(item.size, MOST_BYTES)))
                else:
                    stale.append(item.key)
        self.forget(known)
        self.put(large)
        read = self.read(bucket, stale, parse)
        return Refreshed((*read.changed, *(row.key for row in large)), (*known, *read.deleted))

    def read(self, bucket: Bucket, keys: Collection[str], parse: Callable[[str, bytes], Any]) -> Refreshed:
        """Fetch these objects again, whatever their ETag."""

        def get(key: str) -> Row | None:
            etag = ""
            try:
                data, etag = bucket.get(key, MOST_BYTES)
                return Row(key, etag, parse(key, data), "")
            except NotFoundError:
                return None  # deleted, perhaps since it was listed
            except InputError as error:
                return Row(key, etag, None, error.why or error.what)

        changed, deleted, batch = [], [], []
        name = f"reading {len(keys)} objects"
        for key, row in zip(keys, track(parallel(get, keys), name, len(keys)), strict=True):
            if row is None:
                deleted.append(key)
                continue
            changed.append(key)
            batch.append(row)
            if len(batch) == BATCH:
                self.put(batch)
                batch.clear()
        self.put(batch)
        self.forget(deleted)
        return Refreshed(tuple(changed), tuple(deleted))

    # -- rows -------------------------------------------------------------------------------------

    def etags(self, prefix: str) -> dict[str, str]:
        """ETag by key of all rows below a prefix."""
        query = "SELECT key, etag FROM object WHERE key >= ? AND key < ?"
        return dict(self._all(query, prefix, prefix + LAST))

    def rows(self, prefix: str) -> list[Row]:
        """All rows below a prefix, in the order of their keys."""
        return self._rows("key >= ? AND key < ?", prefix, prefix + LAST)

    def of_shard(self, prefix: str, shard: str) -> list[Row]:
        """Annotations of one shard of the label snapshot."""
        return self._rows("shard = ? AND key >= ? AND key < ?", shard, prefix, prefix + LAST)

    def of_task(self, prefix: str, task: int) -> list[Row]:
        """Annotations of one task."""
        return self._rows("task = ? AND key >= ? AND key < ?", task, prefix, prefix + LAST)

    def invalid(self, prefix: str) -> list[Row]:
        """Invalid objects."""
        return self._rows("problem != '' AND key >= ? AND key < ?", prefix, prefix + LAST)

    def with_lone_surrogate(self, prefix: str) -> list[Row]:
        """Annotations with a lone surrogate."""
        return self._rows("half = 1 AND key >= ? AND key < ?", prefix, prefix + LAST)

    def at(self, keys: Iterable[str]) -> list[Row]:
        """The rows of these keys, as far as they exist."""
        return [row for key in keys for row in self._rows("key = ?", key)]

    def _rows(self, condition: str, *values: object) -> list[Row]:
        query = f"SELECT key, etag, value, problem FROM object WHERE {condition} ORDER BY key"  # noqa: S608 -- ours
        with _translate_errors(self._path):
            cursor = self._db.execute(query, values)
            return [Row(k, e, json.loads(v) if v is not None else None, p) for k, e, v, p in cursor]

    def _all(self, query: str, *values: object) -> list[Any]:
        """Results of a query."""
        with _translate_errors(self._path):
            return self._db.execute(query, values).fetchall()

    def count(self, prefix: str) -> int:
        """Number of valid objects below a prefix."""
        query = "SELECT count(*) FROM object WHERE key >= ? AND key < ? AND problem = ''"
        return int(self._all(query, prefix, prefix + LAST)[0][0])

    def tasks(self, prefix: str) -> set[int]:
        """Ids of the tasks of annotations below a prefix."""
        query = "SELECT DISTINCT task FROM object WHERE task IS NOT NULL AND key >= ? AND key < ?"
        return {row[0] for row in self._all(query, prefix, prefix + LAST)}

    def shards(self, prefix: str) -> set[str]:
        """Names of the shards of annotations below a prefix."""
        query = "SELECT DISTINCT shard FROM object WHERE shard IS NOT NULL AND key >= ? AND key < ?"
        return {row[0] for row in self._all(query, prefix, prefix + LAST)}

    def put(self, rows: Iterable[Row]) -> None:
        """Store rows in one transaction, and mark them as changed."""
        stored = list(rows)
        values = (
            (r.key, r.etag, None if r.value is None else json.dumps(r.value), r.problem) for r in stored
        )
        keys = [(row.key,) for row in stored]
        with self._changes():
            self._db.executemany(MARK, keys)  # the row before,
            insert = "INSERT OR REPLACE INTO object (key, etag, value, problem) VALUES (?, ?, ?, ?)"
            self._db.executemany(insert, values)
            self._db.executemany(MARK, keys)  # and after, if it is in another shard

    def forget(self, keys: Iterable[str]) -> None:
        """Delete rows, and mark them as changed."""
        parameters = [(key,) for key in keys]
        with self._changes():
            self._db.executemany(MARK, parameters)
            self._db.executemany("DELETE FROM object WHERE key = ?", parameters)

    # -- changes since the last sync --------------------------------------------------------------

    def changed(self, prefix: str) -> dict[str, dict[str, tuple[int, str]]]:
        """Number and record id of changed annotations, by shard and key; shard "" has other changed objects."""
        query = "SELECT shard, key, number, record FROM moved WHERE key >= ? AND key < ?"
        by_shard: dict[str, dict[str, tuple[int, str]]] = {}
        for shard, key, number, record in self._all(query, prefix, prefix + LAST):
            by_shard.setdefault(shard, {})[key] = (number, record)
        return by_shard

    def settle(
        self, prefix: str, notes: Iterable[tuple[str, str]], still: Iterable[ChangedAnnotation]
    ) -> None:
        """In one transaction clear the marks, except for what is `still` unsynced, and set notes.

        `still` comes from the caller because an object that was never read has no row.
        """
        with self._changes():
            self._db.execute("DELETE FROM moved WHERE key >= ? AND key < ?", (prefix, prefix + LAST))
            self._db.executemany("INSERT OR IGNORE INTO moved VALUES (?, ?, ?, ?)", still)
            self._db.executemany("INSERT OR REPLACE INTO note VALUES (?, ?)", notes)

    # -- content of recordings --------------------------------------------------------------------

    def contents(self) -> dict[str, tuple[str, str]]:
        """ETag and MD5 of recordings that were read or written, by key."""
        return {key: (etag, md5) for key, etag, md5 in self._all("SELECT key, etag, md5 FROM content")}

    def note_contents(self, contents: Iterable[Content]) -> None:
        """Store ETag and MD5 of recordings."""
        with self._changes():
            self._db.executemany("INSERT OR REPLACE INTO content VALUES (?, ?, ?)", contents)

    # -- notes ------------------------------------------------------------------------------------

    def note(self, name: str) -> str:
        """The value of a note; "" where there is none."""
        rows = self._all("SELECT value FROM note WHERE name = ?", name)
        return str(rows[0][0]) if rows else ""

    def set_note(self, name: str, value: str) -> None:
        """Set a note."""
        with self._changes():
            self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))

    @contextmanager
    def _changes(self) -> Iterator[None]:
        """All or none of what is written within."""
        with _translate_errors(self._path), self._db:
            yield

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._db.close()


def _is_damaged(path: Path, error: sqlite3.OperationalError) -> bool:
    """Whether the file is damaged: SQLite reports a file of a later version as read-only."""
    if sqlite_code(error) == sqlite3.SQLITE_READONLY:
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return sqlite_code(error) == sqlite3.SQLITE_ERROR


def _copy(path: Path, folder: Path) -> Path:
    """Copy the file and its write-ahead log.

    In another process: closing the file would release all locks that this process has on it. And SQLite leaves files
    next to one even where it only reads.
    """
    parts = [part for ending in ("", "-wal") if (part := path.with_name(path.name + ending)).exists()]
    if parts:
        process.run(["cp", "--", *parts, folder])
    return folder / path.name


@contextmanager
def _translate_errors(path: Path, *, fresh: bool = False) -> Iterator[None]:
    """Translate the errors of a locked or damaged file.

    Args:
        path: of the file.
        fresh: the file is being opened; the caller replaces a damaged one.

    Raises:
        ConflictError: another command has locked it for longer than LOCK_TIMEOUT_S.
        DamagedError: it is damaged.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if _is_damaged(path, error) and not fresh:
            raise _damaged(error) from error  # its own JSON, or its tables: the statements are ours
        if sqlite_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        what = "another labeltrail command is at work in this clone"
        cure = "the same command again, once that one has ended"
        raise ConflictError(what, where=str(MIRROR), why=str(error), cure=cure) from error
    except (sqlite3.DatabaseError, json.JSONDecodeError, UnicodeDecodeError) as error:
        # The last, for SQLite quotes what it found.
        if fresh:
            raise
        raise _damaged(error) from error


def _damaged(error: Exception) -> DamagedError:
    what = "what this clone remembers of the bucket is damaged"
    cure = f"rm {MIRROR}*, then the same command again: it is a cache, all of it is read anew"
    return DamagedError(what, where=str(MIRROR), why=str(error), cure=cure)
