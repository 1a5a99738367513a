"""What whole recordings were chosen to be: counted, compared, merged, rolled back and imported like regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.history.diff import diff
from pipelines.history.log import log
from pipelines.history.show import show
from pipelines.history.tag import tag
from pipelines.history.trace import trace
from pipelines.import_.import_ import import_recordings
from pipelines.rollback.partial import Selection, revert_record
from pipelines.rollback.rollback import rollback
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage.errors import ConflictError, InputError
from storage.label_studio import label_config
from storage.labels import conflicts, export, label_changes
from storage.labels.diff import DiffFilter, difference
from storage.labels.snapshot import Record
from storage.labels.three_way import Change, Settlement
from storage.project import Project
from tests.conftest import Lab, recording
from tests.support.history_project import Past, record

CHANNELS = ("acc_x", "acc_y")
LABELS = ("normal", "abnormal", "noise")
CONFIG = label_config.render(CHANNELS, LABELS, "time", task="multiclass")
Item = dict[str, Any]


def choice(*values: str, name: str = "q", tag: str = "label") -> Item:
    """Label Studio's form of what is chosen for a whole recording."""
    return {
        "id": name, "from_name": tag, "to_name": "ts", "type": "choices", "value": {"choices": list(values)}
    }  # fmt: skip


def beat(number: int, *items: Item, series: str = "one", **fields: Any) -> Record:
    return record(series, number, **fields) | {"result": list(items)}


NORMAL, ABNORMAL, AGAIN = choice("normal"), choice("abnormal"), choice("normal", name="r")


# -- in words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "regions", "labels"),
    [
        ([], [NORMAL], {"+": 1}, {"normal": {"+": 1}}),
        ([NORMAL], [ABNORMAL], {"~": 1}, {"abnormal": {"~": 1}}),
        ([NORMAL], [choice("abnormal", name="r")], {"~": 1}, {"abnormal": {"~": 1}}),
        ([NORMAL], [], {"-": 1}, {"normal": {"-": 1}}),
        ([NORMAL], [AGAIN], {}, {}),
        ([choice("a", "b")], [choice("b", "c")], {"+": 1, "-": 1}, {"c": {"+": 1}, "a": {"-": 1}}),
        ([choice("a")], [choice("a", "b")], {"+": 1}, {"b": {"+": 1}}),
        ([NORMAL], [NORMAL, choice("low", tag="mood")], {"+": 1}, {"low": {"+": 1}}),
    ],
)
def test_each_value_that_was_chosen_counts(
    before: list[Item], after: list[Item], regions: dict[str, int], labels: dict[str, dict[str, int]]
) -> None:
    counts = label_changes.count([Change("1", beat(1, *before), beat(1, *after))])
    assert (counts.regions, counts.labels, counts.annotations) == (regions, labels, {"~": 1})


def test_choices_on_regions_and_of_skipped_annotations_are_no_labels() -> None:
    marked = record("one", 1, (0.1, 0.5, "walk"))["result"]
    timed = choice("good") | {"value": {"start": 1, "end": 2, "choices": ["good"]}}
    after = beat(1, *marked, choice("bad", name="a"), timed)
    assert label_changes.count([Change("1", None, after)]).labels == {"walk": {"+": 1}}
    assert label_changes.record_labels(after) == ["walk"]
    assert [(i.name, i.labels) for i in difference(None, after).items] == [
        ("a", {"walk"}),
        ("a:choices", set()),
        ("q:choices", set()),
    ]
    skipped = label_changes.count([Change("1", None, beat(2, NORMAL, was_cancelled=True))])
    assert (skipped.regions, skipped.annotations) == ({}, {"+": 1})


