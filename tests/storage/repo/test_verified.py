"""The notes of verified objects: a cache that may be damaged in any way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.repo import verified_objects

OBJECT, OTHER = ("a" * 32, (1, 2, 3)), ("b" * 32, (4, 5, 6))


@pytest.mark.parametrize("damage", ["no database", "no UTF-8"])
def test_notes_that_cannot_be_read_are_begun_anew(tmp_path: Path, damage: str) -> None:
    verified_objects.add(tmp_path, [OBJECT])
    assert verified_objects.read(tmp_path) == dict([OBJECT])
    path = tmp_path / verified_objects.PATH
    if damage == "no database":
        path.write_bytes(b"x" * 4096)
    else:
        path.write_bytes(path.read_bytes().replace(b"verified", b"\xff\xfeerified").replace(b"md5", b"((("))
        with closing(sqlite3.connect(path)) as db, pytest.raises(UnicodeDecodeError):
            db.execute("SELECT * FROM verified")  # SQLite quotes what it found
    assert verified_objects.read(tmp_path) == {}
    verified_objects.add(tmp_path, [OTHER])
    assert verified_objects.read(tmp_path) == dict([OTHER])
