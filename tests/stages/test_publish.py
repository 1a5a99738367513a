"""Publishing to the real Label Studio: checked before, counted after, twice is once, nothing of others touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages import publish
from storage.artifacts.predictions import PredictedRegion, Prediction
from storage.errors import InputError, NotFoundError
from storage.label_studio import label_config
from tests.conftest import CONFIG, Lab

WALK = PredictedRegion(0.1, 0.5, 5, 25, "walk", False, 0.9)
KNOCK = PredictedRegion(0.6, 0.6, 30, 30, "knock", True, 0.8)
ONE = Prediction("one", "a" * 32, 0.9, 0.1, (WALK, KNOCK))
TWO = Prediction("two", "a" * 32, 0.7, 0.3, ())
FIRST, SECOND = "lstm-1111111-aaaaaaaa", "lstm-2222222-bbbbbbbb"


def send(lab: Lab, version: str, *found: Prediction) -> int:
    results = {p.series: publish.check(p, label_config.parse(CONFIG)) for p in found}
    return publish._send(lab.project.studio, lab.number, version, list(found), results)


def held(lab: Lab) -> dict[str, list[str]]:
    """Series by model version."""
    series = {task: name for name, task in lab.tasks().items()}
    found: dict[str, list[str]] = {}
    for p in lab.project.studio.predictions(lab.number):
        found.setdefault(p["model_version"], []).append(series[p["task"]])
    return {version: sorted(names) for version, names in found.items()}


def test_ranges_instants_and_nothing_at_all(lab: Lab) -> None:
    assert send(lab, FIRST, ONE, TWO) == 2
    found = {p["task"]: p for p in lab.project.studio.predictions(lab.number)}
    one, two = (found[lab.tasks()[name]] for name in ("one", "two"))
    assert [(r["value"], r["score"]) for r in one["result"]] == [
        ({"start": 0.1, "end": 0.5, "instant": False, "timeserieslabels": ["walk"]}, 0.9),
        ({"start": 0.6, "end": 0.6, "instant": True, "timeserieslabels": ["knock"]}, 0.8),
    ]
    assert (one["score"], two["result"]) == (0.9, []), "all background is an empty prediction"
    assert lab.project.studio.projects.get(lab.number)["model_version"] == FIRST


def test_twice_is_once_and_an_old_model_gives_way(lab: Lab) -> None:
    made = lab.annotate("one", (0.1, 0.5, "walk"))
    task = lab.tasks()["three"]
    foreign = [{"task": task, "model_version": "somebody's", "result": [], "score": 0.5}]
    list(lab.project.studio.import_predictions(lab.number, foreign))
    assert send(lab, FIRST, ONE, TWO) == 2
    assert send(lab, FIRST, ONE, TWO) == 0
    assert held(lab) == {"somebody's": ["three"], FIRST: ["one", "two"]}
    assert send(lab, SECOND, ONE) == 1
    assert held(lab) == {"somebody's": ["three"], SECOND: ["one"]}
    assert [a["id"] for a in lab.project.studio.annotations(lab.tasks()["one"])] == [made]


def test_a_publication_that_was_cut_off_is_made_whole(lab: Lab) -> None:
    send(lab, FIRST, ONE)
    assert send(lab, FIRST, ONE, TWO) == 2
    assert held(lab) == {FIRST: ["one", "two"]}


def test_a_series_without_a_task_stops_before_anything_is_sent(lab: Lab) -> None:
    with pytest.raises(NotFoundError) as caught:
        send(lab, FIRST, ONE, replace(TWO, series="nowhere"))
    assert str(caught.value) == (
        "a predicted series has no task\n  where: nowhere\n  why: 1 of 2 series have no task\n  next: labeltrail sync"
    )
    assert held(lab) == {}


@pytest.mark.parametrize(
    ("wrong", "what", "why"),
    [
        (
            replace(WALK, label="fly"),
            "a predicted label is not in the label config",
            "'fly' is not in walk, run, knock",
        ),
        (replace(WALK, end=float("nan")), "a predicted region is no time range", "start 0.1, end nan"),
        (replace(WALK, start_row=30), "a predicted region is no time range", "start 0.1, end 0.5"),
    ],
)
def test_what_label_studio_could_not_show_is_not_sent(wrong: PredictedRegion, what: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        publish.check(replace(ONE, regions=(KNOCK, wrong)), label_config.parse(CONFIG))
    assert (caught.value.what, caught.value.why) == (what, why)
    assert caught.value.where == "data/predictions/one.json, region 1"


def test_labels_that_are_in_no_commit_cannot_be_published(lab: Lab) -> None:
    lab.sync()
    with pytest.raises(NotFoundError) as caught:
        publish.model_version(lab.project, "lstm", "0" * 32 + ".dir", "a" * 32)
    assert caught.value.cure == "labeltrail sync, then dvc repro"
