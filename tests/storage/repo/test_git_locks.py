"""What a git that was killed leaves behind stops nobody; what a git at work holds is left to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from storage import process
from storage.repo import git_locks
from storage.repo.git import Git


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A clone with one commit; nobody waits long in it."""
    monkeypatch.setattr(git_locks, "LOCK_TIMEOUT_S", 0.2)
    for words in (
        ["init", "--quiet", "-b", "main"],
        ["config", "user.name", "Tester"],
        ["config", "user.email", "tester@example.com"],
        ["commit", "--quiet", "--allow-empty", "-m", "first"],
    ):
        process.run(["git", *words], cwd=tmp_path)
    return Git(tmp_path)


@pytest.mark.parametrize("place", ["index.lock", "HEAD.lock", "refs/heads/main.lock"])
def test_a_commit_goes_past_the_lock_of_a_git_that_was_killed(clone: Git, place: str) -> None:
    (clone.root / ".git" / place).touch()
    (clone.root / "a.txt").write_text("a", encoding="utf-8")
    assert clone.commit(["a.txt"], "second") == clone.head()
    assert git_locks.find(clone.root) == []


def test_a_lock_whose_git_is_at_work_stays(clone: Git) -> None:
    (clone.root / "a.txt").write_text("a", encoding="utf-8")
    clone.run("add", "a.txt")
    editor = f"{sys.executable} -c 'import time; time.sleep(20)' #"
    words = ["git", "-c", f"core.editor={editor}", "commit", "--only", "a.txt"]
    with subprocess.Popen(words, cwd=clone.root, stdout=subprocess.DEVNULL) as busy:
        assert process.wait(lambda: git_locks.find(clone.root) != [], 10)
        with pytest.raises(process.ProgramError, match=r"index\.lock"):
            clone.run("add", "a.txt")
        assert git_locks.find(clone.root) != []
        busy.kill()
    assert clone.run("add", "a.txt") == ""


def test_a_lock_that_goes_is_waited_for(clone: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_locks, "LOCK_TIMEOUT_S", 10.0)
    lock = clone.root / ".git" / "index.lock"
    lock.touch()
    with subprocess.Popen(["sh", "-c", f"sleep 0.5; rm '{lock}'"]):
        (clone.root / "a.txt").write_text("a", encoding="utf-8")
        assert clone.run("add", "a.txt") == ""


def test_a_file_of_the_project_that_is_called_lock_is_nobodys_lock(
    clone: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.root)
    for path in (clone.root / "dvc.lock", clone.root / "index.lock"):
        path.write_text("ours", encoding="utf-8")
        assert clone.show("HEAD", path.name) is None, "git names it where a commit lacks it"
        assert path.read_text(encoding="utf-8") == "ours"
