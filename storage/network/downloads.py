"""Downloads recordings from addresses in an export, within limits of size and time.

Only http and https are allowed, and redirects on the same host. User names in addresses and link-local addresses (the
metadata services of clouds) are refused.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urljoin, urlsplit

from storage.errors import InputError, SetupError
from storage.network.connections import open_url
from storage.printable import shortened
from storage.text.json_text import whole_number

READ_TIMEOUT_S = 20  # seconds between two bytes
MAX_BYTES = 512 << 20  # of one recording
DOWNLOAD_TIMEOUT_S = 600.0  # seconds for one recording
TOTAL_TIMEOUT_S = 3600.0  # seconds for all recordings of an export
REDIRECTS = 5
BLOCK = 1 << 20
CURE = "check the address; or fetch it yourself, then: labeltrail import FOLDER --labels EXPORT.json"
MOVED = (301, 302, 303, 307, 308)


class Downloads:
    """The downloads of one import, which share a time limit."""

    def __init__(self) -> None:
        self._end = time.monotonic() + TOTAL_TIMEOUT_S

    def fetch(self, address: str, path: Path, name: str) -> None:
        """Download a file to `path`, completely or not at all.

        Args:
            address: http or https.
            path: of the file.
            name: of the task, for errors.

        Raises:
            InputError: it cannot be fetched within the limits.
        """
        part = path.with_name(f"{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _open(address) as response, part.open("wb") as file:
                _copy(response, file, min(self._end, time.monotonic() + DOWNLOAD_TIMEOUT_S))
            part.replace(path)
        except (_RefusedError, OSError, HTTPException, ValueError, SetupError) as error:
            part.unlink(missing_ok=True)
            why = shortened(str(error) or type(error).__name__, 300)
            raise InputError("the recording cannot be fetched", where=name, why=why, cure=CURE) from error


class _RefusedError(Exception):
    """A limit was exceeded, or the address is not allowed."""


def _open(address: str) -> Any:
    """The response for an address, following redirects on the same host."""
    url = _checked(address)
    for _ in range(REDIRECTS + 1):
        try:
            return open_url(url, READ_TIMEOUT_S, redirects=False)
        except HTTPError as error:
            target = error.headers.get("Location") if error.code in MOVED else None
            if not target:
                raise
            target = _checked(urljoin(url, target))
            if not _same_place(url, target):
                place = "{0.scheme}://{0.netloc}".format(urlsplit(target))
                raise _RefusedError(f"it leads elsewhere, to {place}, which is not followed") from error
            url = target
    raise _RefusedError(f"it leads on more than {REDIRECTS} times")


def _same_place(url: str, target: str) -> bool:
    """Whether a redirect stays on its host and port, or goes to https on that host."""
    source, destination = urlsplit(url), urlsplit(target)
    if source.hostname != destination.hostname:
        return False
    if (source.scheme, source.port, destination.scheme, destination.port) == ("http", None, "https", None):
        return True
    return (source.scheme, source.port) == (destination.scheme, destination.port)


def _checked(address: str) -> str:
    """The address, validated and percent-encoded."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _RefusedError(f"{shortened(address, 100)} is no http(s) address")
    if parts.username is not None or parts.password is not None:
        raise _RefusedError("there is a user name in its address")
    if _is_link_local(parts.hostname):
        raise _RefusedError(f"{parts.hostname} is a link-local address, where no recordings are")
    return quote(address, safe="!#$%&'()*+,/:;=?@[]~-._")


def _is_link_local(host: str) -> bool:
    try:
        addresses = {ipaddress.ip_address(host)}
    except ValueError:
        try:
            addresses = {
                ipaddress.ip_address(str(info[4][0]).partition("%")[0])
                for info in socket.getaddrinfo(host, None)
            }
        except (OSError, UnicodeError, ValueError):
            return False
    return any((getattr(ip, "ipv4_mapped", None) or ip).is_link_local for ip in addresses)


def _copy(response: Any, file: Any, end: float) -> None:
    """Write a response's body to a file, within the limits."""
    announced = whole_number(response.headers.get("Content-Length", ""))
    if announced is not None and announced > MAX_BYTES:
        raise _RefusedError(f"it has {announced:,} bytes, {MAX_BYTES:,} at most are fetched")
    size = 0
    while block := response.read1(BLOCK):
        size += len(block)
        if size > MAX_BYTES:
            raise _RefusedError(f"it has more than {MAX_BYTES:,} bytes, the most that are fetched")
        if time.monotonic() > end:
            raise _RefusedError(
                f"it took longer than {DOWNLOAD_TIMEOUT_S:g} s, or all recordings longer than {TOTAL_TIMEOUT_S:g} s"
            )
        file.write(block)
    if announced is not None and size < announced:
        raise _RefusedError(f"it broke off after {size:,} of {announced:,} bytes")
