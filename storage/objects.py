"""The objects behind a history: which hashes its pointers name, and which label commit and series a hash is of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from storage import snapshot, tasks
from storage.dvc_lock import PATH as LOCK
from storage.dvc_lock import Lock
from storage.errors import InputError
from storage.git import LABELS, SERIES, LabelCommit
from storage.keys import SHARD

if TYPE_CHECKING:
    from storage.repository import Repository

# Of any pointer, also one that names several outputs or was made by hand.
HASHES = re.compile(r"^\s*(?:- )?md5: ([0-9a-f]{32}(?:\.dir)?)\s*$", re.MULTILINE)
# Where an object lies below `files/md5/` of the DVC remote.
PLACE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")
SHOWN = 5


def pointed(repository: Repository, *, reflog: bool = True) -> set[str]:
    """What the `.dvc` files of every commit on every branch and tag name, and those of the work tree.

    Args:
        repository: whose history.
        reflog: that counts too: what was committed and left behind can still be had back.
    """
    words = ("rev-list", "--objects", "--all", *(["--reflog"] if reflog else []))
    # All objects, chosen by name here: with a pathspec git leaves out most of those that lie in folders.
    listing = (line.partition(" ") for line in repository.lines(*words))
    blobs = [blob for blob, _, name in listing if name.endswith(".dvc")]
    texts = [text for text in repository.contents(blobs) if text]
    for name in repository.names("ls-files", "-z", "-co", "--exclude-standard", "*.dvc"):
        path = repository.root / name
        texts += [path.read_text(encoding="utf-8", errors="replace")] if path.is_file() else []
    return {md5 for text in texts for md5 in HASHES.findall(text)}


def runs(repository: Repository) -> dict[str, Lock]:
    """`dvc.lock` of every branch and tag, by name, of the commit that is checked out, and of the work tree."""
    refs = repository.lines("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes", "refs/tags")
    names = ["HEAD", *refs]
    texts = repository.contents(f"{name}:{LOCK}" for name in names)
    found = {name: text for name, text in zip(names, texts, strict=True) if text}
    locks = {name: Lock.parse(text, f"{LOCK} of {name}") for name, text in found.items()}
    return {**locks, "the work tree": Lock.read(repository.root)}


def is_labels(listing: Iterable[str]) -> bool:
    """Whether the files of a folder are those of a label snapshot or of recordings."""
    names = list(listing)
    return all(SHARD.fullmatch(name) for name in names) or all(name.endswith(".csv") for name in names)


def whereabouts(repository: Repository, md5: str) -> str:
    """Which label commit, file and series an object is of, in words; "" for one of no label commit.

    Reads only what is in the cache, for it is asked about what cannot be had.
    """
    for commit in repository.synced_commits():
        for path, folder in ((LABELS, commit.labels), (SERIES, commit.series)):
            if md5 == folder:
                return f"{path} of label commit {commit.commit[:12]}, whole"
            if repository.size(folder) is None:
                continue
            for name, held in repository.folder(folder, path).items():
                if held == md5:
                    return f"{path}/{name} of label commit {commit.commit[:12]}{_series(repository, commit, name)}"
    return ""


def _series(repository: Repository, commit: LabelCommit, shard: str) -> str:
    """The series whose labels a shard holds, as far as that commit knew its tasks."""
    text = repository.show(commit.commit, str(tasks.PATH))
    try:
        known = tasks.parse(text or "", str(tasks.PATH))
    except InputError:  # this is a word beside another error
        return ""
    found = [key for key in known if snapshot.shard_name(key) == shard]
    return f", with the labels of {', '.join(found[:SHOWN])}" if found else ""


def folders(repository: Repository, hashes: Iterable[str]) -> Iterator[tuple[str, set[str]]]:
    """Each of these hashes with the files it stands for, itself among them.

    Raises:
        NotFoundError: the listing of a folder is neither in the cache nor in the remote.
    """
    for md5 in sorted(hashes):
        yield md5, {md5, *(repository.folder(md5).values() if md5.endswith(".dir") else ())}
