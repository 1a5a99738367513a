"""The same job as in stages/training/launch.py, on the machines of a Ray cluster.

Each machine needs the environment of this one (`uv sync --extra ray`); the code of this clone is sent to them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from stages.training.distributed import TIMEOUT_S, Team
from storage import settings
from storage.errors import InputError, LabeltrailError, SetupError

E = TypeVar("E")
R = TypeVar("R")
Report = Callable[[E], None]
# The packages that are sent to the workers.
CODE = [str(Path(__file__).parents[2] / name) for name in ("stages", "storage")]


def run_on_ray(
    job: Callable[[Team, Report[E]], R], report: Report[E], device: str, world: int, address: str
) -> R:
    """Run a job in Ray Train's workers; see `run_distributed`.

    Args:
        job, report, device: as there.
        world: number of workers.
        address: of the cluster as `ray.init` takes it; `local` starts one on this machine.

    Raises:
        InputError: the cluster is too small.
        SetupError: Ray is not installed, or its cluster cannot be reached.
    """
    settings.isolate_ray()
    try:
        import ray
    except ImportError as error:
        raise SetupError(
            "Ray is not installed", where="LABELTRAIL_RAY_ADDRESS", cure="uv sync --extra ray"
        ) from error
    try:
        ray.init(address, log_to_driver=False, runtime_env={"py_modules": CODE})
    except ConnectionError as error:
        raise SetupError(
            "the Ray cluster does not respond",
            where=f"LABELTRAIL_RAY_ADDRESS={address}",
            why=str(error),
            cure="ray start --head, or an address of a cluster that runs",
        ) from error
    try:
        check_cluster_size(ray.cluster_resources(), device, world)
        return _train(job, report, device, world)
    finally:
        ray.shutdown()


def check_cluster_size(resources: dict[str, float], device: str, world: int) -> None:
    """Raise InputError where the cluster has fewer processors or GPUs than workers: Ray would wait for ever."""
    kind = "GPU" if device == "cuda" else "CPU"
    if (found := int(resources.get(kind, 0))) < world:
        raise InputError(
            f"{world} workers need {world} {kind}s",
            where="LABELTRAIL_WORKERS",
            why=f"the Ray cluster has {found}",
            cure="fewer LABELTRAIL_WORKERS, or more machines in the cluster",
        )


def _train(job: Callable[[Team, Report[E]], R], report: Report[E], device: str, world: int) -> R:
    """Run the workers beside this thread, which passes on the progress of rank 0; an empty tuple ends it."""
    import ray
    from ray import train
    from ray.util.queue import Queue

    progress = Queue()

    def work() -> R:
        here = train.get_context()
        team = Team(here.get_world_rank(), here.get_world_size(), here.get_local_rank())
        return job(team, (lambda value: progress.put((value,))) if team.rank == 0 else lambda _: None)

    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(work, device, world, folder)
        # In this thread Ray would take Ctrl-C for its own, for good.
        training = ThreadPoolExecutor(1).submit(trainer.fit)
        training.add_done_callback(lambda _: ray.is_initialized() and progress.put(()))
        while value := progress.get():
            report(*value)
        try:
            result: R = training.result().return_value
        except train.WorkerGroupError as error:
            raise cause(error) from error
    return result


def _trainer(work: Callable[[], R], device: str, world: int, folder: str) -> Any:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    backend = "nccl" if device == "cuda" else "gloo"
    return TorchTrainer(
        work,
        torch_config=TorchConfig(backend, timeout_s=round(TIMEOUT_S)),
        scaling_config=ScalingConfig(num_workers=world, use_gpu=device == "cuda"),
        run_config=RunConfig(name="labeltrail", storage_path=folder),
    )


def cause(error: Any) -> Exception:
    """The error of a worker that a person can act on, else the first one."""
    failures: dict[int, Exception] = error.worker_failures
    for failure in failures.values():
        found: BaseException | None = failure
        while found:
            if isinstance(found, LabeltrailError):
                return found
            found = found.__cause__
    rank, failure = next(iter(failures.items()))
    return RuntimeError(f"worker {rank} failed:\n{failure}")
