"""Addresses of recordings in the task data of an export, and the file path in each.

An address is that of a local storage (`/data/local-files/?d=..`), an uploaded file (`/data/upload/..`, whose name
Label Studio rewrote), a cloud storage (`s3://`, `gs://`, `azure-blob://`) or a server, or it is a path.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qs, unquote, urlsplit

LOCAL, UPLOAD, RESOLVE = "/data/local-files", "/data/upload/", "/resolve"


def path_of(address: str) -> str:
    """The file path in an address, percent-decoded, with `/` between folders."""
    try:
        parts = urlsplit(address)
        query = parse_qs(parts.query)
    except ValueError:
        return address
    if parts.path.rstrip("/").endswith(LOCAL) and query.get("d"):
        return query["d"][0].replace("\\", "/")
    if parts.path.rstrip("/").endswith(RESOLVE) and query.get("fileuri"):
        try:
            return path_of(base64.b64decode(query["fileuri"][0]).decode())
        except (binascii.Error, ValueError):
            return address
    if parts.scheme in ("http", "https") or parts.path.startswith(UPLOAD):
        return unquote(parts.path)
    # Keys of a cloud storage are not percent-encoded; a question mark may begin a signature.
    return address.partition("?")[0].replace("\\", "/")


def is_address(value: object) -> bool:
    """Whether task data holds the address of a CSV file."""
    return isinstance(value, str) and path_of(value).lower().endswith(".csv")
