"""Which objects of the DVC cache were hashed and had the bytes that their name says, so that each is hashed once.

An object counts as verified as long as its file is the same: inode, time of the last write and size. The notes are a
cache beside the work tree, `.labeltrail/verified.sqlite`: without it everything is hashed again. What changes while
the file stays the same (a bad disk) is found by `labeltrail fsck`, which does not read these notes.
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
Facts = tuple[int, int, int]  # inode, time of the last write in nanoseconds, bytes


def facts_of(found: stat_result) -> Facts:
    """By what a file is taken for the same."""
    return found.st_ino, found.st_mtime_ns, found.st_size


def known(root: Path) -> dict[str, Facts]:
    """The objects that were verified, by hash; none where nothing is noted, or the note cannot be read."""
    path = root / PATH
    if not path.exists():
        return {}
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)) as db:
            rows = db.execute("SELECT md5, inode, written, size FROM verified")
            return {md5: (inode, written, size) for md5, inode, written, size in rows}
    except UNREADABLE:
        return {}


def remember(root: Path, found: Iterable[tuple[str, Facts]]) -> None:
    """Note objects that were verified; a note that cannot be written costs time and nothing else."""
    path = root / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(md5, *facts) for md5, facts in found]
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
