"""Cache of verified objects of the DVC cache, so that each is hashed once: `.labeltrail/verified.sqlite`.

An object counts as verified as long as inode, modification time and size of its file stay the same. Other changes
(a bad disk) are found by `labeltrail fsck`, which does not use this cache.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from os import stat_result
from pathlib import Path

PATH = Path(".labeltrail/verified.sqlite")
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)  # SQLite quotes what it found, which may be no UTF-8
LOCK_TIMEOUT_S = 30.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS verified (
    md5 TEXT PRIMARY KEY, inode INTEGER NOT NULL, written INTEGER NOT NULL, size INTEGER NOT NULL
) WITHOUT ROWID
"""
FileIdentity = tuple[int, int, int]  # inode, time of the last write in nanoseconds, bytes


def identity_of(stat: stat_result) -> FileIdentity:
    """Identifies the version of a file."""
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def read(root: Path) -> dict[str, FileIdentity]:
    """The verified objects by hash; none where the cache is missing or damaged."""
    path = root / PATH
    if not path.exists():
        return {}
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)) as db:
            rows = db.execute("SELECT md5, inode, written, size FROM verified")
            return {md5: (inode, written, size) for md5, inode, written, size in rows}
    except UNREADABLE:
        return {}


def add(root: Path, objects: Iterable[tuple[str, FileIdentity]]) -> None:
    """Add verified objects; an error is ignored: they are hashed again."""
    path = root / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(md5, *identity) for md5, identity in objects]
    try:
        _write(path, rows)
    except sqlite3.OperationalError:
        return
    except UNREADABLE:  # half written, or no database at all
        path.unlink(missing_ok=True)
        with suppress(*UNREADABLE):
            _write(path, rows)


def _write(path: Path, rows: list[tuple[str, int, int, int]]) -> None:
    with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)) as db, db:
        db.execute(SCHEMA)
        db.executemany("INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?)", rows)