def test_log_show_diff_and_tag(tmp_path: Path) -> None:
    past = Past(tmp_path / "past")
    past.label([beat(1, NORMAL), beat(2, NORMAL, series="two", by="ben@example.com")])
    past.label([beat(1, choice("abnormal", name="r"))])
    entries = [entry.lines()[1:] for entry in log(past.repository)]
    assert entries == [
        [
            "    labels: ~1 -1 in 2 series",
            "    abnormal ~1, normal -1; by ann@example.com ~1, ben@example.com -1",
            "    in one, two",
        ],
        [
            "    labels: +2 in 2 series",
            "    normal +2; by ann@example.com +1, ben@example.com +1",
            "    in one, two",
        ],
    ]
    assert show(past.repository).lines()[4:] == [
        "one",
        "  ~ choices  normal -> abnormal  ann@example.com  1-4c63c0/label:choices",
        "two",
        "  * annotation deleted           ben@example.com  2-373870",
        "  - choices  normal              ben@example.com  2-373870/label:choices",
        "~1 -1 labels in 2 annotations of 2 series",
    ]
    found = diff(past.repository, "HEAD~1", "HEAD", DiffFilter(label="abnormal"))
    assert found.counts.labels == {"abnormal": {"~": 1}}
    assert [item.kinds for item in found.differences[0].items] == [["relabeled"]]
    assert len(list(log(past.repository, "HEAD", DiffFilter(label="abnormal")))) == 1
    assert tag(past.repository, "good").counts == "labels: 1 in 1 annotation of 1 series"


def test_choices_of_one_value_go_back() -> None:
    part = Selection(labels=("abnormal",))
    now, then = beat(1, choice("abnormal", name="r")), beat(1, NORMAL)
    assert revert_record(Change("1", now, then), part) == then
    assert revert_record(Change("1", now, None), part) is None
    assert revert_record(Change("1", now, then), Selection(labels=("noise",))) is now


# -- import of an export ---------------------------------------------------------------------------


