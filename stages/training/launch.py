"""Who trains: this process, or as many as the settings say, started here or by Ray on several machines.

Settings change who computes, never what. Only rank 0 tells how it goes; an error of any rank is raised here, and the
others are stopped.
"""

from __future__ import annotations

import signal
import tempfile
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

import torch
from torch import distributed, multiprocessing

from stages.training.distributed import TIMEOUT_S, Team
from storage import settings
from storage.errors import InputError, LabeltrailError, SetupError
from storage.progress import note

E = TypeVar("E")
R = TypeVar("R")
Report = Callable[[E], None]
Job = Callable[[Team, Report[E]], R]

# Seconds that a process which died takes to be seen, after others have lost it.
EXIT_GRACE_S = 1.0


@dataclass(frozen=True)
class Progress(Generic[E]):
    """Something that rank 0 tells while it works."""

    value: E


@dataclass(frozen=True)
class Done(Generic[R]):
    """What came of it."""

    result: R


@dataclass(frozen=True)
class Failed:
    """Why a rank could not go on."""

    error: Exception


def run_distributed(job: Job[E, R], report: Report[E], device: str, most: int) -> R:
    """Do a job in as many processes as the settings say.

    Args:
        job: called in each process with its `Team` and what to call with news; can be pickled.
        report: called here with the news of rank 0.
        device: `cpu` or `cuda`: with the second each process has a GPU of its own.
        most: processes that there is work for; more are not started, and that is said.

    Raises:
        InputError: the settings do not fit this machine.
        SetupError: a process died, or Ray is not installed.
    """
    asked = settings.workers()
    world = min(asked.count, max(most, 1))
    if world < asked.count:
        note(f"{asked.count} workers, but the smallest batch has {world} series: {world} are used")
    if world == 1:
        return job(Team(), report)
    if asked.ray_address:
        from stages.training.ray_cluster import run_on_ray

        return run_on_ray(job, report, device, world, asked.ray_address)
    check_gpus(device, world)
    return run_processes(job, report, device, world)


def check_gpus(device: str, world: int) -> None:
    """Each process needs a GPU where one is asked for.

    Raises:
        InputError: there are less than processes.
    """
    if device == "cuda" and torch.cuda.device_count() < world:
        raise InputError(
            f"{world} workers need {world} GPUs",
            where="LABELTRAIL_WORKERS",
            why=f"torch finds {torch.cuda.device_count()} here",
            cure="set it to the number of GPUs, or train.device: cpu in params.yaml",
        )


def run_processes(
    job: Job[E, R], report: Report[E], device: str, world: int, timeout_s: float = TIMEOUT_S
) -> R:
    """Do a job in new processes of this machine; see `together`.

    Args:
        job, report, device: as there.
        world: processes.
        timeout_s: seconds after which those who wait for one that does nothing give up.
    """
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        processes: dict[Any, SpawnProcess] = {}  # by the pipe's end here
        for rank in range(world):
            team = Team(rank, world, rank)
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work, args=(job, team, device, timeout_s, folder, theirs), daemon=True
            )
            process.start()
            theirs.close()
            stack.callback(_stop, process)
            processes[ours] = process
        result: R = _listen(processes, report)
        return result


def _listen(processes: dict[Any, SpawnProcess], report: Report[E]) -> Any:
    """Pass the news on until rank 0 is done, or any rank has failed."""
    while True:
        ready: list[Any] = wait(list(processes))
        for pipe in ready:
            try:
                message = pipe.recv()
            except EOFError as error:
                message = Failed(error)
            if isinstance(message, Progress):
                report(message.value)
            elif isinstance(message, Done):
                return message.result
            else:
                check_alive(list(processes.values()))
                raise message.error


def check_alive(processes: list[SpawnProcess]) -> None:
    """A process that ended has neither failed nor finished: those wait to be stopped, so it was killed.

    Raises:
        SetupError: one has ended; the errors of others are only what came of it.
    """
    ended = wait([process.sentinel for process in processes], EXIT_GRACE_S)
    for rank, process in enumerate(processes):
        if process.sentinel in ended:
            process.join()
            raise SetupError(
                f"worker {rank} of {len(processes)} ended while it trained",
                why=f"its exit code is {process.exitcode}; -9 is often a lack of memory",
                cure="fewer LABELTRAIL_WORKERS, or none",
            )


def _stop(process: SpawnProcess) -> None:
    process.kill()
    process.join()


def _work(
    job: Job[Any, Any], team: Team, device: str, timeout_s: float, folder: str, pipe: Connection
) -> None:
    """A process: meet the others, do the job, say what came of it, and wait to be stopped.

    It waits because an end would be an error for those who still talk to it, and hide its own.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this one
    settings.talk_on_loopback()
    try:
        distributed.init_process_group(
            "nccl" if device == "cuda" else "gloo",
            init_method=f"file://{folder}/meeting",
            rank=team.rank,
            world_size=team.world,
            timeout=timedelta(seconds=timeout_s),
        )
        result = job(team, (lambda value: pipe.send(Progress(value))) if team.rank == 0 else _silent)
        if team.rank == 0:
            pipe.send(Done(result))
    except Exception as error:  # noqa: BLE001 -- whatever it is, the process that waits raises it
        with suppress(BrokenPipeError):  # nobody waits any more
            pipe.send(Failed(portable(error)))
    pipe.poll(None)


def _silent(_: object) -> None:
    """Ranks but the first tell nothing."""


def portable(error: Exception) -> Exception:
    """An error as it can be raised in another process; that of a bug keeps its traceback as text."""
    if isinstance(error, LabeltrailError):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))
