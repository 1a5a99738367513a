"""What history says of choices beside regions, of any number of choices, and of an annotation that has none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.history.diff import diff
from pipelines.history.log import log
from pipelines.history.show import show
from pipelines.history.tag import tag
from pipelines.import_.import_ import import_recordings
from pipelines.rollback.partial import Selection, revert_record
from stages.classification.targets import make_target
from storage.label_studio import label_config
from storage.labels import git_drivers, label_changes, label_store
from storage.labels.diff import DiffFilter, difference
from storage.labels.three_way import Change
from storage.project import Project
from tests.conftest import Lab, recording
from tests.pipelines.history.test_choices import CHANNELS, LABELS, NORMAL, beat, choice
from tests.storage.labels.test_annotation_merge import region
from tests.support.history_project import Past, record

Item = dict[str, Any]
QUALITY = '<Choices name="quality" toName="ts"><Choice value="good"/><Choice value="bad"/></Choices>\n</View>'
BESIDE_XML = label_config.render(CHANNELS, ("walk", "run"), "time").replace("</View>", QUALITY)
BESIDE = label_config.parse(BESIDE_XML)
SINGLE_XML, SEVERAL_XML = (
    label_config.render(CHANNELS, LABELS, "time", task=task) for task in ("multiclass", "multilabel")
)
SINGLE, SEVERAL = map(label_config.parse, (SINGLE_XML, SEVERAL_XML))
GOOD, BAD = choice("good", tag="quality"), choice("bad", tag="quality")
WALK = region("a")


# -- beside regions --------------------------------------------------------------------------------


def test_choices_beside_regions_are_no_labels() -> None:
    before, after = beat(1, WALK, GOOD), beat(1, WALK, BAD)
    counts = label_changes.count([Change("1", before, after)], config=BESIDE)
    assert (counts.regions, counts.labels, counts.annotations) == ({}, {}, {"~": 1})
    assert label_changes.record_labels(after, BESIDE) == ["walk"]
    (item,) = difference(before, after, BESIDE).items
    assert (item.name, item.kinds, item.labels) == ("quality:choices", ["changed"], set())
    # Nor are answers to a tag that a config of choices has no more.
    old = label_changes.count([Change("1", None, beat(1, NORMAL, choice("low", tag="mood")))], config=SINGLE)
    assert old.labels == {"normal": {"+": 1}}


def test_they_are_kept_and_shown(tmp_path: Path) -> None:
    past = Past(tmp_path / "past")
    past.write()
    (past.root / "data/label_config.xml").write_text(BESIDE_XML, encoding="utf-8")
    past.label([beat(1, WALK, GOOD)], "one")
    past.label([beat(1, WALK, BAD)], "two")
    assert show(past.repository).lines()[4:] == [
        "one",
        "  ~ choices  good -> bad  ann@example.com  1-4c63c0/quality:choices",
        "no label in 1 annotation of 1 series",
    ]
    assert diff(past.repository, "HEAD~1", "HEAD", DiffFilter(label="bad")).differences == []
    assert list(log(past.repository, "HEAD", DiffFilter(label="bad"))) == []
    assert tag(past.repository, "good").counts == "labels: 1 in 1 annotation of 1 series"
    lines = list(git_drivers.textconv(past.repository, (past.root / "data/labels.dvc").read_text("utf-8")))
    assert lines == [
        "one  ann@example.com  1-4c63c0/a  walk  1 .. 2\n",
        "one  ann@example.com  1-4c63c0/quality:choices  choices  bad\n",
    ]


def test_a_label_goes_back_and_what_stands_beside_it_stays() -> None:
    now, then = beat(1, region("a", 3), BAD), beat(1, WALK, GOOD)
    assert revert_record(Change("1", now, then), Selection(labels=("walk",)), BESIDE) == beat(1, WALK, BAD)
    assert revert_record(Change("1", now, then), Selection(labels=("bad",)), BESIDE) is now


# -- no label --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "result", "words"),
    [
        (BESIDE, [], "empty: nothing here"),
        (BESIDE, [GOOD], "empty: nothing here"),
        (SEVERAL, [], "empty: none of the labels"),
        (SINGLE, [], "no choice: teaches nothing"),
        (SINGLE, [choice("low", tag="mood")], "no choice: teaches nothing"),
        (None, [], "empty: nothing here"),
    ],
)
def test_an_annotation_without_a_label_says_what_it_teaches(
    config: label_config.LabelConfig | None, result: list[Item], words: str
) -> None:
    found = beat(1, *result)
    assert difference(None, found, config).words == ["new annotation", words]
    assert difference(beat(1, WALK, NORMAL, GOOD), found, config).words == [words]
    assert difference(found, found | {"ground_truth": True}, config).words == ["ground truth"]
    assert difference(None, found | {"was_cancelled": True}, config).words == ["new annotation", "skipped"]
    assert next(git_drivers.record_lines(found, config)) == f"one  ann@example.com  1-4c63c0  * {words}\n"


def test_the_words_are_what_the_stages_do() -> None:
    empty = [beat(1)]
    assert make_target(empty, SEVERAL).annotations == ("1-4c63c0",)
    assert make_target(empty, SINGLE).annotations == ()
    for config in (SINGLE, SEVERAL):
        assert difference(None, beat(1, NORMAL), config).words == ["new annotation"]


# -- branches --------------------------------------------------------------------------------------


def test_git_merges_choices_of_several(tmp_path: Path) -> None:
    past = Past(tmp_path / "past")
    git_drivers.configure(past.repository.git)
    shutil.copy(Path(__file__).parents[3] / ".gitattributes", past.root)
    past.write()
    (past.root / "data/label_config.xml").write_text(SEVERAL_XML, encoding="utf-8")
    past.label([beat(1, NORMAL)])
    past.git("branch", "walks")
    past.on_walks([beat(1, choice("normal", "noise", name="r"))])
    past.label([beat(1, choice("abnormal"))])
    status, said = past.merge_walks()
    assert (status, "+1 labels came in" in said) == (0, True)
    (merged,) = label_store.records(past.repository, past.repository.git.labels_at("HEAD"))
    assert merged["result"] == [choice("abnormal", "noise")]


# -- on real servers -------------------------------------------------------------------------------


def lab(project: Project, folder: Path, xml: str) -> Lab:
    """One recording, and what is asked of it."""
    (folder / "recordings").mkdir()
    (folder / "recordings/one.csv").write_bytes(recording())
    (folder / "config.xml").write_text(xml, encoding="utf-8")
    import_recordings(project, str(folder / "recordings"), config_file=folder / "config.xml")
    state = project.remote.state()
    assert state is not None
    return Lab(project, state.project)


def test_a_choice_beside_regions_makes_a_commit_without_a_label(empty: Project, tmp_path: Path) -> None:
    made = lab(empty, tmp_path, BESIDE_XML)
    marked = record("one", 1, (0.1, 0.5, "walk"))["result"]
    number = empty.studio.annotate(made.tasks()["one"], [*marked, GOOD])
    done = made.sync()
    assert done.subject == "labels: +1 in 1 series; series: +1"
    body = empty.repository.git.run("show", "--no-patch", "--format=%b", done.commit)
    assert "good" not in body
    empty.studio.update_annotation(number, result=[*marked, BAD])
    assert made.sync().subject == "labels: 1 annotation without a label changed in 1 series"
    assert made.labels()["one"][0]["result"] == [*marked, BAD]


def test_choices_of_several_meet_in_a_sync(empty: Project, tmp_path: Path) -> None:
    made = lab(empty, tmp_path, SEVERAL_XML)
    number = empty.studio.annotate(made.tasks()["one"], [NORMAL])
    first = made.sync()
    empty.studio.update_annotation(number, result=[choice("normal", "abnormal")])
    more = made.sync()
    empty.studio.update_annotation(number, result=[NORMAL])
    made.sync()
    # git brings `abnormal` back while somebody chooses `noise` in Label Studio.
    empty.repository.git.run("checkout", more.commit, "--", "data/labels.dvc")
    empty.studio.update_annotation(number, result=[choice("normal", "noise", name="r")])
    assert made.sync().pushed == 1
    held = empty.studio.annotation(number)
    assert held is not None
    assert held["result"] == made.labels()["one"][0]["result"] == [choice(*LABELS)]
    assert (first.subject, made.sync().commit) == ("labels: +1 in 1 series; series: +1", "")
