"""A disk without room, and files that this user may not use, in our words, whoever met it: we, DVC, or SQLite."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from storage.errors import SetupError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_ACCESS = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


@contextmanager
def faults_are_said() -> Iterator[None]:
    """Turn the errors of a full disk, and of missing rights, into one that a person can mend.

    Raises:
        SetupError: the disk is full, or this user's share of it; or this user may not read or write a file.
    """
    try:
        yield
    except OSError as error:
        where, why = str(error.filename or ""), error.strerror or str(error)
        if error.errno in NO_RIGHT:
            raise _refused(where, why) from error
        if error.errno not in NO_ROOM:
            raise
        raise _full(where, why) from error
    except sqlite3.OperationalError as error:
        where, code = ".labeltrail/mirror.sqlite", sqlite_code(error)
        if code in NO_ACCESS:
            raise _refused(where, str(error)) from error
        if code not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise
        raise _full(where, str(error)) from error


def sqlite_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; SQLITE_ERROR where Python itself could not read what a file holds (no UTF-8)."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _refused(where: str, why: str) -> SetupError:
    cure = "ls -ld, of the file and of the folder that it is in, shows whose they are; then the same command again"
    return SetupError("a file cannot be read or written", where=where, why=why, cure=cure)


def _full(where: str, why: str) -> SetupError:
    cure = "make room (df -h shows where), then the same command again: nothing is lost"
    return SetupError("the disk is full", where=where, why=why, cure=cure)
