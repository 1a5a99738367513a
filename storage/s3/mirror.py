"""A cache of the bucket beside the work tree, which can be deleted at any moment.

One row an object: its ETag and its parsed value. A refresh lists the bucket, gets only objects whose ETag is new,
and forgets deleted ones; what changed since bucket and label commit agreed is marked until they agree again, so
that a sync looks at nothing else. SQLite in `.labeltrail/mirror.sqlite`.
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

VERSION = 5  # also of what a parser took for well-formed: rows of an older one are read again
MOST_BYTES = 16_000_000  # of one object: tens of thousands of regions; sixteen are read at once
BATCH = 1000  # objects that are read before they are remembered: what was read outlives a crash, memory stays small
# The columns after `problem` are taken from an annotation's value, so that it need not be parsed to be found.
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
LOCK_TIMEOUT_S = 30.0  # for another command that holds the file; it is written to for moments
LAST = "\U0010ffff"  # sorts behind every key
Content = tuple[str, str, str]  # key of a recording's object, ETag, MD5 of its bytes
ChangedAnnotation = tuple[str, str, int, str]  # key of an annotation's object, shard, number, record id
MARK = """
INSERT OR IGNORE INTO moved
SELECT key, coalesce(shard, ''), json_extract(value, '$.annotation'), json_extract(value, '$.record.id')
FROM object WHERE key = ?
"""


@dataclass(frozen=True)
class Refreshed:
    """Keys that were read again, and keys that are gone."""

    changed: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One object: `value` is what `parse` made of its bytes, or `problem` why it refused them."""

    key: str
    etag: str
    value: Any
    problem: str


