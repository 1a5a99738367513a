"""The nearest public tool on the same recordings: HumanSignal's label-studio-ml-backend, timeseries_segmenter.

    git clone https://github.com/HumanSignal/label-studio-ml-backend PEER && git -C PEER checkout d02cedf
    uv venv PEER/.venv
    uv pip install --python PEER/.venv torch torchmetrics pandas scikit-learn \
        label-studio-sdk semver colorama pillow requests

A checkout and a Python with the packages that it needs are given; nothing of it is in Labeltrail.

What is measured: the CPU seconds, of all threads, of its `fit` (reading the CSV files, training to its own
criteria with its own params, writing the model) and of its `predict` in a fresh process (loading the model,
reading the CSV files, the net, grouping rows into regions), and the most memory that each process took. Imports
are not counted. Both get one thread unless told otherwise, and no GPU.

Its code runs as it is. What is put around it, and why:

- The tasks are handed to its `fit` where it would ask a running Label Studio for them (`_get_tasks`).
- The event is `ANNOTATION_CREATED`: on `START_TRAINING` its `fit` raises KeyError.
- The label config names the channels right below `TimeSeries`, for it finds none in `MultiChannel`.
- CSV files are Label Studio's local files (`/data/local-files?d=`), which it opens without a server.
- torch is seeded: it seeds nothing, and its figures would differ from run to run.
"""

from __future__ import annotations

import json
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.models import peer_process
from benchmarks.models.recordings import Recording, nearest
from stages.timeseries.runs import classes_of, paint
from storage import process, settings
from storage.artifacts.region import Region
from storage.errors import SetupError


@dataclass(frozen=True)
class Cost:
    """What a process of the peer took.

    Attributes:
        seconds: CPU seconds of all threads.
        clock: seconds that passed.
        memory: bytes at the most.
        grown: of these, what came on top of imports.
    """

    seconds: float
    clock: float
    memory: int
    grown: int


@dataclass(frozen=True)
class PeerRun:
    """What the peer answered, in the order of the test recordings, and what it took.

    Attributes:
        regions: as it gave them, by start; one timepoint alone is an instant to it.
        classes: int16 (timepoints,) each, 0 background, then the labels.
        train, predict: the cost of each.
        epochs: how long it trained.
    """

    regions: tuple[tuple[Region, ...], ...]
    classes: tuple[NDArray[np.int16], ...]
    train: Cost
    predict: Cost
    epochs: int

    @property
    def timepoints_per_second(self) -> float:
        """Predicted in a CPU second, from CSV files to regions."""
        return sum(len(classes) for classes in self.classes) / self.predict.seconds


def peer(
    checkout: Path,
    python: Path,
    train: Sequence[Recording],
    test: Sequence[Recording],
    labels: Sequence[str],
    threads: int = 1,
) -> PeerRun:
    """Train the peer on some recordings and let it predict others.

    Raises:
        SetupError: there is no such example in the checkout.
        ProgramError: the peer failed; its last lines are in the error.
    """
    if not (checkout / peer_process.EXAMPLE / "model.py").is_file():
        cure = "git clone https://github.com/HumanSignal/label-studio-ml-backend, and give its folder"
        raise SetupError("the peer is not there", where=str(checkout / peer_process.EXAMPLE), cure=cure)
    with tempfile.TemporaryDirectory(prefix="labeltrail-peer-") as name:
        folder = Path(name)
        config = label_config(labels, train[0].values.shape[1])
        (folder / "config.xml").write_text(config, encoding="utf-8")
        trained, predicted = (
            _run(verb, python, checkout, folder, recordings, threads)
            for verb, recordings in (("train", train), ("predict", test))
        )
    regions = tuple(_regions(r, result) for r, result in zip(test, predicted["answer"], strict=True))
    codes = (paint(found, len(r.times), labels, 0) for r, found in zip(test, regions, strict=True))
    classes = tuple(classes_of(painted, labels) for painted in codes)
    return PeerRun(regions, classes, _cost(trained), _cost(predicted), trained["answer"]["epoch"])


def label_config(labels: Sequence[str], channels: int) -> str:
    """The label config for recordings as `_task` writes them."""
    view = ET.Element("View")
    control = ET.SubElement(view, "TimeSeriesLabels", name="label", toName="ts")
    for label in labels:
        ET.SubElement(control, "Label", value=label)
    series = ET.SubElement(view, "TimeSeries", name="ts", value="$csv", valueType="url", timeColumn="time")
    for k in range(channels):
        ET.SubElement(series, "Channel", column=f"channel_{k}")
    return ET.tostring(view, encoding="unicode")


def _run(
    verb: str, python: Path, checkout: Path, folder: Path, recordings: Sequence[Recording], threads: int
) -> dict[str, Any]:
    """One process of the peer, from its tasks to what it wrote."""
    tasks = [_task(folder, number, recording) for number, recording in enumerate(recordings, 1)]
    if verb == "predict":
        tasks = [{**task, "annotations": []} for task in tasks]
    (folder / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    few = str(threads)
    environment = settings.server_environment(
        MODEL_DIR=str(folder / "model"),
        LOCAL_FILES_DOCUMENT_ROOT=str(folder),
        OMP_NUM_THREADS=few,
        MKL_NUM_THREADS=few,
        CUDA_VISIBLE_DEVICES="",
    )
    program = Path(peer_process.__file__).absolute()
    process.run(
        [python.absolute(), program, verb, checkout.absolute(), folder, few], cwd=folder, env=environment
    )
    result: dict[str, Any] = json.loads((folder / f"{verb}.json").read_text(encoding="utf-8"))
    return result


def _task(folder: Path, number: int, recording: Recording) -> dict[str, Any]:
    """A task as Label Studio exports it, its CSV in the folder."""
    path = folder / f"{recording.key}.csv"
    channels = {f"channel_{k}": column for k, column in enumerate(recording.values.T)}
    pd.DataFrame({"time": recording.times, **channels}).to_csv(path, index=False)
    result = [
        {
            "from_name": "label",
            "to_name": "ts",
            "type": "timeserieslabels",
            "value": {
                "start": float(recording.times[region.start]),
                "end": float(recording.times[region.end]),
                "instant": region.instant,
                "timeserieslabels": [region.label],
            },
        }
        for region in recording.regions
    ]
    annotation = {"id": number, "ground_truth": False, "was_cancelled": False, "result": result}
    return {
        "id": number,
        "project": 1,
        "data": {"csv": f"/data/local-files?d={path.name}"},
        "annotations": [annotation],
    }


def _regions(recording: Recording, result: list[dict[str, Any]]) -> tuple[Region, ...]:
    return tuple(
        sorted(
            Region(
                nearest(recording.times, value["start"]),
                nearest(recording.times, value["end"]),
                value["timeserieslabels"][0],
                value["instant"],
            )
            for value in (item["value"] for item in result)
        )
    )


def _cost(written: dict[str, Any]) -> Cost:
    grown = written["memory"] - written["memory_before"]
    return Cost(written["seconds"], written["clock"], written["memory"], grown)
