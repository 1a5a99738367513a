"""git's lock files, and those that outlived their git: one that was killed cannot remove its own.

A lock counts as stale only if it stays the same for some seconds while no git works in the clone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from storage import process
from storage.progress import note

LOCK_TIMEOUT_S = 2.0  # for another git to end
NAMED = re.compile(r"'([^'\n]+\.lock)'")
PLACES = ("index.lock", "HEAD.lock", "packed-refs.lock", "refs/heads/**/*.lock")


def named(text: str) -> list[Path]:
    """The lock files that git names where it refuses to work, in whatever language.

    They lie in its folder. Other files are called so too: `dvc.lock`, which git names where a commit lacks it.
    """
    paths = map(Path, NAMED.findall(text))
    return [path for path in paths if path.is_absolute() and ".git" in path.parts and path.exists()]


def found(root: Path) -> list[Path]:
    """The lock files that lie in a clone; none where another clone holds its git folder."""
    folder = root / ".git"
    return [path for place in PLACES for path in folder.glob(place)] if folder.is_dir() else []


def remove_stale(locks: Iterable[Path], root: Path) -> bool:
    """Wait until these locks are released, and remove a stale one; whether git is worth another attempt."""
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
