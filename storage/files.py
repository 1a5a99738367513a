"""Atomic writes: every file is written beside its place and then renamed, so that it is complete or unchanged.

JSON is written with sorted keys: the same content gives the same bytes.
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
    """Write a file atomically; its folders are created.

    Args:
        path: of the file.
        data: its content.
        mode: of the file, from its creation on.
        durable: wait for fsync, so that it survives a power failure.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    if mode is not None:
        part.unlink(missing_ok=True)
        part.touch(mode)
    if durable:
        write_through(part, data)
    else:
        part.write_bytes(data)
    part.replace(path)
    if durable:
        sync_folder(path.parent)


def write_through(path: Path, data: bytes) -> None:
    """Write a file and wait for fsync."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait for fsync of a folder, after a file was renamed into it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON; NaN is an error, for it is no JSON."""
    write_bytes(path, json_bytes(value, indent=1))


def json_bytes(value: Any, indent: int | None = None) -> bytes:
    """JSON with sorted keys and a final line feed, in UTF-8; with escapes where it holds a lone surrogate."""
    options: dict[str, Any] = {"sort_keys": True, "allow_nan": False, "indent": indent}
    if indent is None:
        options["separators"] = (",", ":")
    try:
        return json.dumps(value, ensure_ascii=False, **options).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(value, **options).encode() + b"\n"


def read_text(path: Path, cure: str, encoding: str = "utf-8") -> str:
    """A file's text, with its line ends.

    Args:
        path: the file.
        cure: the next step for a file in another encoding.
        encoding: `utf-8`, or `utf-8-sig` where it may begin with a byte order mark.

    Raises:
        FileNotFoundError: it does not exist.
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
    """Read a JSON object with a `version`; `cure` is the command that makes it.

    Raises:
        InputError: it does not exist, is no JSON object, or is newer than `version`.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there yet", where=str(path), cure=cure) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON", where=str(path), why=str(error), cure=cure) from error
    if not isinstance(value, dict):
        raise InputError(f"{path} is not a JSON object", where=str(path), cure=cure)
    found_version = value.get("version")
    if not isinstance(found_version, int) or isinstance(found_version, bool) or found_version > version:
        why = f"its version is {found_version}; this checkout reads up to {version}"
        raise InputError(f"{path} cannot be read", where=str(path), why=why, cure="git pull, or: " + cure)
    return value


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that replaces `path` when the block ends without an error.

    Its name and that of the old folder are hidden: `model.old` may be a backup of the user.
    """
    part, old = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        old.rename(path)  # the last run was killed between its two renames
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    part.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def md5(path: Path) -> str:
    """MD5 of a file, in hex; of a folder as in DVC (ends in `.dir`); "" where the path does not exist."""
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
    """The listing of a folder in DVC's cache, from the MD5 of each file by path; its MD5 is the folder's hash."""
    listing = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    return json.dumps(listing, sort_keys=True).encode()