class Mirror:
    """The cache of one clone. Values are whatever JSON the `parse` of a refresh made of the bytes.

    Args:
        path: the file.
        scratch: work on a copy of it, which goes with this object: nothing is stored.
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
                raise  # the file is well; it is the disk, or whoever may read it
            for part in ("", "-wal", "-shm"):  # half-written or of another version: it can all be read again
                path.with_name(path.name + part).unlink(missing_ok=True)
            self._db = self._open(path)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)
        # A write waits for no disk. What a crash of the machine takes of the newest is looked at again.
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            db.close()
            raise sqlite3.DatabaseError(f"version {version}")
        if version == 0:
            db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        return db

    # -- looking at the bucket --------------------------------------------------------------------

    def refresh(self, bucket: Bucket, prefix: str, parse: Callable[[str, bytes], Any]) -> Refreshed:
        """Bring the rows below `prefix` up to date with the bucket.

        Args:
            bucket: where to look.
            prefix: which keys; its rows and no others are touched.
            parse: turns key and bytes into a JSON value; an InputError sets the object aside.
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
        return Refreshed((*read.changed, *(row.key for row in large)), (*known, *read.gone))

    def read(self, bucket: Bucket, keys: Collection[str], parse: Callable[[str, bytes], Any]) -> Refreshed:
        """Get these objects again, whatever their ETag."""

        def get(key: str) -> Row | None:
            etag = ""
            try:
                data, etag = bucket.get(key, MOST_BYTES)
                return Row(key, etag, parse(key, data), "")
            except NotFoundError:
                return None  # deleted, perhaps since it was listed
            except InputError as error:
                return Row(key, etag, None, error.why or error.what)

        changed, gone, batch = [], [], []
        name = f"reading {len(keys)} objects"
        for key, row in zip(keys, track(parallel(get, keys), name, len(keys)), strict=True):
            if row is None:
                gone.append(key)
                continue
            changed.append(key)
            batch.append(row)
            if len(batch) == BATCH:
                self.put(batch)
                batch.clear()
        self.put(batch)
        self.forget(gone)
        return Refreshed(tuple(changed), tuple(gone))

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
        """Objects that `parse` refused."""
        return self._rows("problem != '' AND key >= ? AND key < ?", prefix, prefix + LAST)

    def with_lone_surrogate(self, prefix: str) -> list[Row]:
        """Annotations in whose text is half a character."""
        return self._rows("half = 1 AND key >= ? AND key < ?", prefix, prefix + LAST)

    def at(self, keys: Iterable[str]) -> list[Row]:
        """The rows of these keys that there are."""
        return [row for key in keys for row in self._rows("key = ?", key)]

    def _rows(self, condition: str, *values: object) -> list[Row]:
        query = f"SELECT key, etag, value, problem FROM object WHERE {condition} ORDER BY key"  # noqa: S608 -- ours
        with _translate_errors(self._path):
            cursor = self._db.execute(query, values)
            return [Row(k, e, json.loads(v) if v is not None else None, p) for k, e, v, p in cursor]

    def _all(self, query: str, *values: object) -> list[Any]:
        """What a query finds."""
        with _translate_errors(self._path):
            return self._db.execute(query, values).fetchall()

    def count(self, prefix: str) -> int:
        """How many objects below a prefix are valid."""
        query = "SELECT count(*) FROM object WHERE key >= ? AND key < ? AND problem = ''"
        return int(self._all(query, prefix, prefix + LAST)[0][0])

    def tasks(self, prefix: str) -> set[int]:
        """Tasks that annotations below a prefix are of."""
        query = "SELECT DISTINCT task FROM object WHERE task IS NOT NULL AND key >= ? AND key < ?"
        return {row[0] for row in self._all(query, prefix, prefix + LAST)}

    def shards(self, prefix: str) -> set[str]:
        """Shards of the label snapshot that annotations below a prefix are in."""
        query = "SELECT DISTINCT shard FROM object WHERE shard IS NOT NULL AND key >= ? AND key < ?"
        return {row[0] for row in self._all(query, prefix, prefix + LAST)}

    def put(self, rows: Iterable[Row]) -> None:
        """Store rows, all or none, and mark them as changed."""
        stored = list(rows)
        values = (
            (r.key, r.etag, None if r.value is None else json.dumps(r.value), r.problem) for r in stored
        )
        keys = [(row.key,) for row in stored]
        with self._changes():
            self._db.executemany(MARK, keys)  # what it was,
            insert = "INSERT OR REPLACE INTO object (key, etag, value, problem) VALUES (?, ?, ?, ?)"
            self._db.executemany(insert, values)
            self._db.executemany(MARK, keys)  # and what it is, where that is in another shard

    def forget(self, keys: Iterable[str]) -> None:
        """Delete rows, and mark them as changed."""
        parameters = [(key,) for key in keys]
        with self._changes():
            self._db.executemany(MARK, parameters)
            self._db.executemany("DELETE FROM object WHERE key = ?", parameters)

    # -- what changed since bucket and label commit agreed ----------------------------------------

    def changed(self, prefix: str) -> dict[str, dict[str, tuple[int, str]]]:
        """By shard and key, number and record id of the annotations that changed; shard "" are other objects."""
        query = "SELECT shard, key, number, record FROM moved WHERE key >= ? AND key < ?"
        by_shard: dict[str, dict[str, tuple[int, str]]] = {}
        for shard, key, number, record in self._all(query, prefix, prefix + LAST):
            by_shard.setdefault(shard, {})[key] = (number, record)
        return by_shard

    def settle(
        self, prefix: str, notes: Iterable[tuple[str, str]], still: Iterable[ChangedAnnotation]
    ) -> None:
        """Clear the marks but for what is `still` unsynced, and set notes: all or none.

        An object that was never read has no row, and may be deleted before it gets one: the caller names it.
        """
        with self._changes():
            self._db.execute("DELETE FROM moved WHERE key >= ? AND key < ?", (prefix, prefix + LAST))
            self._db.executemany("INSERT OR IGNORE INTO moved VALUES (?, ?, ?, ?)", still)
            self._db.executemany("INSERT OR REPLACE INTO note VALUES (?, ?)", notes)

    # -- what recordings hold ---------------------------------------------------------------------

    def contents(self) -> dict[str, tuple[str, str]]:
        """By key of an object that was read or written: its ETag then, and the MD5 of its bytes."""
        return {key: (etag, md5) for key, etag, md5 in self._all("SELECT key, etag, md5 FROM content")}

    def note_contents(self, contents: Iterable[Content]) -> None:
        """Remember what objects hold."""
        with self._changes():
            self._db.executemany("INSERT OR REPLACE INTO content VALUES (?, ?, ?)", contents)

    # -- notes ------------------------------------------------------------------------------------

    def note(self, name: str) -> str:
        """The value of a note, "" where there is none."""
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
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._db.close()


def _is_damaged(path: Path, error: sqlite3.OperationalError) -> bool:
    """Whether it is the file's own fault: SQLite takes one for read-only, too, whose bytes say a later version."""
    if sqlite_code(error) == sqlite3.SQLITE_READONLY:
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return sqlite_code(error) == sqlite3.SQLITE_ERROR


def _copy(path: Path, folder: Path) -> Path:
    """A copy of the file, and of what SQLite has not moved into it yet.

    By another process: to close the file would let go of all locks that this one has on it. And SQLite, even where it
    only reads, leaves files beside it.
    """
    parts = [part for ending in ("", "-wal") if (part := path.with_name(path.name + ending)).exists()]
    if parts:
        process.run(["cp", "--", *parts, folder])
    return folder / path.name


@contextmanager
def _translate_errors(path: Path, *, fresh: bool = False) -> Iterator[None]:
    """Turn the error of a file that somebody else holds, or that is damaged, into one that a person can mend.

    Args:
        path: of the file.
        fresh: the file is being opened: who opens it begins a damaged one anew.

    Raises:
        ConflictError: another command holds it, for longer than any of ours should.
        DamagedError: it holds what was not written into it.
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
