"""What runs in the peer's own Python: its model trained, or asked, on tasks that lie in a folder.

    python benchmarks/models/peer_process.py train|predict CHECKOUT FOLDER THREADS

FOLDER holds `config.xml` (the label config) and `tasks.json`. `train` leaves the peer's model in the folder
`model`, where `predict`, which is a process of its own as after a restart of the peer's server, finds it. What
each cost, and what it answered, goes to `train.json` or `predict.json`. Imports neither Labeltrail nor
anything that the peer does not need. benchmarks/models/peer.py says what was put around the peer's code, and why.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLE = "label_studio_ml/examples/timeseries_segmenter"
PROJECT = 1


def main(verb: str, checkout: Path, folder: Path, threads: int) -> None:
    """Make the peer's model, do one thing with it, write what came of it."""
    segmenter = make(checkout, folder, threads)
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    work = {"train": train, "predict": predict}[verb]
    result = measured(lambda: work(segmenter, tasks))
    (folder / f"{verb}.json").write_text(json.dumps(result), encoding="utf-8")


def make(checkout: Path, folder: Path, threads: int) -> Any:
    """The peer's model class, imported as its own server does: from the example's folder."""
    sys.path[:1] = [str(checkout / EXAMPLE), str(checkout)]
    import torch
    from model import TimeSeriesSegmenter  # type: ignore[import-not-found]

    torch.set_num_threads(threads)
    torch.optim.Adam([torch.zeros(1)])  # the first optimizer of a process imports for seconds
    torch.manual_seed(0)
    return TimeSeriesSegmenter(str(PROJECT), (folder / "config.xml").read_text(encoding="utf-8"))


def train(segmenter: Any, tasks: list[dict[str, Any]]) -> Any:
    """Its `fit`, with the tasks where it would ask a Label Studio for them; gives back its own metrics."""
    segmenter._get_tasks = lambda _project: tasks
    return segmenter.fit("ANNOTATION_CREATED", {"annotation": {"project": PROJECT}})


def predict(segmenter: Any, tasks: list[dict[str, Any]]) -> Any:
    """Its `predict`, one request for all tasks; the result lists in the order of the tasks."""
    answer = segmenter.predict(tasks, context={"project": PROJECT})
    return [prediction["result"] for prediction in answer.model_dump()["predictions"]]


def measured(work: Callable[[], Any]) -> dict[str, Any]:
    """CPU seconds of all threads, seconds that passed, and the most memory in bytes: in all, and before the work."""
    before, start, at = peak(), time.process_time(), time.perf_counter()
    answer = work()
    seconds, clock = time.process_time() - start, time.perf_counter() - at
    return {"seconds": seconds, "clock": clock, "memory": peak(), "memory_before": before, "answer": answer}


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
