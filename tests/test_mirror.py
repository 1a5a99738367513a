"""The mirror's file, when somebody else holds it: it is waited for, said, and never thrown away."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from storage import mirror
from storage.errors import ConflictError
from storage.mirror import Mirror


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "PATIENCE", 0.1)


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


def test_what_is_no_database_or_of_another_version_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sqlite"
    path.write_bytes(b"not a database")
    Mirror(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    assert Mirror(path).note("agreed main") == ""
