"""Validates names that become paths: series keys, keys in the bucket, and paths in a folder's listing.

Recordings have the key `series/<series key>.csv`, and the address `s3://<bucket>/series/..` in task data.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

SERIES = "series/"
DVC_OBJECTS = "dvc/files/md5/"  # of the DVC remote
LONGEST = 240  # bytes of a file's name, with room for suffixes
LONGEST_OBJECT = 1024  # bytes of any key
LONGEST_KEY = 900  # bytes of a series key: S3 allows 1,024 with branch, folder and suffix
# Names that are special to git or DVC.
HIDDEN = frozenset({".git", ".hg", ".dvc", ".dvcignore", ".gitignore", ".gitattributes", ".gitmodules"})
# Names in .dvcignore; the second group are files of operating systems.
IGNORED = re.compile(r".*\.(part|old|pyc)|__pycache__")
JUNK = re.compile(r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Suffixes of files that are made of a series: a folder of such a name would collide with one.
SUFFIXES = (".csv", ".json", ".npy", ".target.npy", ".csv.part", ".json.part")
SHARD = re.compile(r"[0-9a-f]{2}\.jsonl")
MD5 = re.compile(r"[0-9a-f]{32}")
OBJECT = re.compile(r"[0-9a-f]{32}(\.dir)?")


def series_key(series: str) -> str:
    """Key of a recording in the bucket."""
    return f"{SERIES}{series}.csv"


def series_of(key: str) -> str:
    """The series key of a recording's object."""
    return key.removeprefix(SERIES).removesuffix(".csv")


def dvc_object(md5: str) -> str:
    """Key of an object of the DVC remote."""
    return f"{DVC_OBJECTS}{md5[:2]}/{md5[2:]}"


def shard_name(series: str) -> str:
    """Name of the shard with the labels of a series: `00.jsonl` to `ff.jsonl`."""
    return hashlib.md5(series.encode(), usedforsecurity=False).hexdigest()[:2] + ".jsonl"


def key_problem(series: str) -> str:
    """Why a series key is invalid as a path below `data/series`; "" where it is valid."""
    why = _path_problem(f"{series}.csv".split("/")) if series else "it has no name"
    return why or (f"it is longer than {LONGEST_KEY} bytes" if len(series.encode()) > LONGEST_KEY else "")


def is_storable(key: str) -> bool:
    """Whether a key is within the limits of S3, and each part within those of MinIO."""
    return len(key.encode()) <= LONGEST_OBJECT and all(len(part.encode()) <= 255 for part in key.split("/"))


def relpath_problem(path: str) -> str:
    """Why a path in a folder that DVC tracks is invalid; "" where it is valid."""
    return _path_problem(path.split("/"))


def _path_problem(parts: list[str]) -> str:
    if {"", ".", "..", ".csv", "..csv", "...csv"} & set(parts):
        return "its name leads out of its folder, or has an empty part"
    if HIDDEN & {part.lower() for part in parts}:
        return "git or DVC takes a file or folder of this name for its own"
    if any(IGNORED.fullmatch(part) or JUNK.fullmatch(part) for part in parts):
        return "DVC passes over files and folders of this name (.dvcignore)"
    if any(map(CONTROL.search, parts)):
        return "there is a control character in its name"
    if max(len(part.encode()) for part in parts) > LONGEST:
        return f"a part of its name is longer than {LONGEST} bytes"
    return ""


def path_collisions(series: Iterable[str]) -> dict[str, str]:
    """Series keys whose folder has the path of another series' file, with the key of that series."""
    known = set(series)
    collisions = {}
    for key in known:
        parts = key.split("/")
        for count in range(1, len(parts)):
            folder = "/".join(parts[:count])
            for ending in SUFFIXES:
                other = folder.removesuffix(ending)
                if other != folder and other in known:
                    collisions[key] = other
    return collisions


def case_collisions(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ only by case or Unicode form: one file on macOS and Windows."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())].append(name)
    return [tuple(sorted(group)) for group in groups.values() if len(group) > 1]


def series_of_url(url: str) -> str:
    """The series key of `s3://bucket/series/<key>.csv`; "" for any other address."""
    _, found, key = url.partition(f"/{SERIES}")
    return key.removesuffix(".csv") if found and url.startswith("s3://") and key.endswith(".csv") else ""
