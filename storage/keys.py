"""Where recordings lie in the bucket: `series/<series key>.csv`, and `s3://<bucket>/series/..` in task data."""

from __future__ import annotations

SERIES = "series/"
LONGEST = 240  # bytes of a file's name, with room for what is put behind it
# Folders that DVC passes over.
HIDDEN = frozenset({".git", ".hg", ".dvc"})


def series_key(series: str) -> str:
    """Key of a recording in the bucket."""
    return f"{SERIES}{series}.csv"


def series_of(key: str) -> str:
    """The series key of a recording's object."""
    return key.removeprefix(SERIES).removesuffix(".csv")


def refusal(series: str) -> str:
    """Why no file below `data/series` can have the name of this series; "" where one can."""
    parts = series.split("/")
    if {"", ".", ".."} & set(parts):
        return "its name leads out of the folder of recordings, or has an empty part"
    if HIDDEN & set(parts):
        return "DVC passes over a folder of this name"
    if min(series) < " ":
        return "there is a control character in its name"
    if max(len(part.encode()) for part in parts) > LONGEST:
        return f"a part of its name is longer than {LONGEST} bytes"
    return ""


def series_of_url(url: str) -> str:
    """The series key of `s3://bucket/series/<key>.csv`; "" for any other address."""
    _, found, key = url.partition(f"/{SERIES}")
    return key.removesuffix(".csv") if found and url.startswith("s3://") else ""
