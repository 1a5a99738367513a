"""Requests to this machine never meet a proxy, whatever the shell names; and every response has an end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from pipelines import services
from pipelines.import_.import_ import import_recordings
from storage import process
from storage import settings as project_settings
from storage.errors import ServiceError, SetupError
from storage.files import md5_bytes
from storage.label_studio import session
from storage.label_studio.client import LabelStudio
from storage.network import connections, downloads, loopback
from storage.network.loopback import is_loopback, with_loopback
from storage.project import Project
from storage.repo import dvc_remote
from storage.repo.repository import Repository
from storage.s3 import client
from storage.s3.bucket import Bucket
from storage.servers import supervisor
from storage.settings import Settings
from tests.conftest import CHECKOUT, CONFIG, recording
from tests.support.proxy import standing_before

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


class Trap:
    """A proxy that lets nobody through and counts who came."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                self.heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """Every variable that names a proxy names the trap."""
    trap = Trap()
    for name in PROXIES:
        monkeypatch.setenv(name, trap.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield trap
    trap.listening.close()


def run(root: Path, *words: str) -> str:
    """A command as a person types it."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipelines", *words],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_project_of_this_machine_asks_no_proxy(trap: Trap, tmp_path: Path) -> None:
    """Servers, import, sync, training's last stage, DVC and doctor, each as a program of its own."""
    root = tmp_path / "clone"
    process.run(["git", "clone", "--quiet", "--no-hardlinks", CHECKOUT, root])
    process.run(["git", "config", "user.name", "Tester"], cwd=root)
    process.run(["git", "config", "user.email", "tester@example.com"], cwd=root)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings/one.csv").write_bytes(recording())
    (tmp_path / "config.xml").write_text(CONFIG, encoding="utf-8")
    try:
        run(root, "up")
        run(root, "import", str(tmp_path / "recordings"), "--label-config", str(tmp_path / "config.xml"))
        run(root, "sync")
        assert "FAILED" not in run(root, "doctor")
        process.run(["rm", "-r", root / ".dvc/cache"])
        run(root, "show")
        run(root, "status")
    finally:
        services.down(root)
    assert trap.heard == []


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_in_any_variable_is_not_asked(
    name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process that has not set `NO_PROXY` for itself, too: a notebook, a stage."""
    trap = Trap()
    monkeypatch.setenv(name, trap.url)
    bucket = Bucket(settings.model_copy(update={"bucket": f"network-{uuid4().hex[:12]}"}))
    bucket.create()
    assert "signed address" in bucket.probe()
    assert LabelStudio.of(settings).whoami() == "admin@labeltrail.local"
    assert supervisor.http_status(settings.s3_endpoint + "/minio/health/live") == 200
    assert trap.heard == []


def test_a_recording_of_an_export_on_this_machine_is_fetched_without_a_proxy(
    empty: Project, tmp_path: Path, trap: Trap
) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/one.csv").write_bytes(recording())
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        export = [{"id": 1, "data": {"csv": f"http://127.0.0.1:{server.server_port}/one.csv"}}]
        (tmp_path / "export.json").write_text(json.dumps(export))
        (tmp_path / "config.xml").write_text(CONFIG, encoding="utf-8")
        project = Project(empty.root)
        done = import_recordings(project, str(tmp_path / "export.json"), config_file=tmp_path / "config.xml")
        server.shutdown()
    assert (done.added, trap.heard) == (1, [])


def test_a_server_elsewhere_is_asked_through_the_proxy(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Settings(
        AWS_ENDPOINT_URL="http://s3.example.test",
        AWS_ACCESS_KEY_ID="me",
        AWS_SECRET_ACCESS_KEY=SecretStr("secret"),
        LABEL_STUDIO_URL="http://labels.example.test",
        LABEL_STUDIO_API_KEY=SecretStr("token"),
    )
    for name in PROXIES[:4]:
        monkeypatch.delenv(name)
    with pytest.raises(ServiceError):
        Bucket(elsewhere).get("a")
    with pytest.raises(ServiceError):
        LabelStudio.of(elsewhere).version()
    asked = {request.split()[1] for request in trap.heard}
    assert asked == {
        b"http://s3.example.test/",
        b"http://s3.example.test/labeltrail/a",
        b"http://labels.example.test/api/version/",
    }


def test_a_bucket_behind_a_proxy(minio: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with standing_before(minio.s3_endpoint) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        at = {"bucket": f"network-{uuid4().hex[:12]}", "s3_endpoint": "http://s3.example.test"}
        bucket = Bucket(minio.model_copy(update=at))
        bucket.create()
        assert "signed address" in bucket.probe()
        assert len(proxy.seen) > 5


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("socks5h://127.0.0.1:1080", "its address begins with socks5h://"),
        ("http://[::1", "its address cannot be read"),
        ("http://", "its address cannot be read"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(proxy: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    assert connections.proxy_for("http://127.0.0.1:9000") is None
    with pytest.raises(SetupError) as caught:
        connections.proxy_for("https://s3.example.test:9000/x")
    assert str(caught.value) == (
        "https://s3.example.test cannot be reached through the proxy of this shell\n"
        "  where: HTTPS_PROXY or ALL_PROXY\n"
        f"  why: {why}\n"
        "  next: set HTTPS_PROXY to an http:// address, or add s3.example.test to NO_PROXY"
    )
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "s3.example.test:9000")
    assert connections.proxy_for("https://s3.example.test:9000/x") is None


def test_a_proxy_without_its_scheme_is_one_of_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example.test:3128")
    assert connections.proxy_for("https://s3.example.test") == "http://proxy.example.test:3128"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9000", True),
        ("https://127.8.8.8/x", True),
        ("http://localhost:9000", True),
        ("http://LOCALHOST./", True),
        ("http://minio.localhost", True),
        ("http://[::1]:9000", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("http://0.0.0.0:9000", True),
        ("http://127.1", True),
        ("http://2130706433/", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://10.0.0.5:9000", False),
        ("http://user@s3.example.com", False),
        ("http://[::ffff:10.0.0.5]", False),
        ("", False),
    ],
)
def test_what_is_this_machine(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_no_proxy_keeps_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = "127.0.0.1,127.0.0.0/8,localhost,::1,[::1]"
    assert with_loopback("") == ours
    assert (
        with_loopback(" .corp.example, localhost ,")
        == ".corp.example,localhost,127.0.0.1,127.0.0.0/8,::1,[::1]"
    )
    assert with_loopback(ours) == ours
    assert with_loopback("*") == "*"
    monkeypatch.setenv("NO_PROXY", "a.example")
    monkeypatch.delenv("no_proxy", raising=False)
    loopback.bypass_proxies()
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == f"a.example,{ours}"
    assert settings_of_servers()["NO_PROXY"] == f"a.example,{ours}"


def settings_of_servers() -> dict[str, str]:
    return project_settings.server_environment()


# -- time -----------------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """All limits a tenth of what they are, or less."""
    monkeypatch.setattr(connections.TimedResponse, "allowance", 1.0)
    monkeypatch.setattr(client, "READ_TIMEOUT_S", 2.0)
    monkeypatch.setattr(client, "PROBE_TIMEOUT_S", 1.0)
    monkeypatch.setattr(client, "RETRY_DEADLINE_S", 4.0)
    monkeypatch.setattr(session, "RETRY_DEADLINE_S", 1.0)


@pytest.mark.parametrize("fault", ["drip", "drip header"])
def test_a_bucket_that_answers_a_byte_at_a_time_ends(fault: str, minio: Settings, hasty: None) -> None:
    with standing_before(minio.s3_endpoint) as proxy:
        at = {"bucket": f"network-{uuid4().hex[:12]}", "s3_endpoint": proxy.url}
        bucket = Bucket(minio.model_copy(update=at))
        bucket.create()
        bucket.put("a", b"x" * 100_000)
        assert bucket.get("a")[0] == b"x" * 100_000
        proxy.script = [fault] * 4
        began = time.monotonic()
        with pytest.raises(ServiceError, match=r"the S3 server at .* does not answer") as caught:
            bucket.get("a")
        assert caught.value.why.startswith("no whole response from it in time")
        assert 2 < time.monotonic() - began < 9
        proxy.script = []
        assert bucket.get("a")[0] == b"x" * 100_000, "and the next one gets all its time"


@pytest.mark.parametrize("fault", ["drip", "drip header"])
def test_a_label_studio_that_answers_a_byte_at_a_time_ends(
    fault: str, settings: Settings, hasty: None
) -> None:
    with standing_before(settings.label_studio_url) as proxy:
        studio = LabelStudio.of(settings.model_copy(update={"label_studio_url": proxy.url}))
        assert studio.whoami() == "admin@labeltrail.local"
        proxy.script = [fault] * 4
        began = time.monotonic()
        with pytest.raises(ServiceError, match=r"Label Studio at .* does not answer"):
            studio.session.call("GET", "/api/current-user/whoami", timeout=(1.0, 1.0))
        assert time.monotonic() - began < 5
        proxy.script = []
        assert studio.whoami() == "admin@labeltrail.local"


def test_a_dvc_remote_that_answers_a_byte_at_a_time_ends(
    minio: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dvc_remote, "TRANSFER_ALLOWANCE_S", 2.0)
    process.run(["git", "clone", "--quiet", CHECKOUT, tmp_path / "clone"])
    repository = Repository(tmp_path / "clone")
    data = b"x" * 100_000
    md5 = md5_bytes(data)
    with standing_before(minio.s3_endpoint) as proxy:
        bucket = Bucket(minio.model_copy(update={"bucket": f"network-{uuid4().hex[:12]}"}))
        bucket.create()
        bucket.put(f"dvc/files/md5/{md5[:2]}/{md5[2:]}", data)
        keys = {
            "access_key_id": minio.access_key_id,
            "secret_access_key": minio.secret_access_key.get_secret_value(),
            "region": "us-east-1",
        }
        repository.configure(bucket.url("dvc"), {"endpointurl": proxy.url, **keys}, {"read_timeout": "5"})
        proxy.script = ["", *["drip"] * 10]
        began = time.monotonic()
        with pytest.raises(
            ServiceError, match="are not in the DVC cache, and its remote cannot be read"
        ) as caught:
            repository.read([md5])
        assert caught.value.why == "the S3 server does not answer: less than 4096 bytes a second"
        assert 2 < time.monotonic() - began < 10
        proxy.script = []
        assert repository.read([md5]) == {md5: data}


def test_whether_a_server_is_there_is_known_in_seconds(
    minio: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "RESPONSE_TIMEOUT_S", 0.5)
    with standing_before(minio.s3_endpoint) as proxy:
        proxy.script = ["drip header"]
        began = time.monotonic()
        assert supervisor.http_status(proxy.url + "/minio/health/live") is None
        assert time.monotonic() - began < 1.5


def test_a_server_that_takes_a_byte_at_a_time_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent is as bounded as what is read."""
    monkeypatch.setattr(connections, "MIN_BYTES_PER_S", 10_000_000)
    sent = connections.TimedBody(b"x" * 40_000, allowance=0.2)
    assert len(sent.read(16_384)) == 16_384
    time.sleep(0.3)
    with pytest.raises(TimeoutError, match="the server takes less than"):
        sent.read(16_384)


def test_a_large_answer_over_a_slow_line_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that come buy time for those behind them: it is the rate that counts, and not the whole."""
    monkeypatch.setattr(connections.TimedResponse, "allowance", 0.2)
    monkeypatch.setattr(connections, "MIN_BYTES_PER_S", 1000)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
                for _ in range(20):
                    time.sleep(0.1)
                    connection.sendall(b"y" * 200)

        threading.Thread(target=serve, daemon=True).start()
        with connections.open_url(f"http://127.0.0.1:{listening.getsockname()[1]}/", timeout=0.5) as answer:
            assert answer.read() == b"y" * 4000


def test_the_table_of_limits_says_what_the_code_does() -> None:
    per = f"s + 1 s per {connections.MIN_BYTES_PER_S:,} bytes"
    grace, silent, probe = connections.RESPONSE_ALLOWANCE_S, client.READ_TIMEOUT_S, client.PROBE_TIMEOUT_S
    connect, read = session.TIMEOUTS_S
    long, fetch, health = session.LONG_TIMEOUTS_S[1], downloads.READ_TIMEOUT_S, supervisor.RESPONSE_TIMEOUT_S
    greeting, forgotten = dvc_remote.PROBE_TIMEOUT_S, dvc_remote.RECHECK_AFTER_S
    again = f"{client.MAX_ATTEMPTS}, none after {client.RETRY_DEADLINE_S:g} s"
    rows = [
        f"| {client.CONNECT_TIMEOUT_S:g} s | {probe:g} s | {probe + grace:g} s | 2 |",
        f"| {client.CONNECT_TIMEOUT_S:g} s | {silent:g} s | {silent + grace:g} {per} | {again} |",
        f"| | {silent:g} s a block | {silent:g} {per} | {again} |",
        f"| {greeting:g} s | {greeting:g} s | {greeting + grace:g} s | once, and again after {forgotten:g} s |",
        f"| {dvc_remote.TRANSFER_ALLOWANCE_S:g} {per}, an hour at most |",
        f"| {connect:g} s | {read:g} s | {read + grace:g} {per} | {session.MAX_ATTEMPTS}, none after "
        f"{session.RETRY_DEADLINE_S:g} s |",
        f"| {connect:g} s | {long:g} s | {long + grace:g} {per} | the same |",
        f"| {fetch:g} s | {fetch:g} s | {downloads.DOWNLOAD_TIMEOUT_S:g} s, an hour for all | 1 |",
        f"| {health:g} s | {health:g} s | {health:g} s | 1 |",
    ]
    text = (CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8")
    assert [row for row in rows if row not in text] == []
    assert dvc_remote.TRANSFER_TIMEOUT_S == downloads.TOTAL_TIMEOUT_S == 3600
