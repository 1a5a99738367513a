"""Recordings from addresses that somebody else wrote: where they lead, how large they are, how long they take."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from storage.errors import InputError
from storage.network import downloads
from storage.network.downloads import Downloads
from tests.conftest import recording

GOOD = recording()


class Web(BaseHTTPRequestHandler):
    """Answers by the last part of the path."""

    def do_GET(self) -> None:
        port = self.server.server_address[1]
        moved = {
            "/same": "/good.csv",
            "/relative": "good.csv",
            "/other-port": "http://127.0.0.1:9/good.csv",
            "/other-name": f"http://localhost:{port}/good.csv",
            "/private": "http://10.0.0.1/good.csv",
            "/cloud": "http://169.254.169.254/latest",
            "/ftp": "ftp://127.0.0.1/good.csv",
            "/file": "file:///etc/passwd",
            "/odd": "http://[x/",
            "/round": "/round",
            "/user": f"http://a:b@127.0.0.1:{port}/good.csv",
        }
        if self.path in moved:
            self.send_response(302)
            self.send_header("Location", moved[self.path])
            self.end_headers()
            return
        if self.path == "/none":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path in ("/large", "/short"):
            self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(GOOD[:10] if self.path == "/short" else GOOD)
        for _ in range(100 if self.path in ("/slow", "/endless") else 0):
            time.sleep(0.02 if self.path == "/slow" else 0)
            self.wfile.write(b"9\n" * (20_000 if self.path == "/endless" else 1))

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Quiet(ThreadingHTTPServer):
    """Says nothing where who asked has gone."""

    def handle_error(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with Quiet(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    "path", ["/good.csv", "/same", "/relative", "/good.csv?signature=a%2Fb&x= y", "/ü.csv"]
)
def test_an_address_is_fetched_whole_also_where_it_moved_on_its_host(
    web: str, path: str, tmp_path: Path
) -> None:
    Downloads().fetch(web + path, tmp_path / "deep/one.csv", "task 1")
    assert (tmp_path / "deep/one.csv").read_bytes() == GOOD
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["one.csv"]


REFUSED = {
    "/other-port": "it leads elsewhere, to http://127.0.0.1:9, which is not followed",
    "/other-name": "it leads elsewhere, to http://localhost:",
    "/private": "it leads elsewhere, to http://10.0.0.1",
    "/cloud": "169.254.169.254 is a link-local address",
    "/ftp": "ftp://127.0.0.1/good.csv is no http(s) address",
    "/file": "file:///etc/passwd is no http(s) address",
    "/odd": "Invalid IPv6 URL",
    "/round": "it leads on more than 5 times",
    "/user": "there is a user name in its address",
    "/none": "HTTP Error 404",
    "/short": "it broke off after 10 of 5,000 bytes",
    "/large": "it has 5,000 bytes, 3,000 at most are fetched",
    "/endless": "it has more than 3,000 bytes",
    "/slow": "it took longer than",
}


@pytest.mark.parametrize("path", REFUSED)
def test_what_leads_elsewhere_or_beyond_a_limit_is_said(
    web: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MAX_BYTES", 6000 if path == "/short" else 3000)
    monkeypatch.setattr(downloads, "DOWNLOAD_TIMEOUT_S", 0.3)
    with pytest.raises(InputError) as caught:
        Downloads().fetch(web + path, tmp_path / "one.csv", "task 1 (one.csv)")
    assert REFUSED[path] in caught.value.why
    assert (caught.value.what, caught.value.where) == ("the recording cannot be fetched", "task 1 (one.csv)")
    assert caught.value.cure == downloads.CURE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/a.csv", "http://[fe80::1]/a.csv", "http:///a.csv", "http://a:b@127.0.0.1/a.csv",
     "http://127.0.0.1:99999/a.csv", "http://127.0.0.1:9/a.csv", "http://\ud800/a.csv", "http://127.0.0.1:x/a.csv",
     "http://" + "a" * 300 + ".test/a.csv", "http://127.0.0.1:9/\x00\r\nHost: x/a.csv"],
)  # fmt: skip
def test_an_address_that_is_none_is_an_error_and_no_traceback(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the recording cannot be fetched"):
        Downloads().fetch(address, tmp_path / "one.csv", "task 1")


def test_all_recordings_together_have_an_end(
    web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "TOTAL_TIMEOUT_S", -1.0)
    with pytest.raises(InputError, match="the recording cannot be fetched"):
        Downloads().fetch(f"{web}/good.csv", tmp_path / "one.csv", "task 1")
