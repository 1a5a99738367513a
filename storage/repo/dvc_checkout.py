"""DVC's checkout of outputs into the work tree.

DVC writes every file of a listing where the listing says, also outside of its folder. So callers have validated the
listings and verified their hashes before (`storage/repo/repository.py`).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from storage.errors import InputError
from storage.printable import argument

UNSAVED = "Can't remove the following unsaved files"  # how DVC's message begins


def checkout(dvc: Any, root: Path, targets: Iterable[str], *, force: bool) -> None:
    """Check out outputs from DVC's cache alone.

    Args:
        dvc: the clone's `dvc.repo.Repo`.
        root: the clone's top folder.
        targets: paths of outputs or of `.dvc` files, relative to it.
        force: overwrite files that the cache does not have.

    Raises:
        InputError: without `force`, there are such files.
    """
    from dvc.exceptions import DvcException

    try:
        # Relative, for DVC does not recognise an output whose absolute path holds a line end.
        dvc.checkout([os.path.relpath(root / path) for path in targets], force=force)
    except DvcException as error:
        if not str(error).startswith(UNSAVED):
            raise
        raise _unsaved(str(error), root) from error


def checkout_outputs(dvc: Any, root: Path, paths: Iterable[str], *, force: bool) -> None:
    """Check out outputs, of stages or of `.dvc` files, as `checkout` does."""
    from dvc.repo import lock_repo

    with lock_repo(dvc):  # the index that `_targets` reads serves the checkout too
        checkout(dvc, root, _targets(dvc, root, list(paths)), force=force)


def _targets(dvc: Any, root: Path, paths: list[str]) -> list[str]:
    """The files that have these outputs and no others; the outputs themselves where some are left out.

    DVC parses `dvc.yaml` and `dvc.lock` (0.2 s) once for each output that it is given, and once for a file. Not both
    together: given a file before an output of another one, DVC 3.67 deletes that output.
    """
    outputs = defaultdict(set)
    for out in dvc.index.outs:
        if out.use_cache and out.is_in_repo:
            outputs[out.stage.path].add(os.path.relpath(out.fs_path, root))
    files = {os.path.relpath(file, root): outs for file, outs in outputs.items() if outs <= set(paths)}
    return list(files) if set().union(*files.values()) == set(paths) else paths


def outputs(dvc: Any, root: Path) -> dict[str, str]:
    """Hash by path of all cached outputs in the `.dvc` files and `dvc.lock` of the work tree.

    Raises:
        InputError: DVC cannot read one of them.
    """
    from dvc.exceptions import DvcException

    try:
        outs = dvc.index.outs
    except DvcException as error:
        cure = "mend the file (git status, git diff), then labeltrail sync"
        what = "DVC cannot read what is checked out"
        raise InputError(what, where=str(root), why=str(error), cure=cure) from error
    hashes = {}
    for out in outs:
        if out.use_cache and out.is_in_repo and out.hash_info:
            hashes[Path(out.fs_path).relative_to(root).as_posix()] = str(out.hash_info.value)
    return hashes


def remove_unused(dvc: Any) -> None:
    """Delete unchanged files of an earlier checkout that are no outputs any more."""
    from dvc.repo.checkout import _remove_unused_links

    _remove_unused_links(dvc)


def _unsaved(message: str, root: Path) -> InputError:
    name = Path(message.strip().rpartition(f"{root}/")[2])
    path = "/".join(name.parts[:2])
    quoted = argument(path)
    if (root / f"{path}.dvc").exists():
        return InputError(
            f"{path} holds changes that are in no label commit",
            where=str(name),
            why="they would be lost",
            cure=f"keep them: dvc add {quoted}; or give them up: dvc checkout --force {quoted}.dvc; "
            "then labeltrail sync",
        )
    why, cure = "it would be lost", f"keep it: dvc repro; or give it up: dvc checkout --force {quoted}"
    return InputError(f"{path} holds what no stage has finished", where=str(name), why=why, cure=cure)
