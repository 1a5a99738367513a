"""The local DVC cache: objects by the MD5 of their bytes, folders by the MD5 of their listing.

DVC is not imported: that takes longer than storing a small snapshot. And DVC trusts the name of an object in the
cache; here its bytes are hashed before they are used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import get_ident
from typing import Literal

from storage import process
from storage.files import dir_listing, md5_bytes, sync_folder, write_through
from storage.files import md5 as file_md5
from storage.progress import note, track
from storage.repo import verified_objects
from storage.s3.keys import OBJECT

Condition = Literal["sound", "missing", "damaged"]
OBJECTS = ".dvc/cache/files/md5"
STORING = "store."  # begins the name of an object that is being written; process and thread follow
DAMAGED = "damaged."  # begins the name of an object that was taken out of the cache; its hash follows
PROTECTED = 0o444  # mode of objects that DVC does not hash again


class Cache:
    """The DVC cache of one clone.

    Args:
        root: the clone's top folder.
        dry: nothing is written: objects are stored in memory.
    """

    def __init__(self, root: Path, *, dry: bool = False) -> None:
        self.root = root
        self.is_dry, self.memory = dry, dict[str, bytes]()

    # -- storing ----------------------------------------------------------------------------------

    def store(self, files: Mapping[str, bytes], kept: Mapping[str, str] | None = None) -> str:
        """Store a folder's files and its listing, as `dvc add` does; the work tree stays.

        The listing is stored last, so that a listing in the cache means a complete folder.

        Args:
            files: bytes by name.
            kept: hashes by name of further files of the folder, which cache or remote have already.

        Returns:
            The folder's hash; "" for no files.
        """
        if not files and not kept:
            return ""
        self._remove_partial_files()
        hashes = {name: md5_bytes(data) for name, data in files.items()}
        for name, md5 in hashes.items():
            self._put(md5, files[name])
        return self.store_listing({**(kept or {}), **hashes})

    def store_file(self, data: bytes) -> str:
        """Store one file; returns its hash."""
        md5 = md5_bytes(data)
        self._put(md5, data)
        return md5

    def store_listing(self, hashes: Mapping[str, str]) -> str:
        """Store the listing of a folder whose files are stored already; returns the folder's hash."""
        listing = dir_listing(hashes)
        md5 = md5_bytes(listing) + ".dir"
        self._put(md5, listing)
        return md5

    def _put(self, md5: str, data: bytes) -> None:
        if self.is_dry:
            self.memory[md5] = data
        elif not self._is_intact(md5, len(data)):
            part = self.part()
            write_through(part, data)
            self.admit(part, md5)

    def _is_intact(self, md5: str, size: int) -> bool:
        """Whether the cache has an object undamaged; a damaged one is replaced by its caller."""
        path = self.path(md5)
        return self.size(md5) == size and file_md5(path) == md5.removesuffix(".dir")

    def part(self) -> Path:
        """Path of a temporary file for an object, outside of DVC's cache and of this thread alone."""
        path = self._tmp / f"{STORING}{os.getpid()}.{get_ident()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return path

    def admit(self, part: Path, md5: str) -> None:
        """Move a complete file, which is on the disk, into the cache."""
        path = self.path(md5)
        part.chmod(PROTECTED)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        sync_folder(path.parent)

    def adopt(self, md5: str, path: Path) -> bool:
        """Copy a file into the cache if it has the object's hash; returns whether it had."""
        if not path.is_file() or file_md5(path) != md5.removesuffix(".dir"):
            return False
        part = self.part()
        shutil.copyfile(path, part)
        self.admit(part, md5)
        return True

    @property
    def _tmp(self) -> Path:
        return self.root / ".dvc" / "tmp"

    def _remove_partial_files(self) -> None:
        """Delete temporary files of runs that were killed."""
        if self.is_dry:
            return
        for path in self._tmp.glob(f"{STORING}*"):
            if process.start_time(int(path.name.split(".")[1])) is None:
                path.unlink(missing_ok=True)

    # -- reading ----------------------------------------------------------------------------------

    def load(self, md5: str) -> bytes | None:
        """The bytes of an object; None where the cache lacks it, or had it damaged."""
        if md5 in self.memory:
            return self.memory[md5]
        try:
            data = self.path(md5).read_bytes()
        except FileNotFoundError:
            return None
        if md5_bytes(data) == md5.removesuffix(".dir"):
            return data
        self.set_aside(md5)
        return None

    def verify(self, hashes: Iterable[str]) -> list[str]:
        """Hash objects of the cache, each file once; returns those that are missing or were damaged."""
        known, new, lacking = verified_objects.read(self.root), [], []
        unknown = []
        for md5 in sorted(set(hashes)):
            if not self.has(md5):
                lacking.append(md5)
            elif md5 not in self.memory and known.get(md5) != self._facts(md5):
                unknown.append(md5)
        for md5 in track(unknown, "checking bytes"):
            facts = self._facts(md5)
            if file_md5(self.path(md5)) == md5.removesuffix(".dir"):
                new.append((md5, facts))
            else:
                self.set_aside(md5)
                lacking.append(md5)
        if new and not self.is_dry:
            verified_objects.add(self.root, new)
        return lacking

    def condition(self, md5: str) -> Condition:
        """Condition of an object in the cache; its bytes are hashed, also if they were verified before."""
        if not self.path(md5).is_file():
            return "missing"
        return "sound" if file_md5(self.path(md5)) == md5.removesuffix(".dir") else "damaged"

    def _facts(self, md5: str) -> verified_objects.FileIdentity:
        return verified_objects.identity_of(self.path(md5).stat())

    def set_aside(self, md5: str) -> None:
        """Move a damaged object out of the cache, to `.dvc/tmp`."""
        if self.is_dry:
            return
        self._tmp.mkdir(parents=True, exist_ok=True)
        self.path(md5).replace(self._tmp / f"{DAMAGED}{md5}")
        note(f"the DVC cache had {md5} damaged: set aside as .dvc/tmp/{DAMAGED}{md5}")

    def has(self, md5: str) -> bool:
        """Whether the cache has an object; its bytes are not verified."""
        return md5 in self.memory or self.path(md5).is_file()

    def sizes(self) -> dict[str, int]:
        """Bytes of every object in the local cache, by hash."""
        paths = {path.parent.name + path.name: path for path in (self.root / OBJECTS).glob("??/*")}
        return {md5: path.stat().st_size for md5, path in paths.items() if OBJECT.fullmatch(md5)}

    def forget(self, hashes: Iterable[str]) -> None:
        """Delete objects from the local cache, folders before what is in them."""
        for md5 in sorted(hashes, key=lambda md5: not md5.endswith(".dir")):
            self.path(md5).unlink(missing_ok=True)

    def size(self, md5: str) -> int | None:
        """Bytes of an object in the DVC cache; None where the cache lacks it."""
        if md5 in self.memory:
            return len(self.memory[md5])
        try:
            return self.path(md5).stat().st_size
        except FileNotFoundError:
            return None

    def path(self, md5: str) -> Path:
        """The file of an object."""
        # One step instead of joined parts: it is called for every shard.
        return Path(f"{self.root}/{OBJECTS}/{md5[:2]}/{md5[2:]}")
