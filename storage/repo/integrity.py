"""Checks labels and recordings of the work tree against their pointers: DVC itself does not.

A plain `dvc pull` takes the listing of a folder, and every file, as the bucket has it. Stages read what it fetched.
"""

from __future__ import annotations

import json
from pathlib import Path

from storage.errors import DamagedError
from storage.files import md5_bytes
from storage.paths import LABELS, SERIES, START
from storage.repo import dvc_listing
from storage.repo.dvc_cache import Cache
from storage.repo.pointer import pointer_md5

FOLDERS = (LABELS, SERIES, START.as_posix())
SHOWN = 5
CURE = "labeltrail fsck --repair, here or in a clone that has it right; then labeltrail sync"


def require_listings(root: Path = Path()) -> None:
    """Check that the listings in the DVC cache are those that the pointers name.

    Raises:
        DamagedError: there is such a one in the DVC cache; names files of it that lie outside of their folder.
    """
    for folder in FOLDERS:
        md5, listing = _listing(root, folder)
        if listing is not None and md5_bytes(listing) != md5.removesuffix(".dir"):
            outside = leading_out(listing)[:SHOWN]
            named = f"; it names {', '.join(outside)}, which may have been written" if outside else ""
            what = f"{folder} was fetched by another listing than {folder}.dvc names"
            why = f"plain `dvc pull` takes any, and somebody has changed the one in the DVC remote{named}"
            raise DamagedError(what, where=str(Cache(root).path(md5)), why=why, cure=CURE)


def require_labels(root: Path = Path()) -> None:
    """Check the labels against `data/labels.dvc`, as far as the DVC cache has its listing.

    Raises:
        DamagedError: a shard of the work tree has other bytes, is missing, or is one too many; or the listing names
            what no label snapshot has.
    """
    md5, listing = _listing(root, LABELS)
    if listing is None or not (root / LABELS).is_dir():
        return
    named = dvc_listing.parse(listing, md5, LABELS)
    found = {path.name: md5_bytes(path.read_bytes()) for path in (root / LABELS).glob("??.jsonl")}
    wrong = sorted(name for name in named.keys() | found.keys() if named.get(name) != found.get(name))
    if wrong:
        what = f"{LABELS} does not hold the labels that {LABELS}.dvc names"
        why = "git moved the pointer alone, the files were edited, or the DVC remote handed out other bytes"
        cure = f"labeltrail sync; or if they are meant: dvc add {LABELS}"
        raise DamagedError(what, where=[f"{LABELS}/{name}" for name in wrong[:SHOWN]], why=why, cure=cure)


def leading_out(listing: bytes) -> list[str]:
    """Names in a listing, of whatever form, that lie outside of the folder that it is of."""
    try:
        names = [str(entry["relpath"]) for entry in json.loads(listing)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [name for name in names if name.startswith("/") or ".." in name.split("/")]


def _listing(root: Path, folder: str) -> tuple[str, bytes | None]:
    """Hash in a pointer and the bytes that the DVC cache has under it; None where there are none."""
    md5 = pointer_md5(root / f"{folder}.dvc")
    place = Cache(root).path(md5)
    return (md5, place.read_bytes()) if md5.endswith(".dir") and place.is_file() else (md5, None)
