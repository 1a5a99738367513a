"""Pieces of a tuning: what is drawn, folds, scores, ranges, the drawing, and params written where they stand."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import optuna
import pytest

from pipelines.tune import objective
from pipelines.tune.folds import assign_folds
from pipelines.tune.trial_plot import Mark, draw
from stages import params
from stages.classification.training import Epoch
from storage.errors import InputError, LabeltrailError
from storage.project_files import params_file
from storage.project_files.study import Study, Trial
from tests.pipelines.classify.test_classify import one_hot
from tests.support.tuning_project import project, ranged


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to tune in; it is the current one."""
    monkeypatch.chdir(project(tmp_path / "place"))
    return tmp_path / "place"


def trial(number: int, loss: float | None = None, state: Any = "complete", **values: Any) -> Trial:
    return Trial(number, state, values, loss, loss, (), "it broke" if state == "failed" else "")


def test_a_trial_that_does_worse_than_most_is_pruned(place: Path) -> None:
    space = objective.space_of(params.load().tuning.ranges)
    values = {name: found[0] for name, found in params.load().tuning.ranges.given().items()}
    curve = tuple((step, 0.5) for step in range(1, 11))
    done = [Trial(n, "complete", values, 0.5, 0.5, curve, "") for n in range(1, 7)]

    def reported(loss: float) -> objective.TrialProgress:
        progress = objective.TrialProgress(objective.sample(space, done, values, 0)[0])
        for number in range(1, 11):
            progress.report(Epoch(number, 0.1, 1.0, loss, 0.5), 10)
        return progress

    assert list(reported(0.4).curve) == list(range(1, 11))
    with pytest.raises(optuna.TrialPruned):
        reported(0.9)


def test_folds_deal_out_each_class_evenly() -> None:
    kinds = np.repeat([0, 1, 2], [30, 7, 4])
    alone = [str(row) for row in range(len(kinds))]
    found = assign_folds(one_hot(kinds) == 1, alone, 3, 0)
    assert sorted(np.concatenate(found).tolist()) == list(range(41))
    for rows in found:
        counts = np.bincount(kinds[rows], minlength=3)
        assert (abs(counts - np.array([10, 7 / 3, 4 / 3])) < 1).all()
    assert [rows.tolist() for rows in assign_folds(one_hot(kinds) == 1, alone, 3, 1)] != [
        rows.tolist() for rows in found
    ]


def test_all_series_of_a_group_are_in_one_fold() -> None:
    groups = [f"person{n % 7}" for n in range(70)]
    kinds = np.array([n % 7 in (1, 4, 6) for n in range(70)], int)  # three people have what four have not
    found = assign_folds(one_hot(kinds) == 1, groups, 3, 0)
    people = [{groups[row] for row in rows} for rows in found]
    assert sorted(name for names in people for name in names) == [f"person{n}" for n in range(7)]
    assert [int(kinds[rows].any()) + int(1 - kinds[rows].all()) for rows in found] == [2, 2, 2]


def test_the_loss_is_plain_cross_entropy() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]], np.float32)
    truth = np.array([[1, 0, 0], [0, 1, 0]], bool)
    for independent, loss in (
        (False, (math.log(2) - math.log(1 - 1e-4)) / 2),
        (True, (math.log(2) - 2 * math.log(0.75) - 3 * math.log(1 - 1e-4)) / 6),
    ):
        model = SimpleNamespace(
            probabilities=lambda _: probabilities,
            decide=lambda _: truth,
            spec=SimpleNamespace(independent=independent),
        )
        found = objective.score(model, SimpleNamespace(values=None, targets=truth))  # type: ignore[arg-type]
        assert found == (pytest.approx(loss, abs=1e-6), 1.0)


WRONG = {
    "epochs and steps cannot both have a range": {"epochs": [1, 2], "steps": [1, 2]},
    "lr is [lowest, highest], or one value": {"lr": [0.1, 0.01]},
    "hidden_size is [lowest, highest], or one value": {"hidden_size": [1, 2, 3]},
    "dropout needs one value or several that differ": {"dropout": []},
    "scaling needs one value or several that differ": {"scaling": ["train", "train"]},
    "lr may not be 2.0: it should be less than or equal to 1": {"lr": [0.1, 2.0]},
    "kernel_size_1 may not be 0: it should be greater than or equal to 1": {"kernel_size_1": 0},
    "tuning.ranges.batch_size.0 is 'big': it must be a whole number": {"batch_size": ["big", 3]},
    "tuning.ranges.filters is not a param": {"filters": 3},
}


@pytest.mark.parametrize("words", WRONG)
def test_ranges_that_will_not_do(words: str, place: Path) -> None:
    project(place, **ranged(**WRONG[words]))
    with pytest.raises(InputError) as caught:
        params.load()
    assert words in caught.value.what
    assert caught.value.what.startswith("1 problem(s)")


PLAIN = "a:\n  b:\n    x: 1 # one\n    y:\n    z: 'text'\n  c: 3\n"


def test_params_are_edited_where_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(PLAIN)
    params_file.put(path, ("a", "b"), {"x": 3e-05, "y": None, "z": True})
    assert path.read_text() == "a:\n  b:\n    x: 3.0e-05 # one\n    y: null\n    z: true\n  c: 3\n"
    path.write_text("a: {x: &one 1, y: *one}\n")
    with pytest.raises(LabeltrailError, match="cannot be changed by a program"):
        params_file.put(path, ("a",), {"x": 2})
    assert path.read_text() == "a: {x: &one 1, y: *one}\n"


def test_the_drawing_has_a_mark_for_each_trial_and_the_best_so_far() -> None:
    losses = [("complete", 0.5), ("failed", None), ("pruned", 0.9), ("complete", 0.7), ("complete", 0.1)]
    marks = [Mark(n, state, loss, f"<{n}>") for n, (state, loss) in enumerate(losses, 1)]
    root = ElementTree.fromstring(draw(marks))
    space = "{http://www.w3.org/2000/svg}"
    circles = root.findall(f"{space}circle")
    assert [c.find(f"{space}title").text for c in circles] == ["<1>", "<3>", "<4>", "<5>"]  # type: ignore[union-attr]
    heights = [float(c.attrib["cy"]) for c in circles]
    assert heights[1] < heights[2] < heights[0] < heights[3]
    best = next(p for p in root.findall(f"{space}path") if p.get("class") == "best")
    assert best.attrib["d"] == f"M60.0,{heights[0]}H744.0V{heights[3]}H744.0"
    assert draw(marks[1:2]).count("<circle") == 0


def test_ranking() -> None:
    found = Study(
        {}, (trial(1, 0.5), trial(2, state="failed"), trial(3, state="pruned"), trial(4, 0.2), trial(5, 0.2))
    )
    assert [tried.number for tried in found.ranking] == [4, 5, 1, 3, 2]
    assert found.best is found.trials[3]
    assert Study({}, (trial(1, state="pruned"),)).best is None
    assert Study({}, ()).best is None
