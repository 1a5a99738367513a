"""The local DVC cache as files: objects named by the MD5 of their bytes, folders by that of their listing.

DVC itself is not asked, for importing it takes longer than storing a small snapshot does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import get_ident

from storage import process
from storage.files import dir_listing, md5_bytes
from storage.git import Git

OBJECT = re.compile(r"[0-9a-f]{32}(\.dir)?")
STORING = "store."  # begins the name of an object that is being written; process and thread follow
PROTECTED = 0o444  # the mode by which DVC knows an object that it need not hash again


class Cache(Git):
    """The DVC cache of one clone."""

    def store(self, files: Mapping[str, bytes], kept: Mapping[str, str] | None = None) -> str:
        """Put a folder's files and its listing into the local DVC cache, as `dvc add` would; the work tree stays.

        DVC itself is not asked, for importing it takes longer than a small snapshot does. Files go first and the
        listing last, so that a listing in the cache is a whole folder.

        Args:
            files: bytes by name.
            kept: hashes, by name, of further files of the folder that cache or remote have already.

        Returns:
            The folder's hash; "" for no files.
        """
        if not files and not kept:
            return ""
        self._sweep()
        hashes = {name: md5_bytes(data) for name, data in files.items()}
        for name, md5 in hashes.items():
            self._put(md5, files[name])
        return self._put_listing({**(kept or {}), **hashes})

    def keep(self, data: bytes) -> str:
        """Put one file into the local DVC cache; returns its hash."""
        md5 = md5_bytes(data)
        self._put(md5, data)
        return md5

    def _put_listing(self, hashes: Mapping[str, str]) -> str:
        listing = dir_listing(hashes)
        md5 = md5_bytes(listing) + ".dir"
        self._put(md5, listing)
        return md5

    def _put(self, md5: str, data: bytes) -> None:
        path = self._cached(md5)
        if path.exists():
            return
        # Beside the cache, where DVC looks for no objects; process and thread keep two that store the same apart.
        beside = self._tmp / f"{STORING}{os.getpid()}.{get_ident()}"
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        beside.write_bytes(data)
        beside.chmod(PROTECTED)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.replace(path)

    @property
    def _tmp(self) -> Path:
        return self.root / ".dvc" / "tmp"

    def _sweep(self) -> None:
        """Delete what runs that were killed while they stored something left beside the cache."""
        for path in self._tmp.glob(f"{STORING}*"):
            if process.start_time(int(path.name.split(".")[1])) is None:
                path.unlink(missing_ok=True)

    def cached(self) -> dict[str, int]:
        """Bytes of every object in the local cache, by hash."""
        cache = self.root / ".dvc" / "cache" / "files" / "md5"
        found = {path.parent.name + path.name: path for path in cache.glob("??/*")}
        return {md5: path.stat().st_size for md5, path in found.items() if OBJECT.fullmatch(md5)}

    def forget(self, hashes: Iterable[str]) -> None:
        """Delete objects from the local cache, folders before what is in them."""
        for md5 in sorted(hashes, key=lambda md5: not md5.endswith(".dir")):
            self._cached(md5).unlink(missing_ok=True)

    def size(self, md5: str) -> int | None:
        """Bytes of an object in the DVC cache; None where the cache lacks it."""
        try:
            return self._cached(md5).stat().st_size
        except FileNotFoundError:
            return None

    def _cached(self, md5: str) -> Path:
        # In one step, for it is asked once for each shard.
        return Path(f"{self.root}/.dvc/cache/files/md5/{md5[:2]}/{md5[2:]}")
