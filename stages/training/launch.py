"""Starts the processes that train: this one, or as many as the settings say, here or on a Ray cluster.

Only rank 0 reports progress; an error of any rank is raised here, and the others are stopped.
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

# Seconds until a dead process is noticed after others have lost their connection to it.
EXIT_GRACE_S = 1.0


@dataclass(frozen=True)
class Progress(Generic[E]):
    """Progress that rank 0 reports."""

    value: E


@dataclass(frozen=True)
class Done(Generic[R]):
    """The result of rank 0."""

    result: R


@dataclass(frozen=True)
class Failed:
    """The error of a rank."""

    error: Exception


def run_distributed(job: Job[E, R], report: Report[E], device: str, most: int) -> R:
    """Run a job in as many processes as the settings say.

    Args:
        job: called in each process with its `Team` and a function that reports progress; can be pickled.
        report: called here with the progress of rank 0.
        device: `cpu` or `cuda`: with the second each process has a GPU of its own.
        most: processes to start at most; a note tells where the settings have more.

    Raises:
        InputError: this machine has too few GPUs.
        SetupError: a process died, or Ray is not installed.
    """
    wanted = settings.workers()
    world = min(wanted.count, max(most, 1))
    if world < wanted.count:
        note(f"{wanted.count} workers, but the smallest batch has {world} series: {world} are used")
    if world == 1:
        return job(Team(), report)
    if wanted.ray_address:
        from stages.training.ray_cluster import run_on_ray

        return run_on_ray(job, report, device, world, wanted.ray_address)
    check_gpus(device, world)
    return run_processes(job, report, device, world)


def check_gpus(device: str, world: int) -> None:
    """Raise InputError where there are fewer GPUs than processes."""
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
    """Run a job in new processes of this machine, waiting for each other for `timeout_s`; see `run_distributed`."""
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
    """Pass progress on until rank 0 is done, or any rank has failed."""
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
    """Raise SetupError where a process was killed: those that fail or finish wait to be stopped."""
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
    """The body of a process: join the group, run the job, send the result, and wait to be stopped.

    Ending earlier would raise errors in the others, which could hide the first one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this one
    settings.bind_gloo_to_loopback()
    try:
        distributed.init_process_group(
            "nccl" if device == "cuda" else "gloo",
            init_method=f"file://{folder}/meeting",
            rank=team.rank,
            world_size=team.world,
            timeout=timedelta(seconds=timeout_s),
        )
        result = job(team, (lambda value: pipe.send(Progress(value))) if team.rank == 0 else lambda _: None)
        if team.rank == 0:
            pipe.send(Done(result))
    except Exception as error:  # noqa: BLE001 -- whatever it is, the process that waits raises it
        with suppress(BrokenPipeError):  # nobody waits any more
            pipe.send(Failed(portable(error)))
    pipe.poll(None)


def portable(error: Exception) -> Exception:
    """An error that can be pickled; that of a bug keeps its traceback as text."""
    if isinstance(error, LabeltrailError):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))
