"""Stale lock files of git, left by a git process that was killed.

A lock is stale if it stays unchanged for some seconds while no git process works in the clone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from storage import process
from storage.progress import note

LOCK_TIMEOUT_S = 2.0  # for another git process to end
NAMED = re.compile(r"'([^'\n]+\.lock)'")
PLACES = ("index.lock", "HEAD.lock", "packed-refs.lock", "refs/heads/**/*.lock")


def in_message(text: str) -> list[Path]:
    """The lock files that an error message of git names, in any language.

    Only those in git's folder: `dvc.lock` is none, and a message may name it.
    """
    paths = map(Path, NAMED.findall(text))
    return [path for path in paths if path.is_absolute() and ".git" in path.parts and path.exists()]


def find(root: Path) -> list[Path]:
    """The lock files in a clone; none in a linked worktree, whose git folder is elsewhere."""
    folder = root / ".git"
    return [path for place in PLACES for path in folder.glob(place)] if folder.is_dir() else []


def remove_stale(locks: Iterable[Path], root: Path) -> bool:
    """Wait until these locks are released, and remove stale ones; returns whether to retry git."""
    for path in locks:
        before = _identity(path)
        if not process.wait(lambda: _identity(path) != before, LOCK_TIMEOUT_S):  # noqa: B023 -- called at once
            if process.works_in("git", root):
                return False
            path.unlink(missing_ok=True)
            note(f"removed {path.name}, which a git that was killed has left in {path.parent}")
    return True


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_mtime_ns
