"""Checks of owner and permissions in the cache folder, which all projects of a user share.

The programs in it (MinIO, Label Studio, uv) run with the user's rights, so each must belong to the user or to root,
and nobody else may write to it. This module needs only the standard library: `make` calls it before there is an
environment.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from storage.printable import argument

HARMLESS = {".lock"}  # uv makes it writable for all; it is not executed


def ready(cache: Path) -> Path:
    """The cache folder, which is created for this user alone where it does not exist.

    Raises:
        SetupError: others may write to it, or it belongs to somebody else.
    """
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    require(cache)
    return cache


def require(*paths: Path) -> None:
    """Check that nobody else could have changed these folders and programs.

    Raises:
        SetupError: somebody could have changed one; names its owner or mode.
    """
    for path in paths:
        if why := fault(path):
            raise _refusal(path, why)


def require_tree(folder: Path) -> None:
    """The same for everything in a folder; links are checked, not followed."""
    require(folder)
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if name not in HARMLESS and (why := _fault(os.lstat(f"{path}/{name}"))):
                raise _refusal(Path(path, name), why)


def _refusal(path: Path, why: str) -> Exception:
    from storage.errors import SetupError

    quoted = argument(path)
    return SetupError(
        "what others could have changed is not run",
        where=str(path),
        why=why,
        cure=f"look at what is in it, then: chmod -R go-w {quoted}; or delete it; or LABELTRAIL_CACHE=ANOTHER_FOLDER",
    )


def fault(path: Path) -> str:
    """Why a folder or program is not trusted: its owner, its mode, or a parent folder that all may write to."""
    resolved = path.resolve()
    why = _fault(os.lstat(path)) or _fault(resolved.stat())
    if why:
        return why
    for above in resolved.parents:
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
    """Remove write permission for others from everything in a new folder, independent of the umask."""
    for path, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            entry = os.path.join(path, name)  # noqa: PTH118 -- as above
            mode = os.lstat(entry).st_mode
            if mode & 0o022 and not stat.S_ISLNK(mode):
                os.chmod(entry, stat.S_IMODE(mode) & ~0o022)  # noqa: PTH101
