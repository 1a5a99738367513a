"""The mirror's file, when somebody else holds it: it is waited for, said, and never thrown away."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import ConflictError, DamagedError, SetupError, translate_disk_errors
from storage.s3 import mirror
from storage.s3.mirror import Mirror


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "LOCK_TIMEOUT_S", 0.1)


def test_a_file_that_another_command_holds_stays(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sqlite"
    known = Mirror(path)
    known.set_note("agreed main", "etag")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for write in (lambda: known.set_note("agreed main", "later"), lambda: known.forget(["a"])):
        with pytest.raises(ConflictError, match="another labeltrail command"):
            write()
    assert Mirror(path).note("agreed main") == "etag"
    other.execute("ROLLBACK")
    known.set_note("agreed main", "later")
    assert Mirror(path).note("agreed main") == "later"


def test_a_file_that_is_just_being_made_stays(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.executescript("CREATE TABLE made (name); BEGIN EXCLUSIVE; INSERT INTO made VALUES ('half');")
    with pytest.raises(ConflictError):
        Mirror(path)
    other.execute("COMMIT")
    assert other.execute("SELECT name FROM made").fetchall() == [("half",)]


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_file_that_says_it_is_of_a_later_sqlite_is_made_anew_or_named(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "mirror.sqlite"
    Mirror(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode = {mode}")
    data = bytearray(path.read_bytes())
    data[18] = 255  # the version that it is to be written by: SQLite says that the file is read-only
    path.write_bytes(data)
    found = Mirror(path)
    if mode == "WAL":  # it can be read, so it is known no sooner
        with pytest.raises(DamagedError, match="what this clone remembers of the bucket is damaged"):
            found.set_note("agreed main", "etag")
    else:
        found.set_note("agreed main", "etag")
        assert found.note("agreed main") == "etag"


def test_a_file_that_nobody_may_write_is_said(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sqlite"
    path.mkdir()  # stands for one of somebody else's: root may write any
    with pytest.raises(SetupError, match="a file cannot be read or written"), translate_disk_errors():
        Mirror(path)


def test_what_is_no_database_or_of_another_version_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sqlite"
    path.write_bytes(b"not a database")
    Mirror(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    assert Mirror(path).note("agreed main") == ""


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_file_that_this_user_may_not_use_is_said(code: int) -> None:
    with pytest.raises(SetupError) as caught, translate_disk_errors():
        raise OSError(code, os.strerror(code), "data/labels/00.jsonl")
    assert (caught.value.where, caught.value.why) == ("data/labels/00.jsonl", os.strerror(code))
