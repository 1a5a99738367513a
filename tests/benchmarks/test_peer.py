"""How the peer is driven, with a stand-in that has its class and its methods."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.models.peer import peer
from benchmarks.models.peer_process import EXAMPLE
from benchmarks.models.recordings import Recording
from storage.artifacts.region import Region
from storage.errors import SetupError
from storage.process import ProgramError

# Learns each label's level, and calls a row what its level says.
STAND_IN = """
import csv, json, os
import xml.etree.ElementTree as ET
from types import SimpleNamespace

LEVELS = os.path.join(os.environ["MODEL_DIR"], "levels.json")

class TimeSeriesSegmenter:
    def __init__(self, project_id, label_config):
        self.channel = ET.fromstring(label_config).find(".//TimeSeries/Channel").get("column")

    def rows(self, task):
        place = task["data"]["csv"].removeprefix("/data/local-files?d=")
        with open(os.path.join(os.environ["LOCAL_FILES_DOCUMENT_ROOT"], place)) as file:
            return [(float(r["time"]), float(r[self.channel])) for r in csv.DictReader(file)]

    def fit(self, event, data):
        levels = {}
        for task in self._get_tasks(data["annotation"]["project"]):
            for item in task["annotations"][0]["result"]:
                value = item["value"]
                inside = [x for t, x in self.rows(task) if value["start"] <= t <= value["end"]]
                (levels[value["timeserieslabels"][0]],) = set(inside)
        os.makedirs(os.environ["MODEL_DIR"])
        with open(LEVELS, "w") as file:
            json.dump(levels, file)
        return {"epoch": int(os.environ["OMP_NUM_THREADS"])}

    def predict(self, tasks, context):
        with open(LEVELS) as file:
            levels = json.load(file)
        answers = []
        for task in tasks:
            assert not task["annotations"]
            found = [(t, label) for t, x in self.rows(task) for label, level in levels.items() if x == level]
            answers.append({"result": [
                {"value": {"start": t, "end": t, "instant": True, "timeserieslabels": [label]}}
                for t, label in found
            ]})
        return SimpleNamespace(model_dump=lambda: {"predictions": answers})
"""


def recording(key: str, levels: list[int], *regions: Region) -> Recording:
    times = np.arange(len(levels)) * 0.02
    return Recording(key, key, times, np.array(levels, np.float32)[:, None], regions)


def checkout(folder: Path, text: str) -> Path:
    (folder / EXAMPLE).mkdir(parents=True)
    (folder / EXAMPLE / "model.py").write_text(text)
    return folder


@pytest.mark.slow  # it guards no data: figures of docs/benchmarks.md
def test_it_is_trained_and_asked(tmp_path: Path):
    train = [recording("one", [0, 3, 3, 0, 5], Region(1, 2, "a"), Region(4, 4, "b", instant=True))]
    test = [recording("two", [5, 0, 3], Region(0, 1, "a")), recording("three", [0, 0])]
    here = Path(sys.executable)
    run = peer(checkout(tmp_path, STAND_IN), here, train, test, ["a", "b"], threads=2)
    assert run.regions == ((Region(0, 0, "b", True), Region(2, 2, "a", True)), ())
    assert [classes.tolist() for classes in run.classes] == [[2, 0, 1], [0, 0]]
    assert run.epochs == 2  # the threads, as the stand-in saw them
    assert run.timepoints_per_second == 5 / run.predict.seconds
    assert 0 <= run.train.grown < run.train.memory


def test_a_failure_of_the_peer_says_what_it_said(tmp_path: Path):
    folder = checkout(tmp_path, STAND_IN.replace("def fit(", "def unfit("))
    with pytest.raises(ProgramError, match="has no attribute 'fit'"):
        peer(folder, Path(sys.executable), [recording("one", [1])], [], ["a"])


def test_a_folder_without_the_example_is_refused(tmp_path: Path):
    with pytest.raises(SetupError, match="git clone"):
        peer(tmp_path, Path(sys.executable), [], [], [])
