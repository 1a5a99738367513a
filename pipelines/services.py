"""`labeltrail up`, `down`, `status`: the Label Studio and the S3 server of this clone.

`up` repairs what it finds: a server that died or hangs is restarted, a port that another program took is changed,
half-finished builds are redone. It is idempotent. A server whose address was given is used and left alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from pathlib import Path

from storage import process, settings
from storage.errors import ServiceError
from storage.progress import note
from storage.repo.git import Git
from storage.servers import label_studio_server, minio, supervisor
from storage.servers.supervisor import ServerStatus
from storage.settings import LABEL_STUDIO, MINIO, SERVICES, Service

PREPARE = {MINIO: minio.prepare, LABEL_STUDIO: label_studio_server.prepare}
VARIABLES = {MINIO: minio.variables, LABEL_STUDIO: label_studio_server.variables}
LAUNCH = {MINIO: minio.launch, LABEL_STUDIO: label_studio_server.launch}
HANG_TIMEOUT_S = 20.0  # without a response, after which a running server is restarted
PROGRESS_EVERY_S = 30.0  # between two lines during a build or an installation


def up(root: Path, only: Sequence[Service] = SERVICES) -> list[ServerStatus]:
    """Start what is not running, both at the same time, and wait until it responds.

    Args:
        root: the project.
        only: the servers to start; credentials and addresses are made for both in any case.

    Raises:
        ServiceError: a server died, hangs, or one that was given does not respond.
        SetupError, ProgramError: MinIO could not be built or Label Studio not be installed.
    """
    with _lock(root):
        _use_servers_of_clone(root)
        for service in SERVICES:
            _give_address(root, service)
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            starting = {pool.submit(_start, root, service): service for service in only}
            _report_progress(starting)
        for future in list(starting)[1:]:
            # The first error is raised; another one is printed, so that it is not lost.
            if (error := future.exception()) and next(iter(starting)).exception():
                note(str(error))
        return [future.result() for future in starting]


def down(root: Path) -> list[ServerStatus]:
    """Stop the servers that this clone started; their data, logs and addresses stay.

    Raises:
        ServiceError: one does not end.
    """
    with _lock(root):
        for service in SERVICES:
            if supervisor.stop(root, service):
                note(f"{service.title}: stopped")
    return status(root)


def status(root: Path) -> list[ServerStatus]:
    """Status of the servers of this project."""
    return [_status(root, service) for service in SERVICES]


def _report_progress(starting: Mapping[Future[ServerStatus], Service]) -> None:
    """Print every PROGRESS_EVERY_S seconds which servers are not ready yet."""
    start = time.monotonic()
    while pending := wait(starting, timeout=PROGRESS_EVERY_S).not_done:
        names = " and ".join(sorted(starting[future].title for future in pending))
        note(f"still preparing {names}, {time.monotonic() - start:.0f} s")


def lines(found: Sequence[ServerStatus]) -> list[str]:
    """A line for each server."""
    return [f"{server.name:<14}{_describe(server)}" for server in found]


def _describe(server: ServerStatus) -> str:
    owner = "not ours" if server.external else f"process {server.pid}" if server.pid else ""
    return "  ".join(part for part in (server.state, server.url, owner) if part)


def _status(root: Path, service: Service) -> ServerStatus:
    if settings.is_external(root, service):
        return supervisor.inspect_external(service, settings.variables(root)[service.url])
    return supervisor.inspect(root, service)


def _lock(root: Path) -> AbstractContextManager[None]:
    # Databases and logs of the servers are in this folder, and contain tokens.
    (root / ".labeltrail").mkdir(mode=0o700, exist_ok=True)
    (root / ".labeltrail").chmod(0o700)
    waiting = "another labeltrail is starting or stopping these servers; waiting for it"
    return process.lock(root / ".labeltrail/servers/lock", lambda: note(waiting))


def _use_servers_of_clone(root: Path) -> None:
    """Write the addresses of the clone's servers, which have the labels, into the `.env` of a `git worktree`."""
    if not (root / ".git").is_file() or (root / settings.ENV_FILE).exists():
        return
    clone = Git(root).main_clone()
    known = settings.read_env_file(clone) if clone else {}
    ports = {service.port for service in SERVICES}
    if all(service.url in known for service in SERVICES):
        settings.write_env_file(root, {name: value for name, value in known.items() if name not in ports})
        note(f"this worktree uses the servers of {clone}: their addresses are in its .env now")


def _give_address(root: Path, service: Service) -> None:
    """Write a free port and credentials into `.env` for a server that this clone starts."""
    if settings.is_external(root, service):
        return
    recorded = supervisor.recorded(root, service.name)
    is_running = recorded is not None and process.alive(recorded.process)
    port = settings.own_port(root, service)
    if port is not None and not is_running and not supervisor.is_free(port):
        note(f"{service.title}: port {port} is taken by another program; choosing another one")
        port = None
    credentials = settings.generated(service, label_studio_server.username(root))
    settings.adopt(root, service, port or supervisor.free_port(), credentials)


def _start(root: Path, service: Service) -> ServerStatus:
    found = _status(root, service)
    if found.external:
        settings.check_address(service, found.url)
        return _check_external(found, service)
    if found.state == "not answering":
        note(f"{service.title}: process {found.pid} is busy or hangs; giving it {HANG_TIMEOUT_S:g} s")
        process.wait(lambda: _status(root, service).state != "not answering", HANG_TIMEOUT_S, every=1.0)
        found = _status(root, service)
    if found.state == "running":
        if supervisor.is_current(root, service, VARIABLES[service](root, settings.load(root))):
            note(f"{service.title}: already running on {found.url}")
            return found
        note(f"{service.title}: its settings have changed; restarting it")
        supervisor.stop(root, service)
    if found.state == "died":
        note(f"{service.title}: it had died, restarting it; its last lines:")
        for line in supervisor.log_tail(supervisor.log_path(root, service.name)):
            note(f"    {line}")
    if found.state == "not answering":
        note(f"{service.title}: process {found.pid} does not answer; stopping it")
        supervisor.stop(root, service)
    program = PREPARE[service](settings.cache_folder())
    port = settings.own_port(root, service) or supervisor.free_port()
    return supervisor.start(root, LAUNCH[service](root, program, settings.load(root), port))


def _check_external(found: ServerStatus, service: Service) -> ServerStatus:
    if found.state != "running":
        why = f"{service.url} names it, so it is not ours to start"
        cure = f"start it, or take {service.url} away, then run labeltrail up again"
        raise ServiceError(f"{service.title} does not answer", where=found.url, why=why, cure=cure)
    note(f"{service.title}: using {found.url}, which {service.url} names")
    return found
