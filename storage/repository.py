"""git and DVC: the only database. The one module that speaks DVC.

Its Python API is imported only where bytes have to be hashed or moved, because importing it takes longer than a
sync that finds nothing to do.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from functools import cached_property
from pathlib import Path
from typing import Any

from storage import objects, process
from storage.cache import Cache
from storage.errors import InputError, NotFoundError, ServiceError
from storage.files import dir_listing, md5_bytes, pointer_md5, read_yaml, write_bytes
from storage.files import md5 as file_md5

REMOTE = "bucket"


class Repository(Cache):
    """One clone: its git history, its DVC cache and its DVC remote."""

    def runs_again(self, paths: Iterable[str]) -> dict[str, str]:
        """Which stages `dvc repro` will run once these files have changed, and because of which file."""
        stages = read_yaml(self.root / "dvc.yaml")["stages"]
        changed, found = set(paths), {}
        for name, stage in stages.items():  # stages stand in the order in which they run
            causes = [dep for dep in stage.get("deps", ()) if dep in changed]
            if causes:
                found[name] = causes[0]
                changed |= {out if isinstance(out, str) else next(iter(out)) for out in stage.get("outs", ())}
        return found

    # -- DVC --------------------------------------------------------------------------------------

    def pointer(self, path: str) -> str:
        """Hash in `<path>.dvc` of the work tree; "" where there is none."""
        return pointer_md5(self.root / f"{path}.dvc")

    def add(self, path: str) -> str:
        """Put a folder into the DVC cache and write its pointer; returns the hash."""
        with redirect_stdout(io.StringIO()):
            self._dvc.add([str(self.root / path)])
        return self.pointer(path)

    def push(self) -> None:
        """Copy what the work tree's pointers and the run cache name to the DVC remote.

        Raises:
            ServiceError: the remote is away or refuses; everything is still in the local cache.
        """
        from dvc.exceptions import DvcException

        try:
            with redirect_stdout(io.StringIO()):
                self._dvc.push(run_cache=True)
        except (DvcException, OSError) as error:
            raise ServiceError(
                "the DVC remote did not take everything",
                where=f"remote {REMOTE!r}",
                why=f"{type(error).__name__}: {error}",
                cure="labeltrail doctor; then labeltrail sync again: nothing is lost",
            ) from error

    def checkout(self, *paths: str, force: bool = False) -> None:
        """Bring folders to what their pointers say; fetches what the cache lacks.

        Raises:
            InputError: without `force`, a folder holds something that the DVC cache does not have.
            NotFoundError: neither cache nor remote has what a pointer names.
        """
        from dvc.exceptions import DvcException

        for path in paths:
            self.require(self.folder(self.pointer(path)).values())
        try:
            with redirect_stdout(io.StringIO()):
                self._dvc.checkout([str(self.root / f"{path}.dvc") for path in paths], force=force)
        except DvcException as error:
            if "unsaved" not in str(error):
                raise
            name = Path(str(error).strip().splitlines()[-1])
            path = f"data/{name.relative_to(self.root).parts[1]}"
            raise InputError(
                f"{path} holds changes that are in no label commit",
                where=str(name.relative_to(self.root)),
                why="they would be lost",
                cure=f"keep them: dvc add {path}; or give them up: dvc checkout --force {path}.dvc; "
                "then labeltrail sync",
            ) from error

    def point(self, path: str, md5: str) -> None:
        """Write `<path>.dvc` as `dvc add` does; the folder itself stays as it is until `checkout`."""
        md5 = md5 or self._put_listing({})
        files = self.folder(md5)
        self.require(files.values())
        size = sum(self._cached(found).stat().st_size for found in files.values())
        name = Path(path).name
        text = f"outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {len(files)}\n  hash: md5\n  path: {name}\n"
        write_bytes(self.root / f"{path}.dvc", text.encode())

    def bring(self, outputs: Mapping[str, str]) -> list[str]:
        """Put what stages wrote into the work tree, as `dvc.lock` names it there now, from cache or remote.

        What a run that was cut off left in the work tree is given up.

        Args:
            outputs: hash by path, as `Lock.outputs` has them.

        Returns:
            Paths that neither cache nor remote has whole: `dvc repro` makes them again.
        """
        self._try(outputs.values())
        listings = [md5 for md5 in outputs.values() if md5.endswith(".dir") and self._cached(md5).is_file()]
        self._try(sorted({md5 for listing in listings for md5 in self.folder(listing).values()}))
        lost = [path for path, md5 in outputs.items() if not self._whole(md5)]
        wanted = [str(self.root / path) for path in outputs if path not in lost]
        if wanted:
            with redirect_stdout(io.StringIO()):
                self._dvc.checkout(wanted, force=True)
        return lost

    def lost(self, outputs: Mapping[str, str]) -> list[str]:
        """Paths of these outputs that neither cache nor remote has whole; brings no more than their listings."""
        self._try([md5 for md5 in outputs.values() if md5.endswith(".dir")])
        parts = {path: self._parts(md5) for path, md5 in outputs.items()}
        missing = sorted(
            {md5 for found in parts.values() for md5 in found if not self._cached(md5).is_file()}
        )
        there = set(self._dvc.cloud.get_remote_odb().list_oids_exists(missing)) if missing else set()
        gone = set(missing) - there
        return [path for path, found in parts.items() if gone & set(found)]

    def _parts(self, md5: str) -> list[str]:
        """An object, and where it is the listing of a folder that the cache has, the files of it."""
        listed = md5.endswith(".dir") and self._cached(md5).is_file()
        return [md5, *(self.folder(md5).values() if listed else ())]

    def _whole(self, md5: str) -> bool:
        return all(self._cached(found).is_file() for found in self._parts(md5))

    def digest(self, path: str) -> str:
        """Hash of a file or folder of the work tree, as DVC takes it: for labels and recordings the pointer's."""
        if (self.root / f"{path}.dvc").exists():
            return self.pointer(path)
        if not (self.root / path).is_dir():
            return file_md5(self.root / path)
        found = self._dvc.dvcignore.find(self._dvc.fs, str(self.root / path))
        names = {Path(name).relative_to(self.root / path).as_posix(): file_md5(Path(name)) for name in found}
        return md5_bytes(dir_listing(names)) + ".dir"

    def folder(self, md5: str) -> dict[str, str]:
        """The files of a folder in the DVC cache or remote: name to hash. No hash: no files."""
        if not md5:
            return {}
        return {item["relpath"]: item["md5"] for item in json.loads(self.read([md5])[md5])}

    def forget_remote(self) -> None:
        """Have DVC look again which folders its remote has."""
        from dvc_data.hashfile.db import get_index

        get_index(self._dvc.cloud.get_remote_odb()).clear()

    def has(self, md5: str) -> bool:
        """Whether cache or remote has an object; one that only the remote has is brought."""
        self._try([md5])
        return self._cached(md5).is_file()

    def read(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Bytes by hash, from the DVC cache, or from the remote where the cache lacks them.

        Raises:
            NotFoundError: neither has one of them; names the hash.
        """
        wanted = sorted(set(hashes))
        self.require(wanted)
        return {md5: self._cached(md5).read_bytes() for md5 in wanted}

    def require(self, hashes: Iterable[str]) -> None:
        """Have all of these in the DVC cache, in one go.

        Raises:
            NotFoundError: neither cache nor remote has one of them; names the hash.
        """
        missing = [md5 for md5 in hashes if not self._cached(md5).is_file()]
        if missing:
            self._fetch(missing)

    def _try(self, hashes: Iterable[str]) -> None:
        """Get what the cache lacks and the remote has.

        Raises:
            ServiceError: the remote is away, refuses, or none is set.
        """
        from dvc.exceptions import DvcException
        from dvc_data.hashfile.hash_info import HashInfo

        missing = [md5 for md5 in hashes if not self._cached(md5).is_file()]
        try:
            with redirect_stdout(io.StringIO()):
                self._dvc.cloud.pull([HashInfo("md5", md5) for md5 in missing]) if missing else None
        except (DvcException, OSError) as error:
            what = f"{len(missing)} object(s) are not in the DVC cache, and its remote cannot be read"
            raise ServiceError(
                what, where=f"{missing[0]} ..", why=str(error), cure="labeltrail up"
            ) from error

    def _fetch(self, hashes: list[str]) -> None:
        self._try(hashes)
        lost = [md5 for md5 in hashes if not self._cached(md5).is_file()]
        if lost:
            what = objects.whereabouts(self, lost[0])
            raise NotFoundError(
                f"{len(lost)} object(s) are neither in the DVC cache nor in its remote",
                where=f"remote {REMOTE!r}: files/md5/{lost[0][:2]}/{lost[0][2:]}"
                + (f" ({what})" if what else ""),
                cure="dvc fetch --all-commits from a clone that has them, then dvc push --all-commits there",
            )

    def configure(self, url: str, options: Mapping[str, str]) -> None:
        """Point the DVC remote of this clone at a bucket, in `.dvc/config.local`, which git ignores.

        The credentials stand there a second time, so that a plain `dvc pull` works too; the mode is 600.
        """
        path = self.root / ".dvc" / "config.local"
        text = "".join(f"    {name} = {value}\n" for name, value in {"url": url, **options}.items())
        text = f"['remote \"{REMOTE}\"']\n{text}"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_bytes(path, text.encode(), mode=0o600)
            self.__dict__.pop("_dvc", None)

    def reproduce(self) -> None:
        """`dvc repro`, its output going where this program's goes.

        Raises:
            ProgramError: a stage failed; it has said why.
        """
        from storage import settings

        process.attach(["dvc", "repro"], cwd=self.root, env=settings.stage_environment())

    @cached_property
    def _dvc(self) -> Any:
        from dvc.repo import Repo

        # Its advice on what to type next is not ours, and would stand between the lines of `--json`.
        logging.getLogger("dvc").setLevel(logging.WARNING)
        # What could not be had is said by us, with its label commit.
        for name in ("dvc_data", "dvc_objects"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return Repo(str(self.root))
