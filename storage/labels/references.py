"""Objects that the history refers to: the hashes in its pointers and in `dvc.lock`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from storage.errors import InputError
from storage.paths import LOCK
from storage.progress import note
from storage.repo.dvc_lock import Lock
from storage.repo.git import Git
from storage.repo.repository import Repository
from storage.s3.keys import SHARD

# In any pointer, also one with several outputs, written by hand or in JSON: gc deletes objects that it misses.
HASHES = re.compile(r"\bmd5['\"]?\s*:\s*['\"]?([0-9a-f]{32}(?:\.dir)?)(?![0-9a-z])")
# A changed file in `git log --raw`: modes, and hashes of the blobs before and after.
CHANGED = re.compile(r":\d{6} \d{6} ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) ")
# Key of an object below `files/md5/` of the DVC remote.
OBJECT_KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")


def pointer_hashes(git: Git, *, reflog: bool = True) -> set[str]:
    """Hashes in the `.dvc` files of every commit on every branch and tag, and in those of the work tree.

    Args:
        git: of the clone.
        reflog: include its commits, which can still be restored.
    """
    # `rev-list --objects` gives one path for each blob, and a pointer may have been copied: so by changes.
    history = ("--all", *(["--reflog"] if reflog else []), "--full-history", "--root", "-m", "--no-renames")
    form = ("--format=", "--raw", "--no-abbrev")
    listing = git.run("-c", "log.diffMerges=separate", "log", *history, *form, "--", "*.dvc")
    blobs = {blob for pair in CHANGED.findall(listing) for blob in pair if blob.strip("0")}
    texts = [text for text in git.contents(sorted(blobs)) if text]
    for name in git.files("*.dvc"):
        path = git.root / name
        texts += [path.read_text(encoding="utf-8", errors="replace")] if path.is_file() else []
    return {md5 for text in texts for md5 in HASHES.findall(text)}


def dvc_locks(git: Git, *, skip_unreadable: bool = False) -> dict[str, Lock]:
    """`dvc.lock` of every branch and tag, by name, of the commit that is checked out, and of the work tree.

    Args:
        git: of the clone.
        skip_unreadable: leave out, with a note, those that are invalid, for example with conflict markers.

    Raises:
        InputError: one is invalid.
    """
    refs = git.lines("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes", "refs/tags")
    names = ["HEAD", *refs]
    texts = git.contents(f"{name}:{LOCK}" for name in names)
    by_name = {name: text for name, text in zip(names, texts, strict=True) if text}
    locks = {}
    for name, text in by_name.items():
        try:
            locks[name] = Lock.parse(text, f"{LOCK} of {name}")
        except InputError as error:
            if not skip_unreadable:
                raise
            note(f"{error.where} was left out, with the model that it may name: {error.why}")
    return locks if skip_unreadable else {**locks, "the work tree": Lock.read(git.root)}


def is_labels_or_recordings(listing: Iterable[str]) -> bool:
    """Whether the files of a folder are those of a label snapshot or of recordings."""
    names = list(listing)
    return all(SHARD.fullmatch(name) for name in names) or all(name.endswith(".csv") for name in names)


def with_files(repository: Repository, hashes: Iterable[str]) -> Iterator[tuple[str, set[str]]]:
    """Each of these hashes with itself and, of a folder, the hashes of its files.

    Raises:
        NotFoundError: the listing of a folder is neither in the cache nor in the remote.
    """
    for md5 in sorted(hashes):
        yield md5, {md5, *(repository.folder(md5).values() if md5.endswith(".dir") else ())}
