"""Verifies labels and recordings of the work tree against their pointers.

DVC does not: plain `dvc pull` accepts any listing and any file from the bucket, and stages read them.
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
    """Check that the listings in the DVC cache match the hashes in the pointers.

    Raises:
        DamagedError: one does not; names paths in it that lead out of their folder.
    """
    for folder in FOLDERS:
        md5, listing = _listing(root, folder)
        if listing is not None and md5_bytes(listing) != md5.removesuffix(".dir"):
            outside = names_outside(listing)[:SHOWN]
            hint = f"; it names {', '.join(outside)}, which may have been written" if outside else ""
            what = f"{folder} was fetched by another listing than {folder}.dvc names"
            why = f"plain `dvc pull` takes any, and somebody has changed the one in the DVC remote{hint}"
            raise DamagedError(what, where=str(Cache(root).path(md5)), why=why, cure=CURE)


def require_labels(root: Path = Path()) -> None:
    """Check the labels against `data/labels.dvc`, as far as the DVC cache has its listing.

    Raises:
        DamagedError: a shard of the work tree differs, is missing or is not in the listing; or the listing is
            invalid.
    """
    md5, listing = _listing(root, LABELS)
    if listing is None or not (root / LABELS).is_dir():
        return
    expected = dvc_listing.parse(listing, md5, LABELS)
    actual = {path.name: md5_bytes(path.read_bytes()) for path in (root / LABELS).glob("??.jsonl")}
    wrong = sorted(name for name in expected.keys() | actual.keys() if expected.get(name) != actual.get(name))
    if wrong:
        what = f"{LABELS} does not hold the labels that {LABELS}.dvc names"
        why = "git moved the pointer alone, the files were edited, or the DVC remote handed out other bytes"
        cure = f"labeltrail sync; or if they are meant: dvc add {LABELS}"
        raise DamagedError(what, where=[f"{LABELS}/{name}" for name in wrong[:SHOWN]], why=why, cure=cure)


def names_outside(listing: bytes) -> list[str]:
    """Paths in a listing, also an invalid one, that lead out of its folder."""
    try:
        names = [str(entry["relpath"]) for entry in json.loads(listing)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [name for name in names if name.startswith("/") or ".." in name.split("/")]


def _listing(root: Path, folder: str) -> tuple[str, bytes | None]:
    """The hash in a pointer and the listing in the DVC cache; None where there is none."""
    md5 = pointer_md5(root / f"{folder}.dvc")
    path = Cache(root).path(md5)
    return (md5, path.read_bytes()) if md5.endswith(".dir") and path.is_file() else (md5, None)
