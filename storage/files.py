"""Whole files, or none: every output is written beside its place and then moved over it.

A stage that is killed leaves the old file or the new one, never half of either. JSON is written with sorted
keys, so that the same content is the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.errors import InputError


def write_bytes(path: Path, data: bytes, mode: int | None = None, *, durable: bool = False) -> None:
    """Put `data` at `path`; its folders are made.

    Args:
        path: where.
        data: all of it.
        mode: of the file; nobody sees it under another one.
        durable: it outlives a power failure: what cannot be made again is on the disk before this returns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    if mode is not None:
        beside.unlink(missing_ok=True)
        beside.touch(mode)
    if durable:
        write_through(beside, data)
    else:
        beside.write_bytes(data)
    beside.replace(path)
    if durable:
        sync_folder(path.parent)


def write_through(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names in a folder, after one was put there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Put `value` at `path` as JSON; NaN is refused, for it is not JSON."""
    write_bytes(path, json_bytes(value, indent=1))


def json_bytes(value: Any, indent: int | None = None) -> bytes:
    """JSON with sorted keys and a final line feed, in UTF-8: the same content gives the same bytes.

    Half a surrogate pair, which a browser may cut out of a text and UTF-8 cannot hold, makes the text ASCII.
    """
    options: dict[str, Any] = {"sort_keys": True, "allow_nan": False, "indent": indent}
    if indent is None:
        options["separators"] = (",", ":")
    try:
        return json.dumps(value, ensure_ascii=False, **options).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(value, **options).encode() + b"\n"


def read_text(path: Path, cure: str, encoding: str = "utf-8") -> str:
    """A file's text, line ends as they are.

    Args:
        path: the file.
        cure: what to do about one that is in another encoding.
        encoding: `utf-8`, or `utf-8-sig` where a mark may stand before it.

    Raises:
        FileNotFoundError: it is not there.
        InputError: it is not in UTF-8; names the line.
    """
    data = path.read_bytes()
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        why = f"byte {error.start + 1} of the file begins no character"
        raise InputError("the file is not in UTF-8", where=f"{path}:{line}", why=why, cure=cure) from error


def read_json(path: Path, version: int, cure: str) -> dict[str, Any]:
    """Read a JSON object that carries a `version`.

    Raises:
        InputError: it is not there, is not a JSON object, or is newer than `version`; `cure` is the command
            that makes it.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there yet", where=str(path), cure=cure) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON", where=str(path), why=str(error), cure=cure) from error
    if not isinstance(value, dict):
        raise InputError(f"{path} is not a JSON object", where=str(path), cure=cure)
    found = value.get("version")
    if not isinstance(found, int) or isinstance(found, bool) or found > version:
        why = f"its version is {found}; this checkout reads up to {version}"
        raise InputError(f"{path} cannot be read", where=str(path), why=why, cure="git pull, or: " + cure)
    return value


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path` that takes its place when the block ends without an error.

    It is hidden, and so is the old one for a moment: `model.old` is what a person calls a model that is to be kept.
    """
    beside, old = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        old.rename(path)  # the last run was killed between its two renames
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    beside.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def md5(path: Path) -> str:
    """MD5 of a file, in hex; of a folder, the one that DVC gives it (ends in `.dir`); "" where nothing is."""
    if not path.exists():
        return ""
    if path.is_dir():
        files = {p.relative_to(path).as_posix(): md5(p) for p in path.rglob("*") if p.is_file()}
        return md5_bytes(dir_listing(files)) + ".dir"
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def md5_bytes(data: bytes) -> str:
    """MD5 in hex."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def dir_listing(files: Mapping[str, str]) -> bytes:
    """What DVC's cache holds for a folder: the MD5 of each file by its path in it. Its own MD5 names the folder."""
    listing = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    return json.dumps(listing, sort_keys=True).encode()
