"""A proxy that stands before a real server and misbehaves, by a seeded die: for tests of what faults do to us.

It forwards every byte and header as they came, `Host` among them, so that S3's signatures, made for the proxy's
address, hold. `before` and `after` let a test change the world between two requests, or look on.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "content-length"}


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong.

    Attributes:
        failing: share of requests with response 500 or 503, half of them after the server carried them out.
        hanging: share of requests without a response, half of them carried out.
        cut: share of requests that are carried out, and whose response breaks off in the middle.
        rude: share of requests whose connection is reset before anything happens.
    """

    failing: float = 0.0
    hanging: float = 0.0
    cut: float = 0.0
    rude: float = 0.0


CALM = Faults()
STORM = Faults(failing=0.05, hanging=0.02, cut=0.03, rude=0.01)


@dataclass(frozen=True)
class Request:
    """What came in; `path` with its query, as it was sent."""

    method: str
    path: str
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What the server said."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class Proxy:
    """One server behind it.

    Attributes:
        url: address of the proxy.
        faults: may be changed at any moment.
        script: faults of the next requests, in order, before the die is asked: "500", "late 500", "503", "late 503",
            "hang", "late hang", "cut", "reset", "drip" and "drip header" (a byte now and then), "" for none.
        before, after: called with every request, before it is forwarded and after it was answered.
        seen: every request that came.
        done: the faults that were dealt out.
    """

    def __init__(self, upstream: str, seed: int = 0) -> None:
        self.upstream = urlsplit(upstream)
        self.faults = CALM
        self.script: list[str] = []
        self.before: Callable[[Request], object] = lambda request: None
        self.after: Callable[[Request], object] = lambda request: None
        self.seen: list[Request] = []
        self.done: list[str] = []
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 -- no secret
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let everybody go and close the door."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def fault(self, request: Request) -> str:
        """What shall happen to a request."""
        with self._lock:
            self.seen.append(request)
            fault = self.script.pop(0) if self.script else self._roll()
            if fault:
                self.done.append(fault)
            return fault

    def _roll(self) -> str:
        faults, die = self.faults, self._random.random()
        late = self._random.choice(("", "late "))
        for share, fault in (
            (faults.failing, late + self._random.choice(("500", "503"))),
            (faults.hanging, late + "hang"),
            (faults.cut, "cut"),
            (faults.rude, "reset"),
        ):
            if die < share:
                return fault
            die -= share
        return ""


@contextmanager
def standing_before(upstream: str, seed: int = 0) -> Iterator[Proxy]:
    """A proxy for as long as the block lasts."""
    proxy = Proxy(upstream, seed)
    try:
        yield proxy
    finally:
        proxy.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    proxy: Proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        proxy = self.server.proxy
        # Asked as the proxy of a shell, it is told the whole address.
        path = "/" + self.path.split("/", 3)[3] if "://" in self.path.partition("?")[0] else self.path
        request = Request(self.command, path, self._body())
        fault = proxy.fault(request)
        if fault == "reset":
            self._reset()
        elif fault == "hang":
            self._hang()
        elif fault in ("500", "503"):
            self._fail(int(fault))
        else:
            self._forward(proxy, request, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815 -- the library's names

    def _forward(self, proxy: Proxy, request: Request, fault: str) -> None:
        proxy.before(request)
        try:
            reply = self._ask(proxy, request)
        except (OSError, HTTPException):
            self._reset()
            return
        proxy.after(request)
        if fault == "late hang":
            self._hang()
        elif fault.startswith("drip"):
            self._drip(reply, header=fault == "drip header")
        elif fault.startswith("late"):
            self._fail(int(fault.removeprefix("late ")))
        else:
            self._answer(reply, cut=fault == "cut")

    def _ask(self, proxy: Proxy, request: Request) -> Reply:
        connection = HTTPConnection(proxy.upstream.hostname or "", proxy.upstream.port, timeout=120)
        try:
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            answer = connection.getresponse()
            return Reply(answer.status, answer.reason, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _answer(self, reply: Reply, cut: bool) -> None:
        self.send_response_only(reply.status, reply.reason)
        length = str(len(reply.body))
        for name, value in reply.headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in HOP:
                self.send_header(name, value)
        if reply.status not in (204, 304):
            self.send_header("Content-Length", length)
        if cut and len(reply.body) < 2:
            self._reset()  # there is no middle: the response is lost whole
            return
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if cut else reply.body)
        if cut:
            self._reset()

    def _drip(self, reply: Reply, header: bool) -> None:
        """A byte each tenth of a second, of the header too or of the body alone."""
        head = b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n" % (reply.status, len(reply.body))
        head += b"".join(f"{n}: {v}\r\n".encode() for n, v in reply.headers if n.lower() not in HOP) + b"\r\n"
        begun, slow = (b"", head + reply.body) if header else (head, reply.body)
        self.wfile.write(begun)
        for byte in slow:
            if self.server.proxy.stopping.wait(0.1):
                break
            self.wfile.write(bytes([byte]))
        self.close_connection = True

    def _fail(self, status: int) -> None:
        body = b"<Error><Code>%s</Code></Error>" % (b"SlowDown" if status == 503 else b"InternalError")
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def _hang(self) -> None:
        self.server.proxy.stopping.wait(60)
        self.close_connection = True

    def _reset(self) -> None:
        """End the connection at once, as a machine that falls over does."""
        self.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True

    def handle(self) -> None:
        """Whoever hangs up early is no news here."""
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""
