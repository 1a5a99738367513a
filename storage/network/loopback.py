"""Loopback addresses: requests to them bypass proxies.

Programs and libraries use `NO_PROXY`, so it is set for this process and its children. Every command imports this
module, so it imports little.
"""

from __future__ import annotations

import os
import socket
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "127.0.0.0/8", "localhost", "::1", "[::1]")


def is_loopback(url: str) -> bool:
    """Whether an address or a host is a loopback address."""
    host = ((urlsplit(url).hostname if "//" in url else url) or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(_canonical(host))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified  # 0.0.0.0 connects to this machine


def _canonical(host: str) -> str:
    """An IPv4 address in its canonical form, of 127.1 or 2130706433 for example."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return host


def no_proxy() -> dict[str, str]:
    """`NO_PROXY` and `no_proxy` with loopback added: programs differ in which they prefer."""
    capital, small = (os.environ.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    return {"NO_PROXY": with_loopback(capital or small), "no_proxy": with_loopback(small or capital)}


def with_loopback(listed: str) -> str:
    """A value of `NO_PROXY` with loopback added."""
    names = [name.strip() for name in listed.split(",") if name.strip()]
    if "*" in names:
        return "*"
    return ",".join([*names, *(name for name in LOOPBACK if name not in names)])


def bypass_proxies() -> None:
    """Set `NO_PROXY` for this process and its children."""
    os.environ.update(no_proxy())
