"""Where recordings lie in the bucket: `series/<series key>.csv`, and `s3://<bucket>/series/..` in task data."""

from __future__ import annotations

SERIES = "series/"


def series_key(series: str) -> str:
    """Key of a recording in the bucket."""
    return f"{SERIES}{series}.csv"


def series_of(key: str) -> str:
    """The series key of a recording's object."""
    return key.removeprefix(SERIES).removesuffix(".csv")


def series_of_url(url: str) -> str:
    """The series key of `s3://bucket/series/<key>.csv`; "" for any other address."""
    _, found, key = url.partition(f"/{SERIES}")
    return key.removesuffix(".csv") if found and url.startswith("s3://") else ""
