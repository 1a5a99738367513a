"""Checks out `data/labels`, `data/series` and `data/start` by their pointers, which git changes without the folders.

After a `git switch` the folders still have the other branch's files, which DVC would take for a change. So sync
checks them out before it writes, and a git hook does after git. Files that are in no label commit are never
overwritten silently.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from storage.errors import ConflictError, InputError
from storage.paths import LABELS, SERIES, START
from storage.repo import git_locks
from storage.repo.git import Git
from storage.repo.repository import Repository
from storage.s3.mirror import Mirror

FOLDERS = (LABELS, SERIES)
START_FOLDER = START.as_posix()
# Files that Labeltrail writes beside the folders, each by way of a temporary `.part` file.
WRITTEN = (
    f"{LABELS}.dvc",
    f"{SERIES}.dvc",
    "data/tasks.jsonl",
    "data/splits.csv",
    "data/label_config.xml",
    "dvc.lock",
)


def remove_partial_files(root: Path) -> None:
    """Delete temporary files and stale git locks of a run that was killed."""
    for name in WRITTEN:
        (root / f"{name}.part").unlink(missing_ok=True)
    for path in (*(root / LABELS).glob("*.jsonl.part"), *(root / SERIES).rglob("*.csv.part")):
        path.unlink(missing_ok=True)
    git_locks.remove_stale(git_locks.find(root), root)


def check_not_missing(git: Git, paths: Iterable[str]) -> None:
    """Check that no file is missing: without `data/labels.dvc` every annotation would seem to be deleted.

    Raises:
        InputError: one is missing.
    """
    missing = git.missing(paths)
    if missing:
        what, where = f"{', '.join(missing)} of the last commit is gone", str(git.root)
        why = "a missing file is not taken for a deletion; nothing was written"
        raise InputError(what, where=where, why=why, cure=f"git checkout HEAD -- {' '.join(missing)}")


def check_not_merging(git: Git) -> None:
    """Check that no git merge is in progress: the work tree would have neither side's labels.

    Raises:
        ConflictError: a merge, cherry-pick or revert is in progress.
    """
    folder = git.root / git.run("rev-parse", "--git-dir").removesuffix("\n")
    ongoing = [name for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD") if (folder / name).exists()]
    if ongoing:
        operation = ongoing[0].removesuffix("_HEAD").lower().replace("_", "-")
        what = f"a git {operation} is in progress in this clone"
        cure = f"finish it (git commit), or git {operation} --abort; then the same command again"
        raise ConflictError(what, where=str(git.root), why="nothing was written", cure=cure)


def is_current(repository: Repository, mirror: Mirror, folders: Sequence[str] = FOLDERS) -> bool:
    """Whether folders and pointers are unchanged since they last matched; compares times and sizes only."""
    return all(mirror.note(_note(name)) == _fingerprint(repository, name) for name in folders)


def mark_current(repository: Repository, mirror: Mirror, folders: Sequence[str] = FOLDERS) -> None:
    """Record that folders and pointers match now."""
    for name in folders:
        mirror.set_note(_note(name), _fingerprint(repository, name))


def restore(repository: Repository, mirror: Mirror, folders: Sequence[str] = FOLDERS) -> None:
    """Check out the folders by their pointers.

    Raises:
        InputError: they hold files that are in no label commit.
    """
    for name in folders:
        if not is_current(repository, mirror, [name]) and repository.pointer(name):
            repository.checkout(name)
    restore_start(repository, mirror)


def restore_start(repository: Repository, mirror: Mirror) -> None:
    """Check out `data/start` if it can be fetched; else training reports it.

    Only `labeltrail start-from` writes there, and stores the files in the DVC cache first.
    """
    pointer = repository.pointer(START_FOLDER)
    if not pointer or is_current(repository, mirror, [START_FOLDER]):
        return
    if not repository.checkout_outputs({START_FOLDER: pointer}):
        mark_current(repository, mirror, [START_FOLDER])


def checkout(repository: Repository, mirror: Mirror) -> None:
    """Check out the folders after git has checked out another commit."""
    repository.checkout(*(path for path in FOLDERS if repository.pointer(path)))
    mark_current(repository, mirror)
    restore_start(repository, mirror)


def _note(folder: str) -> str:
    return f"folder {folder}"


def _fingerprint(repository: Repository, folder: str) -> str:
    facts: list[object] = [repository.pointer(folder)]
    for path, _, names in sorted(os.walk(repository.root / folder)):
        for name in sorted(names):
            try:
                facts_of_file = os.stat(f"{path}/{name}")  # noqa: PTH116 -- a tenth of a second less for 10,000 recordings
            except FileNotFoundError:  # a dangling link, such as an editor's lock
                facts_of_file = os.lstat(f"{path}/{name}")
            facts.append((f"{path}/{name}", facts_of_file.st_mtime_ns, facts_of_file.st_size))
    return hashlib.md5(json.dumps(facts).encode(), usedforsecurity=False).hexdigest()
