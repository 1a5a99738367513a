"""git and DVC: the only database. The one module that calls DVC.

Its Python API is imported only where bytes have to be hashed or moved, because importing it takes longer than a
sync that finds nothing to do.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from functools import cached_property
from pathlib import Path
from typing import Any

from storage import process
from storage.files import dir_listing, md5_bytes, write_bytes
from storage.files import md5 as file_md5
from storage.network import loopback
from storage.progress import track
from storage.repo import dvc_checkout, dvc_listing, dvc_remote, lost_objects
from storage.repo.dvc_cache import Cache
from storage.repo.dvc_remote import REMOTE
from storage.repo.git import Git
from storage.repo.pointer import pointer_md5

THREADS = 16  # objects that are fetched at once
LISTINGS_KEPT = 64  # folder listings that are kept in memory, some 60 kB each


class Repository:
    """One clone: its git history, its DVC cache and its DVC remote.

    Args:
        root: the clone's top folder.
        dry: nothing is written into the cache.
    """

    def __init__(self, root: Path, *, dry: bool = False) -> None:
        self.root, self.git, self.cache = root, Git(root), Cache(root, dry=dry)

    # -- DVC --------------------------------------------------------------------------------------

    def pointer(self, path: str) -> str:
        """Hash in `<path>.dvc` of the work tree; "" where there is none."""
        return pointer_md5(self.root / f"{path}.dvc")

    def add(self, path: str) -> str:
        """Put a folder into the DVC cache and write its pointer; returns the hash."""
        with self._at_work():
            self._dvc.add([str(self.root / path)])
        return self.pointer(path)

    def push(self) -> None:
        """Copy what the work tree's pointers and the run cache name to the DVC remote.

        Raises:
            ServiceError: the remote is away or refuses; everything is still in the local cache.
        """
        with self.remote_errors("the DVC remote did not take everything", f"remote {REMOTE!r}"):
            self._dvc.push(run_cache=True)

    def checkout(self, *paths: str, force: bool = False) -> None:
        """Check out folders as their pointers name them; fetches what the cache lacks or has damaged.

        Raises:
            InputError: without `force`, a folder holds something that the DVC cache does not have.
            NotFoundError: neither cache nor remote has what a pointer names.
            DamagedError: the remote has other bytes than a pointer names, or a listing that leads elsewhere.
        """
        for path in paths:
            self.require_sound(self.folder(self.pointer(path), path).values())
        with self._at_work():
            dvc_checkout.checkout(self._dvc, self.root, [f"{path}.dvc" for path in paths], force=force)

    def follow(self) -> list[str]:
        """Check out everything that pointers and `dvc.lock` name, after git changed them; from the cache alone.

        Returns:
            Paths that the cache does not have whole; these stay as they are.

        Raises:
            InputError, DamagedError: as `checkout`; nothing was written.
        """
        with self._at_work():
            lost = self.checkout_outputs(dvc_checkout.outputs(self._dvc, self.root), fetch=False, force=False)
            dvc_checkout.remove_unused(self._dvc)
        return lost

    def point(self, path: str, md5: str) -> None:
        """Write `<path>.dvc` as `dvc add` does; the folder itself stays as it is until `checkout`."""
        md5 = md5 or self.cache.store_listing({})
        files = self.folder(md5, path)
        self.require(files.values())
        size = sum(self.cache.path(found).stat().st_size for found in files.values())
        name = Path(path).name
        text = f"outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {len(files)}\n  hash: md5\n  path: {name}\n"
        write_bytes(self.root / f"{path}.dvc", text.encode(), durable=True)

    def checkout_outputs(
        self, outputs: Mapping[str, str], *, fetch: bool = True, force: bool = True
    ) -> list[str]:
        """Check out outputs of stages as `dvc.lock` names them, from cache or remote.

        What an interrupted run left in the work tree is overwritten.

        Args:
            outputs: hash by path, as `Lock.outputs` has them.
            fetch: get from the remote what the cache lacks.
            force: give up what the work tree holds and the cache does not.

        Returns:
            Paths that neither cache nor remote has whole: `dvc repro` makes them again.
        """
        if fetch:
            self._renew(outputs.values())
            self._renew(md5 for path, found in outputs.items() for md5 in self._parts(found, path))
        parts = {path: self._parts(md5, path) for path, md5 in outputs.items()}
        lacking = set(self.cache.verify(md5 for found in parts.values() for md5 in found))
        lost = [path for path, found in parts.items() if lacking & set(found)]
        wanted = [path for path in outputs if path not in lost]
        if wanted:
            with self._at_work():
                dvc_checkout.checkout(self._dvc, self.root, wanted, force=force)
        return lost

    def lost(self, outputs: Mapping[str, str]) -> list[str]:
        """Paths of these outputs that neither cache nor remote has whole; fetches their listings alone."""
        self._fetch_available([md5 for md5 in outputs.values() if md5.endswith(".dir")])
        parts = {path: self._parts(md5, path) for path, md5 in outputs.items()}
        missing = sorted({md5 for found in parts.values() for md5 in found if not self.cache.has(md5)})
        gone = set(missing) - self.in_remote(missing)
        return [path for path, found in parts.items() if gone & set(found)]

    def _parts(self, md5: str, path: str) -> list[str]:
        """An object, and where it is the listing of a folder that the cache has, the files of it."""
        listed = md5.endswith(".dir") and self.cache.load(md5) is not None
        return [md5, *(self.folder(md5, path).values() if listed else ())]

    def _renew(self, hashes: Iterable[str]) -> None:
        """Get from the remote, as far as it has them, what the cache lacks and what it has damaged."""
        self._fetch_available(self.cache.verify(hashes))

    def digest(self, path: str) -> str:
        """Hash of a file or folder of the work tree, as DVC takes it: for labels and recordings the pointer's."""
        if (self.root / f"{path}.dvc").exists():
            return self.pointer(path)
        if not (self.root / path).is_dir():
            return file_md5(self.root / path)
        found = self._dvc.dvcignore.find(self._dvc.fs, str(self.root / path))
        names = {Path(name).relative_to(self.root / path).as_posix(): file_md5(Path(name)) for name in found}
        return md5_bytes(dir_listing(names)) + ".dir"

    # -- objects ----------------------------------------------------------------------------------

    def folder(self, md5: str, path: str = "") -> dict[str, str]:
        """The files of a folder in the DVC cache or remote: name to hash. No hash: no files.

        Args:
            md5: hash of the folder.
            path: which folder it is, where that says what may be in it: `data/labels` or `data/series`.

        Raises:
            DamagedError: the listing is not the one that the hash names, or a name in it leads elsewhere.
        """
        if not md5:
            return {}
        known = self._listings.get((md5, path))
        if known is None:
            known = dvc_listing.parse(self.read([md5])[md5], md5, path)
            while len(self._listings) >= LISTINGS_KEPT:  # the oldest: a history is read commit by commit
                del self._listings[next(iter(self._listings))]
            self._listings[md5, path] = known
        return known

    @cached_property
    def _listings(self) -> dict[tuple[str, str], dict[str, str]]:
        return {}

    def forget_remote(self) -> None:
        """Have DVC look again which folders its remote has."""
        from dvc_data.hashfile.db import get_index

        get_index(self._remote).clear()

    def has(self, md5: str) -> bool:
        """Whether cache or remote has an object; one that only the remote has is fetched."""
        self._fetch_available([md5])
        return self.cache.has(md5)

    def read(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Bytes by hash, from the DVC cache, or from the remote where the cache lacks or has damaged them.

        Raises:
            NotFoundError: neither has one of them; names the hash.
            DamagedError: the remote's bytes are others than the hash names.
        """
        wanted = sorted(set(hashes))
        found = {md5: data for md5 in wanted if (data := self.cache.load(md5)) is not None}
        missing = [md5 for md5 in wanted if md5 not in found]
        if missing:
            self._fetch(missing)
            found |= {md5: data for md5 in missing if (data := self.cache.load(md5)) is not None}
        return found

    def require(self, hashes: Iterable[str]) -> None:
        """Have all of these in the DVC cache, in one go.

        Raises:
            NotFoundError: neither cache nor remote has one of them; names the hash.
        """
        missing = [md5 for md5 in hashes if not self.cache.has(md5)]
        if missing:
            self._fetch(missing)

    def require_sound(self, hashes: Iterable[str]) -> None:
        """The same, and the bytes of each are those that its hash names.

        Raises:
            NotFoundError, DamagedError: as `read`.
        """
        missing = self.cache.verify(hashes)
        if missing:
            self._fetch(missing)

    def in_remote(self, hashes: Iterable[str]) -> set[str]:
        """Which of these objects the DVC remote has.

        Raises:
            ServiceError: the remote is away, refuses, or none is set.
        """
        wanted = sorted(set(hashes))
        if not wanted:
            return set()
        with self.remote_errors("the DVC remote cannot be read", f"remote {REMOTE!r}"):
            found = set(self._remote.list_oids_exists(wanted))
        return found

    def download(self, md5: str, place: Path) -> str | None:
        """Copy an object of the remote to a file; returns the hash of its bytes, None where the remote lacks it."""
        remote = self._remote
        try:
            remote.fs.get_file(remote.oid_to_path(md5), str(place), **dvc_remote.limits(remote.fs.protocol))
        except FileNotFoundError:
            return None
        return file_md5(place)

    def upload(self, md5: str) -> None:
        """Copy an object of the cache to the remote, in the place of what is there.

        Raises:
            ServiceError: the remote is away or refuses.
        """
        with self.remote_errors("the DVC remote did not take an object", f"remote {REMOTE!r}: {md5}"):
            remote = self._remote
            remote.fs.put_file(str(self.cache.path(md5)), remote.oid_to_path(md5))

    def _fetch_available(self, hashes: Iterable[str]) -> None:
        """Fetch what the cache lacks and the remote has; only bytes that match their hash enter the cache.

        Raises:
            ServiceError: the remote is away, refuses, or none is set.
            DamagedError: the remote has other bytes than a hash names.
        """
        missing = sorted({md5 for md5 in hashes if not self.cache.has(md5)})
        if not missing:
            return
        what = f"{len(missing)} object(s) are not in the DVC cache, and its remote cannot be read"
        with self.remote_errors(what, f"{missing[0]} .."), ThreadPoolExecutor(THREADS) as pool:
            sound = track(pool.map(self._download, missing), "fetching", len(missing))
            wrong = [md5 for md5, good in zip(missing, sound, strict=True) if not good]
        if wrong:
            raise lost_objects.damaged(self.git, self.cache, wrong)

    def _download(self, md5: str) -> bool:
        """Fetch one object from the remote into the cache; whether its bytes were right, or it has none."""
        part = self.cache.part()
        try:
            found = self.download(md5, part)
            if found is None:
                return True
            if found != md5.removesuffix(".dir"):
                return False
            if self.cache.held is not None:
                self.cache.held[md5] = part.read_bytes()
            else:
                with part.open("rb") as file:
                    os.fsync(file.fileno())
                self.cache.admit(part, md5)
            return True
        finally:
            part.unlink(missing_ok=True)

    def _fetch(self, hashes: list[str]) -> None:
        self._fetch_available(hashes)
        lost = [md5 for md5 in hashes if not self.cache.has(md5)]
        if lost:
            raise lost_objects.missing(self.git, self.cache, lost)

    @property
    def _remote(self) -> Any:
        return self._dvc.cloud.get_remote_odb()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """For DVC's work in this clone: it prints nothing.

        Raises:
            ConflictError: another DVC is at work here and does not end within seconds.
        """
        with redirect_stdout(io.StringIO()), dvc_remote.translate_lock_errors(self.root):
            yield

    @contextmanager
    def remote_errors(self, what: str, where: str) -> Iterator[None]:
        """Turn what DVC and its S3 client raise into an error that a person can mend; DVC prints nothing.

        Raises:
            InputError: this clone has no address or keys of its remote yet.
            ServiceError: the remote is away, refuses or fails.
        """
        with dvc_remote.translate_errors(what, where), redirect_stdout(io.StringIO()):
            self._reachability.require(self._dvc.config)
            yield

    @cached_property
    def _reachability(self) -> dvc_remote.ReachabilityCheck:
        return dvc_remote.ReachabilityCheck(self.root, REMOTE)

    def configure(self, url: str, options: Mapping[str, str], defaults: Mapping[str, str]) -> None:
        """Point the DVC remote of this clone at a bucket, in `.dvc/config.local`, which git ignores.

        The credentials stand there a second time, so that a plain `dvc pull` works too; the mode is 600.

        Args:
            url: of the bucket's folder for DVC.
            options: for DVC.
            defaults: the same, where nobody has set it otherwise.
        """
        if dvc_remote.configure(self.root, REMOTE, {"url": url, **options}, defaults):
            for name in ("_dvc", "_reachability"):
                self.__dict__.pop(name, None)

    def reproduce(self) -> None:
        """`dvc repro`, its output going where this program's goes.

        Raises:
            ProgramError: a stage failed; its output says why.
        """
        from storage import settings

        process.attach(["dvc", "repro"], cwd=self.root, env=settings.stage_environment())

    @cached_property
    def _dvc(self) -> Any:
        from dvc.repo import Repo

        loopback.bypass_proxies()
        # Its advice on the next command is not ours, and would stand between the lines of `--json`.
        logging.getLogger("dvc").setLevel(logging.WARNING)
        # Our errors name what is missing, with its label commit.
        for name in ("dvc_data", "dvc_objects"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return Repo(str(self.root))
