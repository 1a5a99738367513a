"""The push of a label commit to the DVC remote: the objects that are new in it, by their hashes.

`dvc push` reads all stages and asks the remote for every folder, which takes seconds, beside the ten objects of a
label commit. It pushes everything else: outputs of stages, other pointers, and objects that are sent in parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.errors import InputError
from storage.files import md5, write_json
from storage.paths import LABELS, SERIES
from storage.progress import track
from storage.repo.dvc_cache import Cache
from storage.repo.git import Git
from storage.repo.pointer import pointer_md5
from storage.s3.bucket import Bucket, parallel
from storage.s3.keys import dvc_object
from storage.text import typed

PATH = Path(".labeltrail/pushed.json")
VERSION = 1
FOLDERS = (LABELS, SERIES)
SETTINGS = (".dvc/config", ".dvc/config.local")
# Options of DVC's remote that do not change which objects are written, or how.
OPTIONS = {
    "url", "endpointurl", "access_key_id", "secret_access_key", "session_token", "region", "profile",
    "credentialpath", "connect_timeout", "read_timeout", "use_ssl", "verify", "listobjects", "allow_anonymous_login",
}  # fmt: skip
LARGEST = 8 << 20  # bytes; larger objects are sent in parts, by DVC


@dataclass(frozen=True)
class Pushed:
    """What the DVC remote had completely after the last push.

    Attributes:
        remote: its URL and its endpoint.
        files: MD5 of DVC's settings, `dvc.lock` and the pointers of other folders, by path.
        folders: hashes of labels and recordings, by path.
    """

    remote: tuple[str, str]
    files: dict[str, str]
    folders: dict[str, str]


def state(git: Git, remote: tuple[str, str]) -> Pushed:
    """What the remote has once everything in the work tree is pushed."""
    root, own = git.root, {f"{folder}.dvc" for folder in FOLDERS}
    names = git.files("*.dvc", "*dvc.lock")
    paths = sorted(path for path in {*names, *SETTINGS} - own if (root / path).is_file())
    folders = {folder: pointer_md5(root / f"{folder}.dvc") for folder in FOLDERS}
    return Pushed(remote, {path: md5(root / path) for path in paths}, folders)


def push_new(git: Git, cache: Cache, bucket: Bucket, listed: Callable[[str, str], dict[str, str]]) -> bool:
    """Push labels and recordings, if nothing else changed since the last push.

    Args:
        git: of the clone.
        cache: its DVC cache.
        bucket: of its DVC remote.
        listed: hashes by name of the files in a folder, by its hash and path.

    Returns:
        Whether it did; else it takes `dvc push`.

    Raises:
        ServiceError: the bucket cannot be reached or refuses.
    """
    last, now = read(git.root), state(git, (bucket.url("dvc"), bucket.endpoint))
    if last is None or (last.remote, last.files) != (now.remote, now.files):
        return False
    files, listings = set[str](), []
    for folder, after in now.folders.items():
        before = last.folders.get(folder, "")
        if before and not bucket.etag(dvc_object(before)):
            return False  # somebody deleted it, with what it names
        if after in ("", before):
            continue
        files |= {*listed(after, folder).values()} - {*listed(before, folder).values()}
        listings.append(after)
    if any((cache.size(name) or LARGEST + 1) > LARGEST for name in (*files, *listings)):
        return False
    # A listing is written last: where the remote has one, it has what it names.
    complete = all(_upload(cache, bucket, sorted(files))) and all(_upload(cache, bucket, listings))
    if complete:
        write(git.root, now)
    return complete


def _upload(cache: Cache, bucket: Bucket, hashes: list[str]) -> Iterator[bool]:
    """Whether the remote has each object now; not one that the cache had damaged."""

    def upload(name: str) -> bool:
        key = dvc_object(name)
        if bucket.etag(key) == name.removesuffix(".dir"):
            return True  # as after a rollback
        data = cache.load(name)
        if data is not None:
            bucket.put(key, data)
        return data is not None

    return track(parallel(upload, hashes), "pushing", len(hashes))


def remote_of(config: Mapping[str, Any]) -> tuple[str, str] | None:
    """URL and endpoint of DVC's default remote; None where it has options that only DVC knows."""
    options = config.get("remote", {}).get(config.get("core", {}).get("remote", ""), {})
    known = options.keys() <= OPTIONS
    return (str(options.get("url", "")), str(options.get("endpointurl", ""))) if known else None


def read(root: Path) -> Pushed | None:
    """What the last push wrote down; None where there was none, or the file is invalid."""
    try:
        return typed.read(root / PATH, VERSION, Pushed, "labeltrail sync")
    except InputError:
        return None


def write(root: Path, pushed: Pushed) -> None:
    write_json(root / PATH, {"version": VERSION, **asdict(pushed)})


def forget(root: Path) -> None:
    """After somebody may have deleted from the remote."""
    (root / PATH).unlink(missing_ok=True)
