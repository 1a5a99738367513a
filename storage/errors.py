"""Errors that a user can act on: one root class, and an exit code for each kind.

An error says what went wrong, where (task, annotation, object key, file and row), why, and the next command.
`pipelines.__main__` prints it and exits with its code (docs/cli.md); any other exception is a bug and keeps its
traceback. A full disk and missing permissions are such errors too, also from DVC and SQLite.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar

from storage.paths import MIRROR
from storage.printable import block

Text = str | Iterable[str]
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_ACCESS = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


class LabeltrailError(Exception):
    """An error that the user can act on.

    Each part is a line or a list of lines, and is made printable here.

    Args:
        what: could not be done, and with which object, in one sentence; in a list, items follow it.
        where: file and row, object key, task or annotation id.
        why: the cause as far as it is known.
        cure: the next command, or the change to make.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: Text, *, where: Text = "", why: Text = "", cure: Text = "") -> None:
        self.what = block(what, "  - ")
        self.where, self.why, self.cure = (block(part, "    ") for part in (where, why, cure))
        super().__init__(self.what)

    def __str__(self) -> str:
        parts = (("where", self.where), ("why", self.why), ("next", self.cure))
        return "\n".join([self.what, *(f"  {name}: {value}" for name, value in parts if value)])

    def to_json(self) -> dict[str, str]:
        """For `--json`: what, where, why, next."""
        return {"what": self.what, "where": self.where, "why": self.why, "next": self.cure}


class InputError(LabeltrailError):
    """A recording, an export, a label config or a param is invalid."""

    exit_code = 3


class ServiceError(LabeltrailError):
    """Label Studio or the bucket is unavailable or refuses the credentials."""

    exit_code = 4


class ConflictError(LabeltrailError):
    """Both sides changed the same thing; nothing was written."""

    exit_code = 5


class CheckError(LabeltrailError):
    """A check of `labeltrail doctor` or `labeltrail fsck` failed, or stored bytes are damaged."""

    exit_code = 6


class DamagedError(CheckError):
    """Stored bytes do not match their hash, or are invalid."""


class NotFoundError(LabeltrailError):
    """A project, revision, model, prediction or object that was named does not exist."""

    exit_code = 7


class SetupError(LabeltrailError):
    """A required program or package is missing, could not be built, or failed."""

    exit_code = 8


@contextmanager
def translate_disk_errors() -> Iterator[None]:
    """Translate the errors of a full disk and of missing permissions.

    Raises:
        SetupError: the disk is full, or the user's quota; or this user may not read or write a file.
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
        where, code = str(MIRROR), sqlite_code(error)
        if code in NO_ACCESS:
            raise _refused(where, str(error)) from error
        if code not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise
        raise _full(where, str(error)) from error


def sqlite_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; SQLITE_ERROR where Python could not decode text in the file."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _refused(where: str, why: str) -> SetupError:
    cure = "ls -ld, of the file and of the folder that it is in, shows whose they are; then the same command again"
    return SetupError("a file cannot be read or written", where=where, why=why, cure=cure)


def _full(where: str, why: str) -> SetupError:
    cure = "make room (df -h shows where), then the same command again: nothing is lost"
    return SetupError("the disk is full", where=where, why=why, cure=cure)
