"""What a history names: whatever gc does not find here it may delete."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import InputError
from storage.labels import references
from tests.support.history_project import Past

LOCK = """stages:
  promote:
    cmd: python -m stages.promote
    outs:
    - {path: data/best, md5: %s.dir}
"""


def md5(digit: str) -> str:
    return digit * 32


def test_a_pointer_that_was_copied_is_a_pointer_all_the_same(tmp_path: Path) -> None:
    """git lists an object once, under one of its names."""
    past = Past(tmp_path / "clone")
    (past.root / "data").mkdir()
    for digit in "123":
        for name in ("start.dvc", "a-copy-of-it", "start.dvc.old"):
            (past.root / "data" / name).write_text(f"outs:\n- md5: {md5(digit)}.dir\n  path: start\n")
        past.git("add", "--force", ".")
        past.save(digit)
    past.git("rm", "--quiet", "-r", "data")
    past.save("nothing")
    for setting in ("log.showRoot=false", "log.diffMerges=off", "log.follow=true", "diff.renames=copies"):
        past.git("config", *setting.split("="))
    assert references.pointer_hashes(past.repository.git, reflog=False) == {
        f"{md5(digit)}.dir" for digit in "123"
    }


def test_what_only_a_merge_or_a_commit_left_behind_has_is_named(tmp_path: Path) -> None:
    past = Past(tmp_path / "clone")
    past.git("switch", "--quiet", "-c", "side")
    put(past, "x.dvc", "1")
    past.git("switch", "--quiet", "main")
    put(past, "y.dvc", "2")
    past.git("merge", "--quiet", "--no-commit", "side")
    put(past, "deep/z.dvc", "3")
    past.git("rm", "--quiet", "-r", "deep", "x.dvc", "y.dvc")
    past.save("nothing")
    put(past, "left.dvc", "4")
    past.git("reset", "--quiet", "--hard", "HEAD~1")
    past.git("branch", "--quiet", "-D", "side")
    assert references.pointer_hashes(past.repository.git, reflog=False) == {md5(digit) for digit in "123"}
    assert references.pointer_hashes(past.repository.git) == {md5(digit) for digit in "1234"}


def put(past: Past, name: str, digit: str) -> None:
    path = past.root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"outs:\n- md5: {md5(digit)}\n  path: x\n")
    past.git("add", name)
    past.save(digit)


@pytest.mark.parametrize(
    "form",
    [
        "outs:\n- md5: '%s'\n",
        "outs:\r\n-   md5:   %s\r\n",
        '{"outs": [{"md5": "%s"}]}',
        'a:\n  md5: "%s"  # b\n',
    ],
)
def test_a_hash_counts_in_every_form_that_a_pointer_may_have(form: str, tmp_path: Path) -> None:
    past = Past(tmp_path / "clone")
    (past.root / "x.dvc").write_bytes((form % f"{md5('1')}.dir").encode())
    assert references.pointer_hashes(past.repository.git) == {f"{md5('1')}.dir"}


def test_a_lock_that_cannot_be_read_stops_gc_and_not_fsck(tmp_path: Path) -> None:
    past = Past(tmp_path / "clone")
    (past.root / "dvc.lock").write_text("<<<<<<< ours\n" + LOCK % md5("1"))
    past.git("add", "dvc.lock")
    past.save("marks")
    past.git("tag", "old")
    (past.root / "dvc.lock").write_text(LOCK % md5("2"))
    past.git("add", "dvc.lock")
    past.save("mended")
    with pytest.raises(InputError):
        references.dvc_locks(past.repository.git)
    found = references.dvc_locks(past.repository.git, skip_unreadable=True)
    assert {name: lock.best for name, lock in found.items()} == dict.fromkeys(
        ("HEAD", "refs/heads/main"), f"{md5('2')}.dir"
    )
