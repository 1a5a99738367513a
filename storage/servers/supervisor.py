"""Starts, inspects and stops the servers of a clone.

`.labeltrail/servers/<name>.json` records the process, `.labeltrail/logs/<name>.log` has its output, and
`.labeltrail/logs/<name>.before.log` that of the process before.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from storage import process
from storage.errors import ServiceError
from storage.files import write_bytes
from storage.network.connections import prompt_connection
from storage.process import Process
from storage.progress import note
from storage.settings import HOST, Service, own_url, server_environment

State = Literal["running", "not answering", "died", "stopped"]
# Below the range of ports for outgoing connections, so that a port in `.env` stays free.
PORTS = range(20_000, 32_000)
RESPONSE_TIMEOUT_S = 5.0
PROGRESS_INTERVAL_S = 10.0  # between two lines about a server that is still starting


@dataclass(frozen=True)
class ServerStatus:
    """State of a server; `pid` and `log` only for one of this clone."""

    name: str
    url: str
    state: State
    pid: int | None = None
    external: bool = False
    log: str | None = None

    def to_json(self) -> dict[str, str | int | bool | None]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class Launch:
    """How to start a server.

    Attributes:
        variables: its environment, besides `settings.server_environment`.
        ports: that it may listen on; the first is that of its API.
        start_timeout: seconds until it must respond.
    """

    service: Service
    args: tuple[str, ...]
    variables: Mapping[str, str]
    data: Path
    ports: tuple[int, ...]
    start_timeout: float

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.ports[0]}"


@dataclass(frozen=True)
class Record:
    """A started server: the process, its address, a fingerprint of its environment."""

    process: Process
    url: str
    settings: str


def start(root: Path, launch: Launch) -> ServerStatus:
    """Start a server and wait until it responds.

    Raises:
        SetupError: the program does not exist.
        ServiceError: it ended, listens on another port, or did not respond in time; quotes its last lines.
    """
    name, title = launch.service.name, launch.service.title
    log = log_path(root, name)
    if log.exists():
        log.replace(log.with_suffix(".before.log"))
    launch.data.mkdir(parents=True, exist_ok=True)
    note(f"{title}: starting on {launch.url}")
    began = time.monotonic()
    env = server_environment(**launch.variables)
    started = process.spawn(launch.args, env=env, cwd=launch.data, log=log)
    _record(root, name, Record(started, launch.url, fingerprint(launch.variables)))
    try:
        _wait_until_healthy(launch, started, log)
    except BaseException:
        process.stop(started)
        forget(root, name)
        raise
    note(f"{title}: answers on {launch.url} after {time.monotonic() - began:.1f} s")
    return ServerStatus(name, launch.url, "running", started.pid, log=str(log))


def _wait_until_healthy(launch: Launch, started: Process, log: Path) -> None:
    """Wait until the started process itself is healthy: another server may have the port."""
    title, began, reported = launch.service.title, time.monotonic(), 0.0
    cure = f"labeltrail up; the whole log: {log}"
    while True:
        waited = time.monotonic() - began
        if not process.alive(started):
            raise ServiceError(f"{title} ended at its start", where=launch.url, why=log_tail(log), cure=cure)
        listening = process.ports(started)
        if strays := listening - set(launch.ports):
            why = f"port {launch.ports[0]} was taken in between; it went to {min(strays)} and was stopped"
            raise ServiceError(f"{title} is not where it should be", where=launch.url, why=why, cure=cure)
        if launch.ports[0] in listening and http_status(launch.url + launch.service.health) == 200:
            return
        if waited > launch.start_timeout:
            what = f"{title} does not answer after {launch.start_timeout:g} s"
            raise ServiceError(what, where=launch.url, why=log_tail(log), cure=cure)
        if waited - reported > PROGRESS_INTERVAL_S:
            reported = waited
            note(f"{title}: still starting, {waited:.0f} s")
        time.sleep(0.1)


def inspect(root: Path, service: Service) -> ServerStatus:
    """State of a server that this clone started."""
    log = str(log_path(root, service.name))
    record = recorded(root, service.name)
    if record is None:
        return ServerStatus(service.name, own_url(root, service) or "", "stopped")
    url, pid = record.url, record.process.pid
    if not process.alive(record.process):
        return ServerStatus(service.name, url, "died", log=log)
    healthy = urlsplit(url).port in process.ports(record.process) and http_status(url + service.health) == 200
    return ServerStatus(service.name, url, "running" if healthy else "not answering", pid, log=log)


def inspect_external(service: Service, url: str) -> ServerStatus:
    """State of an external server; any response counts, as health paths differ."""
    state: State = "not answering" if http_status(url.rstrip("/") + service.health) is None else "running"
    return ServerStatus(service.name, url, state, external=True)


def stop(root: Path, service: Service) -> bool:
    """Stop the recorded server and delete its record; returns whether it ran. Its data stay.

    Raises:
        ServiceError: it does not end.
    """
    record = recorded(root, service.name)
    running = record is not None and process.alive(record.process)
    if record is not None and running:
        process.stop(record.process)
    forget(root, service.name)
    return running


def recorded(root: Path, name: str) -> Record | None:
    """The record of a server; None where there is none, or an invalid one."""
    try:
        record = json.loads(record_path(root, name).read_text(encoding="utf-8"))
        started = Process(int(record["pid"]), str(record["started"]))
        return Record(started, str(record["url"]), str(record.get("settings", "")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        note(f"{record_path(root, name)} is damaged and taken for no record")
        return None


def _record(root: Path, name: str, record: Record) -> None:
    facts = {"url": record.url, "settings": record.settings, **asdict(record.process)}
    text = json.dumps({"version": 1, **facts}, indent=1, sort_keys=True) + "\n"
    # Private: passwords could be guessed from the fingerprint.
    write_bytes(record_path(root, name), text.encode(), mode=0o600)


def fingerprint(variables: Mapping[str, str]) -> str:
    """Hash of environment variables."""
    return hashlib.sha256(json.dumps(variables, sort_keys=True).encode()).hexdigest()


def is_current(root: Path, service: Service, variables: Mapping[str, str]) -> bool:
    """Whether the recorded server has the address and environment that it would be started with now."""
    record = recorded(root, service.name)
    url = own_url(root, service)
    return record is not None and (record.url, record.settings) == (url, fingerprint(variables))


def forget(root: Path, name: str) -> None:
    """Delete the record of a server."""
    record_path(root, name).unlink(missing_ok=True)


def record_path(root: Path, name: str) -> Path:
    """Path of the record of a server."""
    return root / ".labeltrail/servers" / f"{name}.json"


def log_path(root: Path, name: str) -> Path:
    """Path of a server's log."""
    return root / ".labeltrail/logs" / f"{name}.log"


def log_tail(log: Path) -> list[str]:
    """The last lines of a log, for an error."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return process.tail(text) or ["it wrote nothing"]


def http_status(url: str) -> int | None:
    """HTTP status of a GET; None without a response."""
    try:
        connection = prompt_connection(url, RESPONSE_TIMEOUT_S)
    except (ValueError, HTTPException):
        return None  # it is no address
    try:
        connection.request("GET", urlsplit(url).path or "/")
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def is_free(port: int) -> bool:
    """Whether nobody listens on the port."""
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket() as probe:
        # Connections that just ended do not count: after `down` the same port is taken again at once.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on."""
    while not is_free(port := secrets.choice(PORTS)):
        pass
    return port
