"""Programs: run one to its end, or start one that stays. The one place that imports subprocess.

A process is known by its id *and* the moment it started: ids are used again, and stopping whatever has
the id today would stop somebody else's program. Secrets are handed over in the environment, never in the
arguments, which every user of the machine can read.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from storage.errors import LabeltrailError, ServiceError, SetupError, Text

TAIL = 12  # lines of output that are quoted in an error
Argument = str | os.PathLike[str]


class ProgramError(LabeltrailError):
    """A program ended with an error or took too long.

    Attributes:
        returncode: its exit status; None when it was cut off.
        stderr, stdout: all it wrote to standard error and output.
    """

    exit_code = 8

    def __init__(
        self,
        what: Text,
        *,
        returncode: int | None,
        stderr: str,
        where: Text = "",
        why: Text,
        cure: Text = "",
        stdout: str = "",
    ) -> None:
        super().__init__(what, where=where, why=why, cure=cure)
        self.returncode, self.stderr, self.stdout = returncode, stderr, stdout


@dataclass(frozen=True)
class Process:
    """A process that stays, as it is recorded: its id and when it started (opaque, never reused)."""

    pid: int
    started: str


def run(
    args: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program to its end and give back what it wrote to standard output.

    Args:
        args: program and arguments; no shell, no secrets.
        env: all its variables (`settings.environment`); None: those of this process.
        timeout: seconds.

    Raises:
        SetupError: the program is not there.
        ProgramError: it ended with an error, or not in time.
    """
    return output(args, cwd=cwd, env=env, timeout=timeout).decode("utf-8", "replace")


def output(
    args: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    stdin: bytes = b"",
) -> bytes:
    """The same for a program that is given something to read, or whose output is not text."""
    words = [os.fspath(arg) for arg in args]
    line = " ".join(words)
    try:
        done = subprocess.run(
            words, cwd=cwd, env=env, timeout=timeout, input=stdin, capture_output=True, check=False
        )
    except (FileNotFoundError, PermissionError) as error:
        if cwd is not None and not cwd.is_dir():
            raise
        why = "it is not on the PATH" if isinstance(error, FileNotFoundError) else "it may not be executed"
        cure = f"install {words[0]}, then run the command again"
        raise SetupError(f"{words[0]} cannot be run", why=why, cure=cure) from error
    except subprocess.TimeoutExpired as error:
        stderr = (error.stderr or b"").decode("utf-8", "replace")
        late = f"it did not end within {timeout:g} s"
        raise ProgramError(f"`{line}` was cut off", returncode=None, stderr=stderr, why=late) from error
    if done.returncode:
        stderr, stdout = (text.decode("utf-8", "replace") for text in (done.stderr, done.stdout))
        last = tail(stderr) or tail(stdout) or f"exit status {done.returncode}"
        what = f"`{line}` failed"
        raise ProgramError(what, returncode=done.returncode, stderr=stderr, stdout=stdout, why=last)
    return done.stdout


def attach(args: Sequence[Argument], *, cwd: Path, env: Mapping[str, str]) -> None:
    """Run a program whose output is for the person who waits: it goes where this program's goes.

    Raises:
        ProgramError: it ended with an error.
    """
    words = [os.fspath(arg) for arg in args]
    done = subprocess.run(words, cwd=cwd, env=env, check=False)
    if done.returncode:
        why = f"exit status {done.returncode}; its output above says why"
        raise ProgramError(f"`{' '.join(words)}` failed", returncode=done.returncode, stderr="", why=why)


def tail(text: str, lines: int = TAIL) -> list[str]:
    """The last lines of a program's output, to stand in an error."""
    return text.strip().splitlines()[-lines:]


def spawn(args: Sequence[Argument], *, env: Mapping[str, str], cwd: Path, log: Path) -> Process:
    """Start a program that outlives this one, in a session of its own, its output going to `log` (mode 600).

    Raises:
        SetupError: the program is not there.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        child = subprocess.Popen(
            [os.fspath(arg) for arg in args], cwd=cwd, env=dict(env), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=descriptor, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except (FileNotFoundError, PermissionError) as error:
        raise SetupError(f"{args[0]} cannot be run", why=str(error), cure="labeltrail up") from error
    finally:
        os.close(descriptor)
    return Process(child.pid, start_time(child.pid) or "")


def start_time(pid: int) -> str | None:
    """When the process with this id started, or None if there is none (or only its exit status is left)."""
    try:
        process = psutil.Process(pid)
        # Its first thread may be gone while others still hold its ports: that is not the end yet.
        if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1:
            return None
        if psutil.LINUX:
            # Clock ticks since boot: unlike a time of day it stays the same when the clock is set.
            return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        return f"{process.create_time():.0f}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def works_in(name: str, folder: Path) -> bool:
    """Whether a program of this name works in a folder or below; also where that is unknown."""
    for found in psutil.process_iter(["name", "cwd", "status"]):
        if found.info["name"] == name and found.info["status"] != psutil.STATUS_ZOMBIE:
            where = found.info["cwd"]  # None: another user's
            if where is None or Path(where).is_relative_to(folder.resolve()):
                return True
    return False


def alive(process: Process) -> bool:
    """Whether this very process still runs, and not another that got its id."""
    return start_time(process.pid) == process.started


def ports(process: Process) -> set[int]:
    """The TCP ports that the process listens on."""
    try:
        connections = psutil.Process(process.pid).net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return set()
    return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}


def stop(process: Process, timeout: float = 20.0) -> None:
    """Terminate the process, and kill it after `timeout` seconds; another one with its id is left alone.

    Raises:
        ServiceError: it is still there, or belongs to somebody else.
    """
    for name, seconds in ((signal.SIGTERM, timeout), (signal.SIGKILL, 5.0)):
        if not alive(process):
            return
        try:
            os.kill(process.pid, name)
        except ProcessLookupError:
            return
        except PermissionError as error:
            cure = "stop it as the user who started it"
            what = f"process {process.pid} cannot be stopped"
            raise ServiceError(what, why=str(error), cure=cure) from error
        if wait(lambda: not alive(process), seconds):
            return
    raise ServiceError(f"process {process.pid} does not end", cure=f"kill -9 {process.pid}")


def wait(ready: Callable[[], bool], seconds: float, every: float = 0.05) -> bool:
    """Poll `ready`; whether it came true within `seconds`."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


@contextmanager
def lock(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold `path` against other processes and threads; `waiting` is called once if somebody else holds it.

    The lock goes with the process: one that was killed leaves nothing behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
