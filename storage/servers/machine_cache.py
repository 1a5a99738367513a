"""The folder that all projects of a user share: nothing is run from it that somebody else could have put there.

The programs in it (MinIO, Label Studio's environment, uv) are run with the user's rights, so each must belong to the
user or to root, and nobody else may write to it. This module needs nothing but Python, for `make` calls it before
there is an environment.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from storage.printable import argument

HARMLESS = {".lock"}  # uv makes it writable for all; nobody runs or reads it


def ready(cache: Path) -> Path:
    """The folder, which is made for this user alone where it is not there yet.

    Raises:
        SetupError: others may write to it, or it belongs to somebody else.
    """
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    require(cache)
    return cache


def require(*paths: Path) -> None:
    """Check that nobody else could have changed these folders and programs.

    Raises:
        SetupError: names the first, its owner or mode, and what helps.
    """
    for path in paths:
        if why := fault(path):
            raise _refusal(path, why)


def require_tree(folder: Path) -> None:
    """The same for all that is in a folder; links are looked at, not followed."""
    require(folder)
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if name not in HARMLESS and (why := _fault(os.lstat(f"{path}/{name}"))):
                raise _refusal(Path(path, name), why)


def _refusal(path: Path, why: str) -> Exception:
    from storage.errors import SetupError

    named = argument(path)
    return SetupError(
        "what others could have changed is not run",
        where=str(path),
        why=why,
        cure=f"look at what is in it, then: chmod -R go-w {named}; or delete it; or LABELTRAIL_CACHE=ANOTHER_FOLDER",
    )


def fault(path: Path) -> str:
    """Why a folder or program is not run from: its owner, its mode, or a folder above that all may write to."""
    found = path.resolve()
    why = _fault(os.lstat(path)) or _fault(found.stat())
    if why:
        return why
    for above in found.parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return f"everybody may write to {above} (mode {stat.S_IMODE(mode):o}), and put another one in its place"
    return ""


def _fault(facts: os.stat_result) -> str:
    mode = stat.S_IMODE(facts.st_mode)
    if facts.st_uid not in (os.geteuid(), 0):
        return f"it belongs to {_name(facts.st_uid)}, and you are {_name(os.geteuid())}"
    # A link has no mode of its own.
    if mode & 0o022 and not stat.S_ISLNK(facts.st_mode):
        return f"others may write to it (mode {mode:o})"
    return ""


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def tighten(folder: Path) -> None:
    """Take from all others the right to write into a folder that was just made, whatever this shell's umask is."""
    for path, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            place = os.path.join(path, name)  # noqa: PTH118 -- as above
            mode = os.lstat(place).st_mode
            if mode & 0o022 and not stat.S_ISLNK(mode):
                os.chmod(place, stat.S_IMODE(mode) & ~0o022)  # noqa: PTH101
