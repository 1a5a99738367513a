"""Errors for missing and damaged objects, with the label commit and series that each is of."""

from __future__ import annotations

from storage.errors import DamagedError, InputError, NotFoundError
from storage.paths import LABELS, SERIES
from storage.project_files import tasks_file
from storage.repo import dvc_listing
from storage.repo.dvc_cache import Cache
from storage.repo.dvc_remote import REMOTE
from storage.repo.git import Git, LabelCommit
from storage.s3.keys import shard_name

SHOWN = 5


def missing(git: Git, cache: Cache, hashes: list[str]) -> NotFoundError:
    """The error for objects that neither cache nor remote has."""
    what = f"{len(hashes)} object(s) are neither in the DVC cache nor in its remote"
    cure = "dvc fetch --all-commits from a clone that has them, then dvc push --all-commits there"
    return NotFoundError(what, where=_where(git, cache, hashes[0]), cure=cure)


def damaged(git: Git, cache: Cache, hashes: list[str]) -> DamagedError:
    """The error for objects of the remote that do not match their hash."""
    return DamagedError(
        f"{len(hashes)} object(s) in the DVC remote are damaged: their bytes are not those that their hash names",
        where=_where(git, cache, hashes[0]),
        why="somebody changed them, or the store lost bytes; nothing of them was used",
        cure="labeltrail fsck --repair, in a clone that has them in its cache",
    )


def _where(git: Git, cache: Cache, md5: str) -> str:
    what = describe(git, cache, md5)
    return f"remote {REMOTE!r}: files/md5/{md5[:2]}/{md5[2:]}" + (f" ({what})" if what else "")


def describe(git: Git, cache: Cache, md5: str) -> str:
    """Label commit, file and series of an object, in words; "" for one of no label commit.

    Reads only the cache: it describes objects that cannot be fetched.
    """
    seen = {""}
    for commit in git.synced_commits():
        for path, folder in ((LABELS, commit.labels), (SERIES, commit.series)):
            if md5 == folder:
                return f"{path} of label commit {commit.commit[:12]}, whole"
            listing = None if folder in seen else cache.load(folder)
            seen.add(folder)
            if listing is None:
                continue
            for name, file_md5 in dvc_listing.parse(listing, folder, path).items():
                if file_md5 == md5:
                    return f"{path}/{name} of label commit {commit.commit[:12]}{_series(git, commit, name)}"
    return ""


def _series(git: Git, commit: LabelCommit, shard: str) -> str:
    """The series of a shard, from the tasks in that commit."""
    text = git.show(commit.commit, str(tasks_file.PATH))
    try:
        known = tasks_file.parse(text or "", str(tasks_file.PATH))
    except InputError:  # this is only a part of another error
        return ""
    series = [key for key in known if shard_name(key) == shard]
    return f", with the labels of {', '.join(series[:SHOWN])}" if series else ""
