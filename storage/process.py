"""Runs programs, and starts and stops background processes.

A process is identified by its id *and* its start time: ids are reused. Secrets are passed in the environment, never
in the arguments, which every user of the machine can read.
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
    """A program ended with an error or exceeded its timeout.

    Attributes:
        returncode: its exit status; None after a timeout.
        stderr, stdout: its standard error and output.
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
    """A background process: its id and its start time, as an opaque text."""

    pid: int
    started: str


def run(
    args: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program; returns its standard output.

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
    """The same with standard input, and output as bytes."""
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
    """Run a program with this process's standard output and error.

    Raises:
        ProgramError: it ended with an error.
    """
    words = [os.fspath(arg) for arg in args]
    done = subprocess.run(words, cwd=cwd, env=env, check=False)
    if done.returncode:
        why = f"exit status {done.returncode}; its output above says why"
        raise ProgramError(f"`{' '.join(words)}` failed", returncode=done.returncode, stderr="", why=why)


def tail(text: str, lines: int = TAIL) -> list[str]:
    """The last lines of a program's output, for an error."""
    return text.strip().splitlines()[-lines:]


def spawn(args: Sequence[Argument], *, env: Mapping[str, str], cwd: Path, log: Path) -> Process:
    """Start a background process, in a session of its own, with its output in `log` (mode 600).

    Raises:
        SetupError: the program does not exist.
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
    """Start time of the process with this id; None where there is none, or a zombie."""
    try:
        process = psutil.Process(pid)
        # Not ended yet while other threads than the first one still hold its ports.
        if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1:
            return None
        if psutil.LINUX:
            # Clock ticks since boot: independent of changes of the clock.
            return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        return f"{process.create_time():.0f}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def works_in(name: str, folder: Path) -> bool:
    """Whether a program of this name may work in a folder or below; True where that is unknown."""
    for process in psutil.process_iter(["name", "cwd", "status"]):
        if process.info["name"] == name and process.info["status"] != psutil.STATUS_ZOMBIE:
            where = process.info["cwd"]  # None: another user's
            if where is None or Path(where).is_relative_to(folder.resolve()):
                return True
    return False


def alive(process: Process) -> bool:
    """Whether this process still runs, and not another one with its id."""
    return start_time(process.pid) == process.started


def ports(process: Process) -> set[int]:
    """The TCP ports that the process listens on."""
    try:
        connections = psutil.Process(process.pid).net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return set()
    return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}


def stop(process: Process, timeout: float = 20.0) -> None:
    """Terminate the process, and kill it after `timeout` seconds.

    Raises:
        ServiceError: it does not end, or belongs to somebody else.
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
    """Poll `ready`; returns whether it became true within `seconds`."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


@contextmanager
def lock(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Lock a file against other processes and threads; `waiting` is called once if it is locked.

    The lock is released when the process ends, also when it is killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
