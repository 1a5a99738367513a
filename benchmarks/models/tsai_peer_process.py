"""What runs in the peer's own Python: tsai's LSTM_FCN, trained and used for prediction, on series in a folder.

    python benchmarks/models/tsai_peer_process.py FOLDER

FOLDER holds `train.npy` and `test.npy`, float32 (series, channels, timepoints), `classes.npy`, the class of each
series of the train split by its number, and `job.json`: hidden_size, layers, dropout, filters, kernels, batch,
epochs, lr and ask, the batch size of prediction. What each cost goes to `speeds.json`. Imports neither
Labeltrail nor anything that the peer does not need. benchmarks/models/tsai_peer.py says what is measured, and why.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np


def main(folder: Path) -> None:
    """Measure both ways, one after the other."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    train, classes, test = (np.load(folder / f"{name}.npy") for name in ("train", "classes", "test"))
    speeds = {"tsai": used(job, train, classes, test, folder), "network": bare(job, train, classes, test)}
    (folder / "speeds.json").write_text(json.dumps(speeds), encoding="utf-8")


def used(job: dict[str, Any], train: Any, classes: Any, test: Any, folder: Path) -> dict[str, Any]:
    """tsai as its users have it: a TSClassifier, trained by `fit_one_cycle`; it predicts by `get_X_preds`."""
    from tsai.all import (  # type: ignore[import-not-found]
        TSClassification,
        TSClassifier,
        TSStandardize,
        accuracy,
    )

    learner = TSClassifier(
        train,
        classes,
        splits=(list(range(len(train))), []),
        tfms=[None, TSClassification()],
        batch_tfms=TSStandardize(by_sample=True),
        bs=job["batch"],
        drop_last=False,
        arch="LSTM_FCN",
        arch_config=shape(job),
        metrics=accuracy,
        path=str(folder),
    )
    with learner.no_bar(), learner.no_logging():
        return measured(
            job,
            len(test),
            lambda epochs: learner.fit_one_cycle(epochs, job["lr"]),
            lambda size: learner.get_X_preds(test, bs=size),
        )


def bare(job: dict[str, Any], train: Any, classes: Any, test: Any) -> dict[str, Any]:
    """Its network alone, in the plainest loop there is: Adam at one rate, on series that are scaled already."""
    import torch
    from tsai.models.RNN_FCN import LSTM_FCN  # type: ignore[import-not-found]

    known, unseen = (torch.from_numpy(scaled(values)) for values in (train, test))
    truth = torch.from_numpy(classes)
    network = LSTM_FCN(train.shape[1], int(classes.max()) + 1, train.shape[2], **shape(job))
    optimizer = torch.optim.Adam(network.parameters(), lr=job["lr"])

    def fit(epochs: int) -> None:
        network.train()
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(known)), job["batch"]):
                if len(rows) > 1:  # batch norm has no variance of one
                    loss = torch.nn.functional.cross_entropy(network(known[rows]), truth[rows])
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()

    def ask(size: int) -> None:
        network.eval()
        with torch.inference_mode():
            for part in torch.split(unseen, size):
                network(part).softmax(1)

    return measured(job, len(test), fit, ask)


def shape(job: dict[str, Any]) -> dict[str, Any]:
    """The network, in the words of LSTM_FCN."""
    return {
        "hidden_size": job["hidden_size"],
        "rnn_layers": job["layers"],
        "rnn_dropout": job["dropout"],
        "conv_layers": job["filters"],
        "kss": job["kernels"],
    }


def scaled(values: Any) -> Any:
    """Each series by its own mean and deviation."""
    spread = values.std(2, keepdims=True)
    return (values - values.mean(2, keepdims=True)) / np.where(spread > 0, spread, 1)


def measured(
    job: dict[str, Any], series: int, fit: Callable[[int], Any], ask: Callable[[int], Any]
) -> dict[str, Any]:
    """CPU seconds of an epoch, and answers per CPU second; the first time of each is not counted."""
    fit(1)
    epoch = seconds(lambda: fit(job["epochs"])) / job["epochs"]
    ask(job["ask"])
    answers = series * job["repeats"] / seconds(partial(again, ask, job["ask"], job["repeats"]))
    return {"epoch": epoch, "answers": answers}


def again(ask: Callable[[int], Any], size: int, times: int) -> None:
    """The whole test split, several times."""
    for _ in range(times):
        ask(size)


def seconds(work: Callable[[], Any]) -> float:
    """CPU seconds, of all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main(Path(sys.argv[1]))
