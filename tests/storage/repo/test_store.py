"""What `Repository.store` puts into the DVC cache is what `dvc add` puts there, and passes for it with DVC itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from storage import process, settings
from storage.repo.repository import Repository

FILES = {
    "00.jsonl": b'{"series":"one"}\n',
    "a b+%/é.jsonl": b"",
    "ff.jsonl": b"x" * 10_000,
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A new git and DVC repository with a remote beside it."""
    root = tmp_path / "project"
    root.mkdir()
    for command in (
        ["git", "init", "--quiet", "-b", "main"],
        ["git", "config", "user.name", "Tester"],
        ["git", "config", "user.email", "tester@example.com"],
        ["dvc", "init", "--quiet"],
        ["dvc", "remote", "add", "--quiet", "-d", "bucket", str(tmp_path / "remote")],
    ):
        run(root, command)
    return Repository(root)


def run(root: Path, command: list[str]) -> str:
    return process.run(command, cwd=root, env=settings.stage_environment())


def write(folder: Path) -> None:
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def objects(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of everything in a DVC cache or remote."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {p.relative_to(folder).as_posix(): (p.stat().st_mode, p.read_bytes()) for p in files}


def test_the_cache_is_that_of_dvc_add(repository: Repository) -> None:
    md5 = repository.cache.store(FILES)
    cache = repository.root / ".dvc/cache"
    stored = objects(cache)
    assert list((repository.root / ".dvc/tmp").glob("store*")) == []
    assert not (repository.root / "data").exists()
    shutil.rmtree(cache)
    write(repository.root / "data/odd")
    assert (repository.add("data/odd"), objects(cache)) == (md5, stored)
    assert repository.cache.store(FILES) == md5
    assert repository.cache.store({}) == ""
    rest = repository.folder(md5)
    assert (
        repository.cache.store({"ff.jsonl": FILES["ff.jsonl"]}, {n: rest[n] for n in rest if n != "ff.jsonl"})
        == md5
    )
    assert objects(cache) == stored


def test_dvc_checks_it_out_pushes_it_and_keeps_it(repository: Repository, tmp_path: Path) -> None:
    write(repository.root / "data/odd")
    repository.add("data/odd")
    new = {**FILES, "00.jsonl": b'{"series":"two"}\n'}
    md5 = repository.cache.store(new)
    pointer = repository.root / "data/odd.dvc"
    pointer.write_text(f"outs:\n- md5: {md5}\n  hash: md5\n  path: odd\n", encoding="utf-8")
    repository = Repository(repository.root)
    assert repository.folder(md5).keys() == new.keys()
    repository.checkout("data/odd")
    assert (repository.root / "data/odd/00.jsonl").read_bytes() == new["00.jsonl"]
    repository.push()
    remote = {name: data for name, (_, data) in objects(tmp_path / "remote/files/md5").items()}
    assert f"{md5[:2]}/{md5[2:]}" in remote
    assert set(new.values()) < set(remote.values())
    run(repository.root, ["dvc", "gc", "-w", "-f", "--quiet"])
    assert repository.read([md5])
    assert "up to date" in run(repository.root, ["dvc", "status"])
    assert "not_in_cache" not in run(repository.root, ["dvc", "data", "status", "--json"])


def test_what_a_killed_run_left_half_stored_is_swept_away(repository: Repository) -> None:
    beside = repository.root / ".dvc" / "tmp"
    with subprocess.Popen(["sleep", "60"]) as other:
        for name in (f"store.{2**22 + 1}", f"store.{2**22 + 1}.part", f"store.{other.pid}"):
            (beside / name).write_bytes(b"ha")
        repository.cache.store({"00.jsonl": b"labels\n"})
        assert [path.name for path in beside.glob("store.*")] == [f"store.{other.pid}"]
        other.kill()
