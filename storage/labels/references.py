"""The objects behind a history: which hashes its pointers and locks name."""

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

# Of any pointer, also one that names several outputs, was made by hand or is JSON: gc deletes what it does not find.
HASHES = re.compile(r"\bmd5['\"]?\s*:\s*['\"]?([0-9a-f]{32}(?:\.dir)?)(?![0-9a-z])")
# What a commit made of a file: modes, and hashes of the blobs before and after.
CHANGED = re.compile(r":\d{6} \d{6} ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) ")
# Where an object lies below `files/md5/` of the DVC remote.
PLACE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")


def pointed(git: Git, *, reflog: bool = True) -> set[str]:
    """What the `.dvc` files of every commit on every branch and tag name, and those of the work tree.

    Args:
        git: whose history.
        reflog: that counts too: what was committed and left behind can still be had back.
    """
    # By what commits changed: `rev-list --objects` tells one name of an object, and a pointer may have been copied.
    words = ("--all", *(["--reflog"] if reflog else []), "--full-history", "--root", "-m", "--no-renames")
    form = ("--format=", "--raw", "--no-abbrev")
    listing = git.run("-c", "log.diffMerges=separate", "log", *words, *form, "--", "*.dvc")
    blobs = {blob for pair in CHANGED.findall(listing) for blob in pair if blob.strip("0")}
    texts = [text for text in git.contents(sorted(blobs)) if text]
    for name in git.names("ls-files", "-z", "-co", "--exclude-standard", "*.dvc"):
        path = git.root / name
        texts += [path.read_text(encoding="utf-8", errors="replace")] if path.is_file() else []
    return {md5 for text in texts for md5 in HASHES.findall(text)}


def runs(git: Git, *, legible: bool = False) -> dict[str, Lock]:
    """`dvc.lock` of every branch and tag, by name, of the commit that is checked out, and of the work tree.

    Args:
        git: whose.
        legible: one that cannot be read, conflict marks that somebody committed for example, is named and left out.

    Raises:
        InputError: one cannot be read.
    """
    refs = git.lines("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes", "refs/tags")
    names = ["HEAD", *refs]
    texts = git.contents(f"{name}:{LOCK}" for name in names)
    found = {name: text for name, text in zip(names, texts, strict=True) if text}
    locks = {}
    for name, text in found.items():
        try:
            locks[name] = Lock.parse(text, f"{LOCK} of {name}")
        except InputError as error:
            if not legible:
                raise
            note(f"{error.where} was left out, with the model that it may name: {error.why}")
    return locks if legible else {**locks, "the work tree": Lock.read(git.root)}


def is_labels(listing: Iterable[str]) -> bool:
    """Whether the files of a folder are those of a label snapshot or of recordings."""
    names = list(listing)
    return all(SHARD.fullmatch(name) for name in names) or all(name.endswith(".csv") for name in names)


def folders(repository: Repository, hashes: Iterable[str]) -> Iterator[tuple[str, set[str]]]:
    """Each of these hashes with the files it stands for, itself among them.

    Raises:
        NotFoundError: the listing of a folder is neither in the cache nor in the remote.
    """
    for md5 in sorted(hashes):
        yield md5, {md5, *(repository.folder(md5).values() if md5.endswith(".dir") else ())}
