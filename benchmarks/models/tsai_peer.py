"""The nearest public network for the same task: LSTM_FCN of tsai, from its package.

    python -m benchmarks.models.tsai_peer      # makes the environment that it needs, once, and prints its Python

The environment rests in the user's cache, with the torch of this checkout; nothing of it is in Labeltrail.

What is measured: CPU seconds of an epoch of training, and answers per CPU second, on one thread and without a GPU;
imports, making the network and the first epoch are not counted. Two ways:

- *tsai*: as its users have it, a TSClassifier with `fit_one_cycle` and `get_X_preds`, each series standardized by
  itself. Without progress bar and log, which is in its favour.
- *network*: its network alone in the plainest loop, on series that are scaled already: what is left of tsai
  when all that is around the network is taken away. Its loop does less than ours, which has a schedule,
  averages weights, keeps an account of loss and accuracy and takes batch norm's statistics anew.

The network has the shape, and training the batch size, that ours has. tsai leaves out the last batch of an epoch
where it is not full; here it may not (`drop_last=False`), so that an epoch is all series for both.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import tsai_peer_process
from stages.classification.plan import Plan
from stages.classification.targets import Labeled
from storage import process, settings
from storage.progress import console
from storage.servers import machine_cache, uv_environment

VERSION = "1.0.1"
# Its imports fail with the fastai, fastcore and pyts of later days, and without jupyter_core, which it does not name.
LOCK = Path(__file__).with_name("tsai.lock.txt")
# tsai's own batch size in prediction.
USUAL = 64


@dataclass(frozen=True)
class Speed:
    """What one way of training and asking costs.

    Attributes:
        epoch: CPU seconds of training for an epoch.
        answers: series answered in a CPU second.
    """

    epoch: float
    answers: float


def prepare(cache: Path) -> Path:
    """The peer's Python, in an environment of its own.

    Raises:
        SetupError: uv is missing, or others may write to the cache.
        ProgramError: a package could not be found, or is another than its hash says.
    """
    folder, wanted = cache / f"tsai-{VERSION}", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    whole = folder / "complete"
    machine_cache.ready(cache)
    with process.lock(cache / "tsai.lock", lambda: console.print("tsai: another one installs it; waiting")):
        if not whole.exists() or whole.read_text(encoding="utf-8") != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            console.print(f"tsai: installing {VERSION} into an environment of its own, 6 GB, in {folder}")
            uv_environment.make_environment(cache, folder, LOCK)
            whole.write_text(wanted, encoding="utf-8")
    return folder / "bin/python"


def peer(
    python: Path, train: Labeled, test: Labeled, plan: Plan, epochs: int, repeats: int
) -> dict[str, Speed]:
    """How fast the peer is, by way: `tsai` and `network`.

    Args:
        python: with tsai.
        train, test: series, one class each.
        plan: the shape of the network, the batch size and the rate.
        epochs: that are measured.
        repeats: how many times it predicts the test split.

    Raises:
        ProgramError: the peer failed; its last lines are in the error.
    """
    environment = settings.server_environment(
        OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", CUDA_VISIBLE_DEVICES=""
    )
    with tempfile.TemporaryDirectory(prefix="labeltrail-tsai-") as name:
        folder = Path(name)
        np.save(folder / "train.npy", train.values)
        np.save(folder / "test.npy", test.values)
        np.save(folder / "classes.npy", class_numbers(train))
        job = _job(plan, train) | {"epochs": epochs, "repeats": repeats}
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        program = Path(tsai_peer_process.__file__).absolute()
        process.run([python.absolute(), program, folder], cwd=folder, env=environment)
        written: dict[str, Any] = json.loads((folder / "speeds.json").read_text(encoding="utf-8"))
    return {way: Speed(**speed) for way, speed in written.items()}


def class_numbers(series: Labeled) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The class of each series; of a single label, no and yes."""
    targets = series.targets
    return (targets.argmax(1) if targets.shape[1] > 1 else targets[:, 0]).astype(np.int64)


def _job(plan: Plan, train: Labeled) -> dict[str, Any]:
    _, channels, length = train.values.shape
    shape = plan.shape(channels, length, train.targets.shape[1])
    return {
        "hidden_size": shape.hidden,
        "layers": shape.layers,
        "dropout": shape.dropout,
        "filters": list(shape.filters),
        "kernels": list(shape.kernels),
        "batch": plan.batch_size,
        "lr": plan.lr,
        "ask": USUAL,
    }


if __name__ == "__main__":
    print(prepare(settings.cache_folder()))
