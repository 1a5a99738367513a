"""Validates addresses of servers and names of buckets in the settings."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from storage.printable import UNSAFE

BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")


def address(text: str) -> str:
    """Validate the address of a server.

    Raises:
        ValueError: it is invalid; the text does not quote it, as it may hold a secret.
    """
    if not text.startswith(("http://", "https://")):
        raise ValueError("it must begin with http:// or https://")
    if re.search(r"\s", text) or UNSAFE.search(text):
        raise ValueError("there is a blank in it, or a character that nobody sees")
    try:
        parts, port = urlsplit(text), urlsplit(text).port
    except ValueError:
        raise ValueError("its host or port cannot be read") from None
    if not parts.hostname or port == 0:
        raise ValueError("its host or port cannot be read")
    if "@" in parts.netloc:
        raise ValueError("there is a name or password in it: those have variables of their own")
    if "?" in text or "#" in text:
        raise ValueError("it must end with the host, the port or a path")
    return text


def s3_address(text: str) -> str:
    """The same for an S3 server, which has no path."""
    address(text)
    if urlsplit(text).path.strip("/"):
        raise ValueError("there is a path in it: name the server alone, as in http://host:9000")
    return text


def bucket_name(text: str) -> str:
    """Validate the name of a bucket."""
    if not BUCKET.fullmatch(text):
        raise ValueError("a bucket has 3 to 63 letters, digits, dots and hyphens")
    return text


Address = Annotated[str, AfterValidator(address)]
S3Address = Annotated[str, AfterValidator(s3_address)]
BucketName = Annotated[str, AfterValidator(bucket_name)]
