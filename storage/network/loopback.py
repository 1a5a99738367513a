"""Loopback addresses: requests to them carry signatures and tokens, and never go through a proxy.

Programs and libraries decide by `NO_PROXY`, so it is set for this process and those that it starts. This module reads
and writes that variable and no other; it is imported by every command, so it imports little.
"""

from __future__ import annotations

import os
import socket
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "127.0.0.0/8", "localhost", "::1", "[::1]")


def is_loopback(url: str) -> bool:
    """Whether an address, or a bare host, is of this machine alone."""
    host = ((urlsplit(url).hostname if "//" in url else url) or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = ip_address(_four_numbers(host))
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return found.is_loopback or found.is_unspecified  # what connects to 0.0.0.0 comes here


def _four_numbers(host: str) -> str:
    """An IPv4 address in its usual form; systems take 127.1 and 2130706433 too."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return host


def no_proxy() -> dict[str, str]:
    """`NO_PROXY` with loopback in it, in both ways of writing it: programs differ in which they read first."""
    capital, small = (os.environ.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    return {"NO_PROXY": with_loopback(capital or small), "no_proxy": with_loopback(small or capital)}


def with_loopback(listed: str) -> str:
    """A value of `NO_PROXY` to which loopback is added."""
    names = [name.strip() for name in listed.split(",") if name.strip()]
    if "*" in names:
        return "*"
    return ",".join([*names, *(name for name in LOOPBACK if name not in names)])


def bypass_proxies() -> None:
    """Keep requests to this machine away from proxies, in this process and those that it starts."""
    os.environ.update(no_proxy())
