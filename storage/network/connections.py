"""HTTP connections with a time limit for every response, and without a proxy for loopback.

A socket's timeout applies between two bytes, so a server that sends one byte a second could block a program for ever.
Here a response may take the timeout, RESPONSE_ALLOWANCE_S, and a second for each MIN_BYTES_PER_S bytes
(docs/architecture.md has a table of all limits). Proxies are those of the environment (`HTTP_PROXY`, `HTTPS_PROXY`,
`ALL_PROXY`, `NO_PROXY`, in upper or lower case).
"""

from __future__ import annotations

import socket
import time
from contextlib import AbstractContextManager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, BytesIO, RawIOBase
from ssl import SSLError
from typing import Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    ProxyHandler,
    build_opener,
    getproxies,
    proxy_bypass,
)

import urllib3

from storage.errors import SetupError
from storage.network.loopback import is_loopback

RESPONSE_ALLOWANCE_S = 10.0  # seconds that a response may take beyond its socket's timeout
MIN_BYTES_PER_S = 4096  # minimum rate of a response or a request body
PROXIES = ("http", "https")  # supported schemes of proxies


# -- proxies --------------------------------------------------------------------------------------


def proxy_for(url: str) -> str | None:
    """The proxy for requests to this address, with its scheme; None for none.

    Raises:
        SetupError: its scheme is not supported, such as SOCKS.
    """
    parts = urlsplit(url)
    if is_loopback(url) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if why := _proxy_problem(proxy):
        name = f"{parts.scheme.upper()}_PROXY"
        what = f"{parts.scheme}://{parts.hostname} cannot be reached through the proxy of this shell"
        cure = f"set {name} to an http:// address, or add {parts.hostname} to NO_PROXY"
        raise SetupError(what, where=f"{name} or ALL_PROXY", why=why, cure=cure)
    return proxy


def _proxy_problem(proxy: str) -> str:
    """Why a proxy's address is invalid; "" where it is valid. Not quoted: it may hold a password."""
    try:
        parts = urllib3.util.parse_url(proxy)
    except urllib3.exceptions.LocationParseError:
        return "its address cannot be read"
    if parts.scheme not in PROXIES:
        return f"its address begins with {parts.scheme}://"
    return "" if parts.host else "its address cannot be read"


# -- time -----------------------------------------------------------------------------------------


class _TimedReader(RawIOBase):
    """The bytes of a socket, with a minimum rate."""

    def __init__(self, raw: Any, sock: Any, allowance: float) -> None:
        self._raw, self._sock = raw, sock
        self._silence: float | None = sock.gettimeout()
        self._end = time.monotonic() + (self._silence or 0.0) + allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if self._silence is None or left > self._silence:
            count = self._raw.readinto(buffer)
        elif left > 0:
            self._sock.settimeout(left)
            try:
                count = self._raw.readinto(buffer)
            finally:
                self._sock.settimeout(self._silence)
        else:
            raise TimeoutError(f"the response came with less than {MIN_BYTES_PER_S} bytes a second")
        self._end += (count or 0) / MIN_BYTES_PER_S
        return cast("int | None", count)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class TimedResponse(HTTPResponse):
    """A response with a time limit for header and body; for http.client, urllib and urllib3."""

    allowance = RESPONSE_ALLOWANCE_S

    def __init__(self, sock: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        if isinstance(sock, socket.socket) and hasattr(socket, "TCP_QUICKACK"):
            # Label Studio sends headers and body apart, and the body (Nagle) only when the headers are acknowledged,
            # which Linux otherwise delays by 40 ms.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.fp = BufferedReader(_TimedReader(self.fp.detach(), sock, self.allowance))


class _PromptResponse(TimedResponse):
    allowance = 0.0


class _Connection(HTTPConnection):
    response_class = TimedResponse


class _SecureConnection(HTTPSConnection):
    response_class = TimedResponse


class _PoolConnection(urllib3.connection.HTTPConnection):
    response_class = TimedResponse


class _SecurePoolConnection(urllib3.connection.HTTPSConnection):
    response_class = TimedResponse


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PoolConnection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecurePoolConnection


# For urllib3's pool managers: connections with a time limit for responses.
POOLS = {"http": _Pool, "https": _SecurePool}


class _Handler(HTTPHandler):
    def http_open(self, request: Any) -> Any:
        return self.do_open(_Connection, request)


class _SecureHandler(HTTPSHandler):
    def https_open(self, request: Any) -> Any:
        return self.do_open(_SecureConnection, request)


class TimedBody(BytesIO):
    """A request body with a minimum rate."""

    def __init__(self, data: bytes, allowance: float) -> None:
        super().__init__(data)
        self._end = time.monotonic() + allowance

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes.

        Raises:
            TimeoutError: the bytes before took too long.
        """
        if time.monotonic() > self._end + self.tell() / MIN_BYTES_PER_S:
            raise TimeoutError(f"the server takes less than {MIN_BYTES_PER_S} bytes a second")
        return super().read(size)


def prompt_connection(url: str, timeout: float) -> HTTPConnection:
    """A connection, through no proxy, whose response must begin within `timeout` seconds."""
    parts = urlsplit(url)
    kind = _SecureConnection if parts.scheme == "https" else _Connection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    connection.response_class = _PromptResponse
    return connection


def is_reachable(url: str, timeout: float) -> bool:
    """Whether any server responds within about `timeout` seconds, through a proxy where one is set.

    Raises:
        SetupError: as `proxy_for`.
    """
    try:
        with open_url(url, timeout):
            return True
    except HTTPError:
        return True  # a refusal is a response
    except URLError as error:
        return isinstance(error.reason, SSLError)
    except (OSError, HTTPException):
        return False


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect: it raises an HTTPError."""

    def redirect_request(self, *_: Any) -> None:
        return None


def open_url(url: str, timeout: float, *, redirects: bool = True) -> AbstractContextManager[Any]:
    """`urlopen` for an http or https address, with a time limit and without a proxy for loopback.

    Args:
        url: the address.
        timeout: seconds between two bytes.
        redirects: follow them, to any host.

    Raises:
        OSError: it cannot be opened; includes URLError and HTTPError.
        SetupError: as `proxy_for`.
    """
    parts = urlsplit(url)
    proxy = proxy_for(url)
    proxies = ProxyHandler({parts.scheme: proxy} if proxy else {})
    handlers = [proxies, _Handler(), _SecureHandler(), *([] if redirects else [_NoRedirects()])]
    return cast("AbstractContextManager[Any]", build_opener(*handlers).open(url, timeout=timeout))
