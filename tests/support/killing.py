"""Programs killed at random moments and run again: what they must leave behind, and that nothing else is left.

A kill takes the program's whole process group, so git, DVC and what else it started end with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storage import process
from storage.files import md5

LABELTRAIL = str(Path(sys.executable).with_name("labeltrail"))
LEFT_OVERS = ("*.part", "*.old", "*.lock", "*.tmp", "store.*")


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit status (negative: the signal), what it wrote, and how long it took."""

    status: int
    output: str
    seconds: float


def program(root: Path, words: Sequence[str], kill_after: float | None = None) -> Ended:
    """Run `labeltrail WORDS` in a clone, in a process group of its own; kill the group after some seconds."""
    began = time.monotonic()
    with subprocess.Popen(
        [LABELTRAIL, *words],
        cwd=root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            output, _ = running.communicate(timeout=kill_after)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            output, _ = running.communicate()
    return Ended(running.returncode, output, time.monotonic() - began)


def assert_clean(root: Path) -> None:
    """Check that git and DVC's cache are whole, and that nothing half-done lies about."""
    process.run(["git", "fsck", "--strict", "--no-dangling"], cwd=root)
    assert process.run(["git", "status", "--porcelain"], cwd=root) == ""
    cache = root / ".dvc/cache/files/md5"
    wrong = [str(path) for path in cache.rglob("*") if path.is_file() and not _is_its_name(path)]
    assert wrong == [], "objects of the DVC cache whose MD5 is not their name"
    places = (root / "data", root / ".dvc", root / ".labeltrail", root / ".git")
    left = [path for place in places for name in LEFT_OVERS for path in place.rglob(name)]
    assert [str(path.relative_to(root)) for path in left if not _is_a_lock_for_good(path)] == []


def _is_its_name(path: Path) -> bool:
    name = path.parent.name + path.name
    return md5(path) == name.removesuffix(".dir")


def _is_a_lock_for_good(path: Path) -> bool:
    """A file that is locked by the system, and lies there whether somebody holds it or not."""
    return ".dvc/tmp" in path.as_posix() and path.name in ("lock", "rwlock.lock")
