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

from storage.errors import ConflictError, InputError
from storage.paths import LABELS, SERIES, START
from storage.project import Project
from storage.repo import git_hooks, git_locks

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


def remove_partial_files(project: Project) -> None:
    """Delete temporary files and stale git locks of a run that was killed."""
    for name in WRITTEN:
        (project.root / f"{name}.part").unlink(missing_ok=True)
    for path in (*(project.root / LABELS).glob("*.jsonl.part"), *(project.root / SERIES).rglob("*.csv.part")):
        path.unlink(missing_ok=True)
    git_locks.remove_stale(git_locks.find(project.root), project.root)


def check_not_missing(project: Project, paths: Iterable[str]) -> None:
    """Check that no file is missing: without `data/labels.dvc` every annotation would seem to be deleted.

    Raises:
        InputError: one is missing.
    """
    missing = project.repository.git.missing(paths)
    if missing:
        what, where = f"{', '.join(missing)} of the last commit is gone", str(project.root)
        why = "a missing file is not taken for a deletion; nothing was written"
        raise InputError(what, where=where, why=why, cure=f"git checkout HEAD -- {' '.join(missing)}")


def check_not_merging(project: Project) -> None:
    """Check that no git merge is in progress: the work tree would have neither side's labels.

    Raises:
        ConflictError: a merge, cherry-pick or revert is in progress.
    """
    git = project.root / project.repository.git.run("rev-parse", "--git-dir").removesuffix("\n")
    ongoing = [name for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD") if (git / name).exists()]
    if ongoing:
        operation = ongoing[0].removesuffix("_HEAD").lower().replace("_", "-")
        what = f"a git {operation} is in progress in this clone"
        cure = f"finish it (git commit), or git {operation} --abort; then the same command again"
        raise ConflictError(what, where=str(project.root), why="nothing was written", cure=cure)


def is_current(project: Project, folders: Sequence[str] = FOLDERS) -> bool:
    """Whether folders and pointers are unchanged since they last matched; compares times and sizes only."""
    return all(project.mirror.note(_note(name)) == _fingerprint(project, name) for name in folders)


def restore(project: Project, folders: Sequence[str] = FOLDERS) -> None:
    """Check out the folders by their pointers.

    Raises:
        InputError: they hold files that are in no label commit.
    """
    for name in folders:
        if not is_current(project, [name]) and project.repository.pointer(name):
            project.repository.checkout(name)
    restore_start(project)


def restore_start(project: Project) -> None:
    """Check out `data/start` if it can be fetched; else training reports it.

    Only `labeltrail start-from` writes there, and stores the files in the DVC cache first.
    """
    pointer = project.repository.pointer(START_FOLDER)
    if (
        pointer
        and not is_current(project, [START_FOLDER])
        and not project.repository.checkout_outputs({START_FOLDER: pointer})
    ):
        mark_current(project, [START_FOLDER])


def mark_current(project: Project, folders: Sequence[str] = FOLDERS) -> None:
    """Record that folders and pointers match now."""
    for name in folders:
        project.mirror.set_note(_note(name), _fingerprint(project, name))


def install_hooks(project: Project) -> None:
    """Install the git hooks that check out the folders after a checkout or pull."""
    git_hooks.install(project.repository.git)


def _note(folder: str) -> str:
    return f"folder {folder}"


def _fingerprint(project: Project, folder: str) -> str:
    facts: list[object] = [project.repository.pointer(folder)]
    for path, _, names in sorted(os.walk(project.root / folder)):
        for name in sorted(names):
            try:
                facts_of_file = os.stat(f"{path}/{name}")  # noqa: PTH116 -- a tenth of a second less for 10,000 recordings
            except FileNotFoundError:  # a dangling link, such as an editor's lock
                facts_of_file = os.lstat(f"{path}/{name}")
            facts.append((f"{path}/{name}", facts_of_file.st_mtime_ns, facts_of_file.st_size))
    return hashlib.md5(json.dumps(facts).encode(), usedforsecurity=False).hexdigest()
