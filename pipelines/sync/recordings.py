"""Sync of recordings between `data/series` and `s3://<bucket>/series/`."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from storage.errors import InputError
from storage.files import md5_bytes, write_bytes
from storage.labels.conflicts import OvertakenError
from storage.labels.three_way import Merge
from storage.paths import SERIES
from storage.printable import argument
from storage.progress import track
from storage.remote.remote import Remote
from storage.repo.repository import Repository
from storage.s3.bucket import parallel
from storage.s3.keys import JUNK, series_key
from storage.s3.mirror import Content

SHOWN = 5


def by_series(repository: Repository, folder: str) -> dict[str, str]:
    """MD5 of each recording by series key; `folder` is the hash of `data/series`, "" for an empty one."""
    return {name.removesuffix(".csv"): md5 for name, md5 in repository.folder(folder, SERIES).items()}


def download(repository: Repository, remote: Remote, series: Merge[str]) -> None:
    """Fetch recordings that the work tree lacks, and delete those that are gone from the bucket.

    Raises:
        InputError: the folder has a file that is in neither.
        OvertakenError: the bucket has another version of a recording by now, or its ETag was no MD5.
    """
    folder = repository.root / SERIES
    folder.mkdir(parents=True, exist_ok=True)
    incoming = {change.name: change.after for change in series.incoming}
    paths = {key: folder / f"{key}.csv" for key in series.merged | incoming}
    _delete_others(repository.root, {paths[key] for key in series.merged}, {paths[key] for key in incoming})

    def fetch(key: str) -> Content | None:
        data, etag = remote.bucket.get(series_key(key))
        if (md5 := md5_bytes(data)) != incoming[key]:
            return series_key(key), etag, md5
        # To the cache first: a file that a killed run leaves in the work tree is then known not to be a person's.
        repository.cache.store_file(data)
        write_bytes(paths[key], data)
        return None

    wanted = [key for key, md5 in incoming.items() if md5 is not None]
    changed = [found for found in track(parallel(fetch, wanted), "fetching recordings", len(wanted)) if found]
    if changed:
        remote.mirror.note_contents(changed)
        where = [remote.bucket.url(key) for key, _, _ in changed[:SHOWN]]
        raise OvertakenError(
            "recordings changed in the bucket during the sync", where=where, cure="labeltrail sync"
        )


def upload(root: Path, remote: Remote, series: Merge[str]) -> None:
    """Upload recordings that the bucket lacks."""
    wanted = [change.name for change in series.outgoing]

    def put(key: str) -> Content:
        data = (root / SERIES / f"{key}.csv").read_bytes()
        return remote.put_recording(key, data)

    remote.mirror.note_contents(list(track(parallel(put, wanted), "uploading recordings", len(wanted))))


def _delete_others(root: Path, kept: Set[Path], incoming: Set[Path]) -> None:
    """Delete recordings that are gone from the bucket; an unknown file is an error."""
    others = [path for path in (root / SERIES).rglob("*") if path.is_file() and path not in kept]
    others = [path for path in others if not JUNK.fullmatch(path.name)]
    unknown = [path.relative_to(root).as_posix() for path in others if path not in incoming]
    if unknown:
        raise InputError(
            "data/series has a file that is not in the bucket",
            where=unknown[:SHOWN],
            why="recordings are added by `labeltrail import` or in the bucket, so that Label Studio shows them",
            cure=f"mv {argument(unknown[0])} elsewhere, then labeltrail import it if it is a recording",
        )
    for path in others:
        path.unlink()