def exported(tmp_path: Path, *results: list[Item]) -> Path:
    """An export with a recording for each result."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    tasks = []
    for number, found in enumerate(results):
        (folder / f"{number}.csv").write_bytes(recording(seed=number))
        tasks.append(
            {"id": number, "data": {"csv": f"{number}.csv"}, "annotations": [{"id": 7, "result": found}]}
        )
    (tmp_path / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    return tmp_path / "tasks.json"


@pytest.mark.parametrize(
    ("results", "task", "labels"),
    [
        ([[NORMAL], [ABNORMAL]], "binary", ("abnormal", "normal")),
        ([[NORMAL], [ABNORMAL], [choice("noise")], []], "multiclass", ("abnormal", "noise", "normal")),
        ([[NORMAL], [choice("normal", "noise")]], "multilabel", ("noise", "normal")),
        ([[choice("good", name="a"), *record("x", 1, (0, 1, "walk"))["result"]]], "segmentation", ("walk",)),
    ],
)
def test_the_label_config_that_an_export_makes(
    tmp_path: Path, results: list[list[Item]], task: str, labels: tuple[str, ...]
) -> None:
    tasks = export.read(exported(tmp_path, *results))
    config = label_config.parse(export.label_config(tasks, ["time", "acc_x"]))
    assert (config.task, config.labels, config.control_tag, config.object_tag) == (
        task,
        labels,
        "label",
        "ts",
    )


def test_an_export_with_choices_of_two_tags_makes_no_label_config(tmp_path: Path) -> None:
    tasks = export.read(exported(tmp_path, [NORMAL, choice("low", tag="mood")]))
    with pytest.raises(
        InputError, match="whole recordings have choices of label, mood, and a model is trained on one tag"
    ):
        export.label_config(tasks, ["time", "acc_x"])


def test_what_does_not_fit_a_label_config_that_asks_for_choices() -> None:
    config = label_config.parse(CONFIG)
    (region,) = record("x", 1, (0, 1, "normal"))["result"]
    wrong = [choice("fly"), choice("noise", tag="tags"), choice("normal", "noise", name="s")]
    assert export.problems({"result": [NORMAL]}, config) == []
    assert export.problems({"result": [region, *wrong]}, config) == [
        "region a: the label config asks for choices",
        "choice q: no choice 'fly' in the label config",
        "choice q: no tag 'tags' on 'ts' in the label config",
        "choice s: several, where the label config asks for one",
    ]
    several = label_config.parse(label_config.render(CHANNELS, LABELS, "time", task="multilabel"))
    assert export.problems({"result": [choice("normal", "noise")]}, several) == []


# -- on real servers -------------------------------------------------------------------------------


@pytest.fixture
def beats(empty: Project, tmp_path: Path) -> Lab:
    """Two recordings, each to be called one of three things."""
    (tmp_path / "recordings").mkdir()
    for number, name in enumerate(("one", "two")):
        (tmp_path / "recordings" / f"{name}.csv").write_bytes(recording(seed=number))
    (tmp_path / "config.xml").write_text(CONFIG, encoding="utf-8")
    import_recordings(empty, str(tmp_path / "recordings"), config_file=tmp_path / "config.xml")
    state = empty.remote.state()
    assert state is not None
    return Lab(empty, state.project)


def choose(lab: Lab, series: str, *items: Item) -> int:
    return lab.project.studio.annotate(lab.tasks()[series], items)


def chosen(lab: Lab, series: str) -> list[list[Item]]:
    """What Label Studio holds."""
    return [a["result"] for a in lab.project.studio.annotations(lab.tasks()[series])]


def test_choices_become_label_commits_and_go_back(beats: Lab) -> None:
    studio = beats.project.studio
    made = choose(beats, "one", NORMAL)
    first = beats.sync()
    assert first.subject == "labels: +1 in 1 series; series: +2"
    who = studio.whoami()
    body = beats.project.repository.git.run("show", "--no-patch", "--format=%b", first.commit).split("\n")
    assert body[:3] == ["Annotations: +1", "Label: normal +1", f"Annotator: {who} +1"]
    assert trace(beats.project, record_id(beats)).facts["says"] == "normal"

    studio.update_annotation(made, result=[choice("abnormal", name="r")])
    second = beats.sync()
    assert second.subject == "labels: ~1 in 1 series"
    found = diff(beats.project.repository, first.commit, second.commit)
    assert found.lines()[:2] == [
        "one",
        f"  ~ choices  normal -> abnormal  {who}  {record_id(beats)}/label:choices",
    ]
    assert found.counts.labels == {"abnormal": {"~": 1}}

    back = rollback(Project(beats.project.root), first.commit, Selection())
    assert back.subject == f"labels: ~1 in 1 series; back to {first.commit[:7]}"
    assert chosen(beats, "one") == [[NORMAL]]
    assert beats.labels()["one"][0]["result"] == [NORMAL]
    quiet = beats.sync()
    assert (quiet.commit, quiet.pushed) == ("", 0)


def record_id(lab: Lab) -> str:
    return str(lab.labels()["one"][0]["id"])


def test_a_choice_that_both_sides_changed_is_shown_with_both_values(beats: Lab) -> None:
    studio = beats.project.studio
    made = choose(beats, "one", NORMAL)
    wanted = beats.sync()
    studio.update_annotation(made, result=[choice("noise")])
    beats.sync()
    beats.project.repository.git.run("checkout", wanted.commit, "--", "data/labels.dvc")
    studio.update_annotation(made, result=[choice("abnormal", name="r")])
    name = f"{record_id(beats)}/label:choices"
    with pytest.raises(ConflictError) as caught:
        beats.sync()
    assert caught.value.where.startswith(f"{name} in one (")
    assert caught.value.where.endswith("here normal; in Label Studio abnormal; before noise")
    beats.project = Project(beats.project.root)
    done = sync(beats.project, Options(settlement=Settlement("", {name: "ours"})))
    assert (done.pushed, chosen(beats, "one")) == (1, [[NORMAL]])


def test_an_export_with_choices_is_imported_once(empty: Project, tmp_path: Path) -> None:
    path = exported(tmp_path, [NORMAL], [choice("noise")], [])
    done = import_recordings(empty, str(tmp_path / "recordings"), path)
    assert (done.annotations, done.findings, empty.label_config.task) == (3, [], "binary")
    assert import_recordings(empty, str(tmp_path / "recordings"), path).known == 3
    done = import_recordings(empty, str(tmp_path / "recordings"), exported_again(path, choice("fly")))
    assert [f.what for f in done.findings] == ["choice q: no choice 'fly' in the label config"]


def exported_again(path: Path, item: Item) -> Path:
    tasks = json.loads(path.read_text(encoding="utf-8"))
    tasks[0]["annotations"][0]["result"] = [item]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def test_a_whole_annotation_in_a_conflict_says_what_was_chosen() -> None:
    (region,) = record("x", 1, (0, 1, "walk"))["result"]
    assert conflicts.value_text(beat(1, NORMAL)) == "normal"
    assert conflicts.value_text(beat(1, region, choice("good", tag="quality"))) == "1 region, good"
    assert conflicts.value_text(beat(1)) == "0 regions"
