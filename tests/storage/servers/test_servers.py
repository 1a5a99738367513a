"""Each thing that goes wrong with servers is seen, said and mended; the servers are real."""

from __future__ import annotations

import http.server
import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pipelines import services
from storage import process, settings
from storage.errors import InputError, ServiceError
from storage.label_studio.client import LabelStudio
from storage.s3.bucket import Bucket
from storage.servers import label_studio_server, minio, supervisor
from storage.settings import LABEL_STUDIO, MINIO, SERVICES, Settings

# Version of a MinIO that is known to work.
KNOWN = """test "$1" != --version || { echo "minio version RELEASE.2025-09-07T16-13-09Z (commit-id=x)"; exit; }\n"""

Capture = pytest.CaptureFixture[str]
Fake = Callable[[str, str], Path]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project without servers; what a test starts in it is stopped."""
    yield tmp_path
    services.down(tmp_path)


def up_minio(project: Path) -> supervisor.ServerStatus:
    return services.up(project, only=[MINIO])[0]


def said(capsys: Capture) -> str:
    return capsys.readouterr().err


def test_up_twice_down_and_up_again(project: Path, capsys: Capture) -> None:
    first = up_minio(project)
    assert (first.state, first.external) == ("running", False)
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(first.log or "").stat().st_mode) == 0o600
    assert stat.S_IMODE(supervisor.record_path(project, "minio").stat().st_mode) == 0o600
    assert up_minio(project) == first
    assert f"MinIO: already running on {first.url}" in said(capsys)
    assert [s.state for s in services.status(project)] == ["running", "stopped"]

    (project / ".labeltrail/data/minio/kept").mkdir()
    assert [s.state for s in services.down(project)] == ["stopped", "stopped"]
    assert supervisor.is_free(settings.own_port(project, MINIO) or 0)
    again = up_minio(project)
    assert again.url == first.url
    assert again.pid != first.pid
    assert (project / ".labeltrail/data/minio/kept").is_dir()
    assert services.lines([again]) == [f"minio         running  {again.url}  process {again.pid}"]


def test_a_dead_server_is_started_again(project: Path, capsys: Capture) -> None:
    first = up_minio(project)
    psutil.Process(first.pid).kill()
    assert process.wait(lambda: services.status(project)[0].state == "died", 5)
    again = up_minio(project)
    assert (again.state, again.url) == ("running", first.url)
    assert "MinIO: it had died, restarting it; its last lines:" in said(capsys)
    assert (project / ".labeltrail/logs/minio.before.log").exists()


def test_a_pid_that_somebody_else_has_now_is_left_alone(project: Path) -> None:
    record = {"pid": os.getpid(), "started": "0", "url": "http://127.0.0.1:20001", "settings": ""}
    path = supervisor.record_path(project, "minio")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record))
    assert services.status(project)[0].state == "died"
    services.down(project)  # would have ended the tests
    assert not path.exists()


def test_a_damaged_record_is_no_record(project: Path, capsys: Capture) -> None:
    path = supervisor.record_path(project, "minio")
    path.parent.mkdir(parents=True)
    path.write_text('{"pid": 12')
    assert services.status(project)[0].state == "stopped"
    assert "is damaged and taken for no record" in said(capsys)


def test_a_taken_port_is_changed(project: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        settings.adopt(project, MINIO, taken, settings.generated(MINIO, ""))
        kept = settings.variables(project)["AWS_SECRET_ACCESS_KEY"]
        found = up_minio(project)
    assert f"MinIO: port {taken} is taken by another program; choosing another one" in said(capsys)
    assert found.url != f"http://127.0.0.1:{taken}"
    assert settings.load(project).s3_endpoint == found.url
    assert settings.variables(project)["AWS_SECRET_ACCESS_KEY"] == kept


def test_a_server_that_is_busy_is_not_stopped(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESPONSE_TIMEOUT_S", 0.3)
    first = up_minio(project)
    busy = psutil.Process(first.pid)
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        if "busy" in line:
            threading.Timer(1.0, busy.resume).start()

    monkeypatch.setattr(services, "note", say)
    busy.suspend()
    assert up_minio(project) == first
    assert told[0] == f"MinIO: process {first.pid} is busy or hangs; giving it 20 s"


def test_both_errors_are_told(project: Path, fake: Fake, capsys: Capture) -> None:
    fake("minio", KNOWN + "echo first; exit 1\n")
    fake("uv", "echo second >&2; exit 1\n")
    with pytest.raises(ServiceError, match="MinIO ended at its start"):
        services.up(project)
    assert "second" in said(capsys)


def test_changed_settings_reach_a_running_server(project: Path, capsys: Capture) -> None:
    first = up_minio(project)
    settings.write_env_file(project, {"AWS_SECRET_ACCESS_KEY": "another-secret"})
    again = up_minio(project)
    assert "MinIO: its settings have changed; restarting it" in said(capsys)
    assert (again.url, again.pid == first.pid) == (first.url, False)
    assert Bucket(settings.load(project)).create()


def test_a_server_that_dies_at_its_start(project: Path, fake: Fake) -> None:
    fake("minio", KNOWN + 'echo "FATAL: the disk is on fire"; exit 3\n')
    with pytest.raises(ServiceError) as caught:
        up_minio(project)
    log = project / ".labeltrail/logs/minio.log"
    assert str(caught.value) == (
        "MinIO ended at its start\n"
        f"  where: {settings.own_url(project, MINIO)}\n"
        "  why: FATAL: the disk is on fire\n"
        f"  next: labeltrail up; the whole log: {log}"
    )
    assert services.status(project)[0].state == "stopped"


def test_a_server_that_never_answers(project: Path, fake: Fake) -> None:
    program = fake("minio", KNOWN + 'echo "thinking"; exec sleep 60\n')
    launch = launch_minio(project, program)
    with pytest.raises(ServiceError, match=r"MinIO does not answer after 0\.5 s") as caught:
        supervisor.start(project, replace(launch, start_timeout=0.5))
    assert caught.value.why == "thinking"
    assert supervisor.recorded(project, "minio") is None


def test_a_server_that_goes_to_another_port(project: Path, fake: Fake) -> None:
    listen = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); time.sleep(60)"
    program = fake("minio", KNOWN + f'exec python3 -c "{listen}"\n')
    with pytest.raises(ServiceError, match="MinIO is not where it should be") as caught:
        supervisor.start(project, launch_minio(project, program))
    assert "was taken in between; it went to" in caught.value.why


def test_a_server_that_hangs_is_replaced(
    project: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(services, "HANG_TIMEOUT_S", 0.1)
    first = process.spawn(["sleep", "60"], env={}, cwd=project, log=project / "hangs.log")
    port = supervisor.free_port()
    settings.adopt(project, MINIO, port, settings.generated(MINIO, ""))
    url = f"http://127.0.0.1:{port}"
    record = {"pid": first.pid, "started": first.started, "url": url, "settings": ""}
    supervisor.record_path(project, "minio").parent.mkdir(parents=True)
    supervisor.record_path(project, "minio").write_text(json.dumps(record))
    assert services.status(project)[0].state == "not answering"
    fake("minio", KNOWN + "exit 1\n")
    with pytest.raises(ServiceError):
        up_minio(project)
    assert f"MinIO: process {first.pid} does not answer; stopping it" in said(capsys)
    assert not process.alive(first)


def launch_minio(project: Path, path: Path) -> supervisor.Launch:
    port = supervisor.free_port()
    for service in SERVICES:
        settings.adopt(project, service, port, settings.generated(service, "me@example.com"))
    return minio.launch(project, path, settings.load(project), port)


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A server that somebody else runs."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_given_addresses_are_used_and_nothing_is_started(
    project: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", elsewhere)
    monkeypatch.setenv("LABEL_STUDIO_URL", elsewhere)
    for found in (services.up(project), services.status(project), services.down(project)):
        assert [(s.state, s.external, s.pid, s.url) for s in found] == [
            ("running", True, None, elsewhere)
        ] * 2
    assert f"MinIO: using {elsewhere}, which AWS_ENDPOINT_URL names" in said(capsys)
    assert not (project / ".env").exists()
    assert not (project / ".labeltrail/data").exists()


def test_a_given_address_where_nobody_answers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{supervisor.free_port()}")
    with pytest.raises(ServiceError) as caught:
        up_minio(project)
    assert caught.value.what == "MinIO does not answer"
    assert caught.value.cure == "start it, or take AWS_ENDPOINT_URL away, then run labeltrail up again"


@pytest.mark.parametrize(
    "url", ["minio:9000", "http://127.0.0.1:9000/team", "http://127.0.0.1:99999", "http://[::1"]
)
def test_a_given_address_that_is_none(project: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    assert services.status(project)[0].state == "not answering"
    with pytest.raises(InputError) as caught:
        up_minio(project)
    assert caught.value.what == "AWS_ENDPOINT_URL is not an address"
    assert caught.value.cure == "mend AWS_ENDPOINT_URL in the environment or in .env, as in .env.sample"


def test_label_studio_knows_the_token_and_nobody_elses_key(
    services_root: Path, label_studio: Settings, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert whoami(label_studio) == "admin@labeltrail.local"
    before = services.status(services_root)
    assert services.up(services_root) == before
    # A database that outlived its .env: new credentials, another user, in the same organization.
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    again = services.up(project)
    assert psutil.Process(again[1].pid).environ()["TZ"] == "UTC", "exports name the same times everywhere"
    services.down(project)
    (project / ".env").unlink()
    services.up(project)
    name = whoami(settings.load(project))
    assert name.startswith("admin-")
    assert [s.name for s in again] == ["minio", "label-studio"]
    keys = [secret_key(services_root), secret_key(project)]
    assert keys[0] != keys[1]
    assert all(len(key) >= 50 for key in keys)


def whoami(values: Settings) -> str:
    return LabelStudio.of(values).whoami()


def secret_key(root: Path) -> str:
    return (label_studio_server.data_folder(root) / ".env").read_text().partition("SECRET_KEY=")[2].strip()


def test_no_secret_in_the_process_list_or_the_logs(services_root: Path, label_studio: Settings) -> None:
    whoami(label_studio)
    secrets = [
        label_studio.secret_access_key.get_secret_value(),
        label_studio.label_studio_api_key.get_secret_value(),
        label_studio.label_studio_password.get_secret_value(),
        secret_key(services_root),
    ]
    found = services.status(services_root)
    assert [s.state for s in found] == ["running", "running"]
    for server in found:
        shown = " ".join(psutil.Process(server.pid).cmdline()) + Path(server.log or "").read_text()
        assert not any(secret in shown for secret in secrets)
    records = "".join(path.read_text() for path in (services_root / ".labeltrail/servers").glob("*.json"))
    assert not any(secret in records for secret in secrets)


def test_label_studio_data_are_private(services_root: Path, label_studio: Settings) -> None:
    folder = label_studio_server.data_folder(services_root)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folders = [line for line in log_lines(services_root) if "Database and media directory" in line]
    assert set(folders) == {f"=> Database and media directory: {folder}"}  # nothing in the user's home
    assert settings.is_external(services_root, LABEL_STUDIO) is False


def log_lines(root: Path) -> list[str]:
    return supervisor.log_path(root, "label-studio").read_text().splitlines()
