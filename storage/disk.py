"""A disk without room, in our words, whoever met it: a file of ours, DVC, or SQLite."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from storage.errors import SetupError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def full_is_said() -> Iterator[None]:
    """Turn the errors of a full disk into one that a person can mend.

    Raises:
        SetupError: the disk is full, or this user's share of it.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise _full(str(error.filename or ""), error.strerror or str(error)) from error
    except sqlite3.OperationalError as error:
        if sqlite_code(error) not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise
        raise _full(".labeltrail/mirror.sqlite", str(error)) from error


def sqlite_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; SQLITE_ERROR where Python itself could not read what a file holds (no UTF-8)."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _full(where: str, why: str) -> SetupError:
    cure = "make room (df -h shows where), then the same command again: nothing is lost"
    return SetupError("the disk is full", where=where, why=why, cure=cure)
