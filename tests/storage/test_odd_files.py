"""What fuzzing found (tests/robustness), one by one: files that once ended in a traceback, or lost something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.branches import registry
from stages import params
from storage import settings
from storage.artifacts import lineage
from storage.errors import DamagedError, InputError
from storage.label_studio import label_config
from storage.label_studio.label_config import render
from storage.labels import snapshot
from storage.labels.diff import difference
from storage.project_files import splits_file, tasks_file
from storage.remote import sync_state
from storage.repo.dvc_lock import Lock
from storage.repo.pointer import parse_pointer, pointer_md5
from storage.s3.mirror import Mirror
from tests.support.history_project import ONE, Past

XML = render(("x",), ("walk",), "time")
TASK = b'{"data":{},"series":"one"}\n'
NESTED = b"[" * 200_000  # libyaml went down all the way, and the process ended
FILES: dict[str, tuple[str, bytes, Callable[[Path], Any]]] = {
    "params in another encoding": ("params.yaml", "größe: 1".encode("latin-1"), params.load),
    "a date that is none": ("params.yaml", b"train: 2026-99-99", params.load),
    "a tag that is Python's": ("params.yaml", b"train: !!int x", params.load),
    "a value in itself": ("params.yaml", b"train: &a [*a]", params.load),
    "params that are nested very deep": ("params.yaml", NESTED, params.load),
    "a dvc.lock with conflict marks": ("dvc.lock", b"<<<<<<< HEAD\nstages:\n", lambda p: Lock.read(p.parent)),
    "a dvc.lock of a list": ("dvc.lock", b"- a\n", lambda p: Lock.read(p.parent)),
    "an output that leads out": (
        "dvc.lock",
        b"stages:\n  a:\n    cmd: x\n    outs:\n    - path: ../x\n      md5: " + b"a" * 32,
        lambda p: Lock.read(p.parent),
    ),
    "a hash that is a path": ("labels.dvc", b"outs:\n- md5: ../../../x\n  path: labels\n", pointer_md5),
    "a pointer in another encoding": ("labels.dvc", b"\xffouts:\n", pointer_md5),
    "a task in another encoding": ("tasks.jsonl", b'{"data":{"a":"\xe9"},"series":"one"}\n', tasks_file.read),
    "two tasks of one series": ("tasks.jsonl", TASK * 2, tasks_file.read),
    "a task whose series is a number": ("tasks.jsonl", b'{"data":{},"series":5}\n', tasks_file.read),
    "a task that is nested deep": ("tasks.jsonl", b'{"data":' + b"[" * 5000, tasks_file.read),
    "a quote that nothing closes": (
        "splits.csv",
        b'series,group,split\n"' + b"a" * 200_000,
        splits_file.read,
    ),
    "a label config in UTF-16": ("config.xml", XML.encode("utf-16"), label_config.load),
    "tags in tags": ("config.xml", b"<View>" * 2000 + XML.encode() + b"</View>" * 2000, label_config.load),
    "settings in another encoding": (
        ".env",
        b"LABEL_STUDIO_URL=http://\xff\n",
        lambda p: settings.load(p.parent),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_named_with_a_next_command(tmp_path: Path, name: str) -> None:
    file, data, read = FILES[name]
    path = tmp_path / file
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in caught.value.where
    assert caught.value.cure
    assert path.read_bytes() == data


def test_a_hash_in_a_pointer_is_a_hash() -> None:
    assert parse_pointer("outs:\n- md5: ../../../x\n") == ""
    assert parse_pointer(f"outs:\n- md5: {'a' * 32}.dir\n") == "a" * 32 + ".dir"
    assert parse_pointer(f"outs:\n- md5: '{'1' * 32}'\n") == "1" * 32
    assert parse_pointer(f"<<<<<<< HEAD\nouts:\n- md5: {'1' * 32}\n=======\n>>>>>>> other\n") == ""


def test_an_odd_dvc_lock_in_the_history_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody committed git's conflict marks, and mended them in the next commit."""
    past = Past(tmp_path / "past")
    texts = ("stages: {}\n", "<<<<<<< HEAD\nstages: {}\n=======\n", "stages:\n  a: {cmd: x}\n")
    commits = []
    for text in texts:
        (past.root / "dvc.lock").write_text(text, encoding="utf-8")
        commits.append(past.save("lock"))
    found = list(lineage.locks(past.repository.git, "HEAD"))
    assert [commit for commit, _ in found] == [commits[2], commits[0]]
    assert f"dvc.lock of {commits[1][:12]} was left out" in capsys.readouterr().err


def test_a_cell_with_a_carriage_return_reads_back(tmp_path: Path) -> None:
    rows = {"one": splits_file.Row("a\rb", "train"), "two": splits_file.Row("\r\n", "test")}
    splits_file.write(rows, tmp_path / "splits.csv")
    assert splits_file.read(tmp_path / "splits.csv") == rows


@pytest.mark.parametrize("entry", [[], [""], "a"])
def test_an_entry_of_a_sync_that_is_too_short(entry: Any) -> None:
    text = (
        sync_state.State(1)
        .dump()
        .replace(b'"history": []', b'"history": [' + str(entry).replace("'", '"').encode() + b"]")
    )
    with pytest.raises(sync_state.DamagedStateError):
        sync_state.parse(text, "", "main/sync.json")


def test_half_a_character_in_a_series_of_a_label_snapshot_is_named() -> None:
    line = snapshot.dump_shard([ONE]).replace(b'"series":"one"', b'"series":"one\\ud83d"')
    with pytest.raises(InputError, match="not a label record") as caught:
        snapshot.parse_shard(line, "data/labels/ab.jsonl")
    assert caught.value.where == "data/labels/ab.jsonl:1"


def test_a_region_without_a_word_that_went_away() -> None:
    assert [item.sign for item in difference(ONE | {"result": [{}]}, ONE | {"result": []}).items] == ["-"]


def test_a_damaged_mirror_is_named_or_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sqlite"
    mirror = Mirror(path)
    mirror.set_note("a", "b")
    mirror._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    mirror.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(DamagedError, match="what this clone remembers of the bucket is damaged") as caught:
        Mirror(path).note("a")
    assert caught.value.cure.startswith("rm .labeltrail/mirror.sqlite*")


def test_a_mirror_whose_text_is_no_utf_8_is_named(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror.sqlite")
    with mirror._db as db:
        db.execute("INSERT INTO note VALUES ('a', CAST(x'ff27' AS TEXT))")
    with pytest.raises(DamagedError, match="what this clone remembers of the bucket is damaged"):
        mirror.note("a")


def test_a_branch_that_would_be_a_folder_of_another(tmp_path: Path) -> None:
    past = Past(tmp_path / "past")
    past.git("branch", "a/b")
    for name in ("a", "a/b/c"):
        with pytest.raises(InputError, match="cannot be the name of a branch") as caught:
            registry.check_name(past.repository.git, name)
        assert caught.value.why == "git has branch 'a/b', and would need a file and a folder of one name"
