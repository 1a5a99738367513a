"""git, the DVC cache and the DVC remote of one clone: the one module that opens DVC's repository.

DVC is imported only where bytes are hashed or moved: importing it takes longer than a sync without changes.
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
from storage.repo import dvc_checkout, dvc_listing, dvc_push, dvc_remote, object_errors
from storage.repo.dvc_cache import Cache
from storage.repo.dvc_remote import REMOTE
from storage.repo.git import Git
from storage.repo.pointer import pointer_md5
from storage.s3.bucket import Bucket

THREADS = 16  # objects that are fetched at once
LISTINGS_KEPT = 64  # folder listings that are cached in memory, some 60 kB each


class Repository:
    """One clone: its git history, its DVC cache and its DVC remote.

    Args:
        root: the clone's top folder.
        dry: nothing is written to the cache.
    """

    def __init__(self, root: Path, *, dry: bool = False) -> None:
        self.root, self.git, self.cache = root, Git(root), Cache(root, dry=dry)

    # -- DVC --------------------------------------------------------------------------------------

    def pointer(self, path: str) -> str:
        """Hash in `<path>.dvc` of the work tree; "" where there is none."""
        return pointer_md5(self.root / f"{path}.dvc")

    def add(self, path: str) -> str:
        """Run `dvc add` for a folder; returns its hash."""
        with self._quiet_dvc():
            self._dvc.add([str(self.root / path)])
        return self.pointer(path)

    def push(self, bucket: Bucket | None = None) -> None:
        """Push what the work tree's pointers name to the DVC remote, and where stages ran the run cache.

        Args:
            bucket: the DVC remote's, for a push that can be quick (`storage/repo/dvc_push.py`).

        Raises:
            ServiceError: the remote cannot be reached or refuses; everything is still in the local cache.
        """
        if bucket and dvc_push.push_new(self.git, self.cache, bucket, self.folder):
            return
        dvc_push.forget(self.root)
        with self.remote_errors("the DVC remote did not take everything", f"remote {REMOTE!r}"):
            remote = dvc_push.remote_of(self._dvc.config)
            pushed = dvc_push.state(self.git, remote) if remote else None
            self._dvc.push(run_cache=True)
        if pushed:
            dvc_push.write(self.root, pushed)

    def checkout(self, *paths: str, force: bool = False) -> None:
        """Check out folders by their pointers; fetches what is missing from the cache or damaged.

        Raises:
            InputError: without `force`, a folder holds files that the DVC cache does not have.
            NotFoundError: neither cache nor remote has an object.
            DamagedError: an object in the remote is damaged, or a path in a listing leads out of its folder.
        """
        for path in paths:
            self.require_sound(self.folder(self.pointer(path), path).values())
        with self._quiet_dvc():
            dvc_checkout.checkout(self._dvc, self.root, [f"{path}.dvc" for path in paths], force=force)

    def checkout_cached(self) -> list[str]:
        """Check out all outputs of pointers and `dvc.lock`, after git changed them; from the cache alone.

        Returns:
            Paths that the cache does not have completely; these stay as they are.

        Raises:
            InputError, DamagedError: as `checkout`; nothing was written.
        """
        with self._quiet_dvc():
            unavailable = self.checkout_outputs(
                dvc_checkout.outputs(self._dvc, self.root), fetch=False, force=False
            )
            dvc_checkout.remove_unused(self._dvc)
        return unavailable

    def write_pointer(self, path: str, md5: str) -> None:
        """Write `<path>.dvc` as `dvc add` does; the folder itself stays until `checkout`."""
        md5 = md5 or self.cache.store_listing({})
        files = self.folder(md5, path)
        self.require(files.values())
        size = sum(self.cache.path(file_md5).stat().st_size for file_md5 in files.values())
        name = Path(path).name
        text = f"outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {len(files)}\n  hash: md5\n  path: {name}\n"
        write_bytes(self.root / f"{path}.dvc", text.encode(), durable=True)

    def checkout_outputs(
        self, outputs: Mapping[str, str], *, fetch: bool = True, force: bool = True
    ) -> list[str]:
        """Check out outputs of stages, from cache or remote.

        Args:
            outputs: hash by path, from `Lock.outputs`.
            fetch: fetch missing objects from the remote.
            force: overwrite files that the cache does not have.

        Returns:
            Paths that neither cache nor remote has completely: `dvc repro` makes them again.
        """
        if fetch:
            self._replace_missing(outputs.values())
            self._replace_missing(
                md5 for path, hashes in outputs.items() for md5 in self._objects_of(hashes, path)
            )
        parts = {path: self._objects_of(md5, path) for path, md5 in outputs.items()}
        missing = set(self.cache.verify(md5 for hashes in parts.values() for md5 in hashes))
        unavailable = [path for path, hashes in parts.items() if missing & set(hashes)]
        wanted = [path for path in outputs if path not in unavailable]
        if wanted:
            with self._quiet_dvc():
                dvc_checkout.checkout_outputs(self._dvc, self.root, wanted, force=force)
        return unavailable

    def unavailable(self, outputs: Mapping[str, str]) -> list[str]:
        """Paths of these outputs that neither cache nor remote has completely; fetches only their listings."""
        self._fetch_available([md5 for md5 in outputs.values() if md5.endswith(".dir")])
        parts = {path: self._objects_of(md5, path) for path, md5 in outputs.items()}
        missing = sorted({md5 for hashes in parts.values() for md5 in hashes if not self.cache.has(md5)})
        lost = set(missing) - self.in_remote(missing)
        return [path for path, hashes in parts.items() if lost & set(hashes)]

    def _objects_of(self, md5: str, path: str) -> list[str]:
        """A hash and, where it is that of a listing in the cache, the hashes of its files."""
        listed = md5.endswith(".dir") and self.cache.load(md5) is not None
        return [md5, *(self.folder(md5, path).values() if listed else ())]

    def _replace_missing(self, hashes: Iterable[str]) -> None:
        """Fetch objects that are missing from the cache or damaged, as far as the remote has them."""
        self._fetch_available(self.cache.verify(hashes))

    def digest(self, path: str) -> str:
        """Hash of a file or folder of the work tree, as DVC computes it; of one with a pointer the pointer's."""
        if (self.root / f"{path}.dvc").exists():
            return self.pointer(path)
        if not (self.root / path).is_dir():
            return file_md5(self.root / path)
        paths = self._dvc.dvcignore.find(self._dvc.fs, str(self.root / path))
        names = {Path(name).relative_to(self.root / path).as_posix(): file_md5(Path(name)) for name in paths}
        return md5_bytes(dir_listing(names)) + ".dir"

    # -- objects ----------------------------------------------------------------------------------

    def folder(self, md5: str, path: str = "") -> dict[str, str]:
        """Hashes by name of the files of a folder, from the DVC cache or remote; {} for no hash.

        Args:
            md5: hash of the folder.
            path: `data/labels` or `data/series`, to check the names in it; "" for any other folder.

        Raises:
            DamagedError: the listing does not match the hash, or a path in it leads out of the folder.
        """
        if not md5:
            return {}
        files = self._listings.get((md5, path))
        if files is None:
            files = dvc_listing.parse(self.read([md5])[md5], md5, path)
            while len(self._listings) >= LISTINGS_KEPT:  # evict the oldest
                del self._listings[next(iter(self._listings))]
            self._listings[md5, path] = files
        return files

    @cached_property
    def _listings(self) -> dict[tuple[str, str], dict[str, str]]:
        return {}

    def forget_remote(self) -> None:
        """Clear DVC's index of the remote, and what is known of the last push."""
        from dvc_data.hashfile.db import get_index

        get_index(self._remote).clear()
        dvc_push.forget(self.root)

    def has(self, md5: str) -> bool:
        """Whether cache or remote has an object; it is fetched where only the remote has it."""
        self._fetch_available([md5])
        return self.cache.has(md5)

    def read(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Bytes by hash, from the DVC cache, or from the remote where they are missing or damaged.

        Raises:
            NotFoundError: neither has one of them; names the hash.
            DamagedError: an object in the remote is damaged.
        """
        wanted = sorted(set(hashes))
        data_of = {md5: data for md5 in wanted if (data := self.cache.load(md5)) is not None}
        missing = [md5 for md5 in wanted if md5 not in data_of]
        if missing:
            self._fetch(missing)
            data_of |= {md5: data for md5 in missing if (data := self.cache.load(md5)) is not None}
        return data_of

    def require(self, hashes: Iterable[str]) -> None:
        """Fetch those of these objects that the DVC cache lacks.

        Raises:
            NotFoundError: neither cache nor remote has one of them; names the hash.
        """
        missing = [md5 for md5 in hashes if not self.cache.has(md5)]
        if missing:
            self._fetch(missing)

    def require_sound(self, hashes: Iterable[str]) -> None:
        """The same; also verifies the hash of each.

        Raises:
            NotFoundError, DamagedError: as `read`.
        """
        missing = self.cache.verify(hashes)
        if missing:
            self._fetch(missing)

    def in_remote(self, hashes: Iterable[str]) -> set[str]:
        """Those of these objects that the DVC remote has.

        Raises:
            ServiceError: the remote cannot be reached, refuses, or is not configured.
        """
        wanted = sorted(set(hashes))
        if not wanted:
            return set()
        with self.remote_errors("the DVC remote cannot be read", f"remote {REMOTE!r}"):
            existing = set(self._remote.list_oids_exists(wanted))
        return existing

    def download(self, md5: str, target: Path) -> str | None:
        """Copy an object of the remote to a file; returns the hash of its bytes, None where there is none."""
        remote = self._remote
        try:
            remote.fs.get_file(
                remote.oid_to_path(md5), str(target), **dvc_remote.transfer_limits(remote.fs.protocol)
            )
        except FileNotFoundError:
            return None
        return file_md5(target)

    def upload(self, md5: str) -> None:
        """Copy an object of the cache to the remote; overwrites it there.

        Raises:
            ServiceError: the remote cannot be reached or refuses.
        """
        with self.remote_errors("the DVC remote did not take an object", f"remote {REMOTE!r}: {md5}"):
            remote = self._remote
            remote.fs.put_file(str(self.cache.path(md5)), remote.oid_to_path(md5))

    def _fetch_available(self, hashes: Iterable[str]) -> None:
        """Fetch missing objects that the remote has; only intact ones enter the cache.

        Raises:
            ServiceError: the remote cannot be reached, refuses, or is not configured.
            DamagedError: an object in the remote is damaged.
        """
        missing = sorted({md5 for md5 in hashes if not self.cache.has(md5)})
        if not missing:
            return
        what = f"{len(missing)} object(s) are not in the DVC cache, and its remote cannot be read"
        with self.remote_errors(what, f"{missing[0]} .."), ThreadPoolExecutor(THREADS) as pool:
            intact = track(pool.map(self._download, missing), "fetching", len(missing))
            damaged = [md5 for md5, is_intact in zip(missing, intact, strict=True) if not is_intact]
        if damaged:
            raise object_errors.damaged(self.git, self.cache, damaged)

    def _download(self, md5: str) -> bool:
        """Fetch one object into the cache; False where it is damaged, True also where the remote lacks it."""
        part = self.cache.part()
        try:
            md5_found = self.download(md5, part)
            if md5_found is None:
                return True
            if md5_found != md5.removesuffix(".dir"):
                return False
            if self.cache.is_dry:
                self.cache.memory[md5] = part.read_bytes()
            else:
                with part.open("rb") as file:
                    os.fsync(file.fileno())
                self.cache.admit(part, md5)
            return True
        finally:
            part.unlink(missing_ok=True)

    def _fetch(self, hashes: list[str]) -> None:
        self._fetch_available(hashes)
        missing = [md5 for md5 in hashes if not self.cache.has(md5)]
        if missing:
            raise object_errors.missing(self.git, self.cache, missing)

    @cached_property
    def _remote(self) -> Any:
        """DVC's remote. Each one makes an S3 client of its own, which takes 0.2 s."""
        return self._dvc.cloud.get_remote_odb()

    @contextmanager
    def _quiet_dvc(self) -> Iterator[None]:
        """Suppress DVC's output, and translate the error of its lock.

        Raises:
            ConflictError: another DVC process works in this clone and does not end within seconds.
        """
        with redirect_stdout(io.StringIO()), dvc_remote.translate_lock_errors(self.root):
            yield

    @contextmanager
    def remote_errors(self, what: str, where: str) -> Iterator[None]:
        """Suppress DVC's output, and translate the errors of its remote.

        Raises:
            InputError: this clone has no address or keys of its remote yet.
            ServiceError: the remote cannot be reached, refuses or fails.
        """
        with dvc_remote.translate_errors(what, where), redirect_stdout(io.StringIO()):
            self._reachability.require(self._dvc.config)
            yield

    @cached_property
    def _reachability(self) -> dvc_remote.ReachabilityCheck:
        return dvc_remote.ReachabilityCheck(self.root, REMOTE)

    def configure(self, url: str, options: Mapping[str, str], defaults: Mapping[str, str]) -> None:
        """Configure the DVC remote of this clone, in `.dvc/config.local`, which git ignores.

        The file has the credentials too (mode 600), so that plain `dvc pull` works.

        Args:
            url: of the bucket's folder for DVC.
            options: for DVC.
            defaults: options that are set only where they are missing.
        """
        if dvc_remote.configure(self.root, REMOTE, {"url": url, **options}, defaults):
            for name in ("_dvc", "_remote", "_reachability"):
                self.__dict__.pop(name, None)

    def reproduce(self) -> None:
        """Run `dvc repro`; its output goes to the terminal.

        Raises:
            ProgramError: a stage failed; its output says why.
        """
        from storage import settings

        process.attach(["dvc", "repro"], cwd=self.root, env=settings.stage_environment())

    @cached_property
    def _dvc(self) -> Any:
        from dvc.repo import Repo

        loopback.bypass_proxies()
        # Its hints would get into the output of `--json`.
        logging.getLogger("dvc").setLevel(logging.WARNING)
        # Our errors say more about missing objects.
        for name in ("dvc_data", "dvc_objects"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return Repo(str(self.root))
