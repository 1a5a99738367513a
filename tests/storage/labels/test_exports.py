"""Exports of Label Studio, read without a server: forms, addresses, what is refused, who made what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.import_ import import_config, import_people
from pipelines.import_.import_people import People
from pipelines.import_.result import ImportResult
from storage.errors import InputError
from storage.label_studio import label_config
from storage.labels import export, export_recordings
from storage.labels.export_address import path_of
from storage.labels.export_match import match
from tests.conftest import CONFIG

REGION: dict[str, Any] = {
    "id": "a",
    "from_name": "label",
    "to_name": "ts",
    "type": "timeserieslabels",
    "value": {"start": 0.1, "end": 0.5, "instant": False, "timeserieslabels": ["walk"]},
}
COLUMNS = {"time": [0, 1], "acc_x": [1, 2], "acc_y": [1, 2]}


def written(tmp_path: Path, value: Any, name: str = "export.json") -> Path:
    """An export on disk."""
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def annotated(change: Callable[[dict[str, Any]], Any]) -> list[dict[str, Any]]:
    """An export of one task with one annotation, changed."""
    region = json.loads(json.dumps(REGION))
    annotation = {"id": 5, "completed_by": 1, "was_cancelled": False, "result": [region]}
    task = {"id": 7, "data": {"csv": "one.csv", "subject": "ann"}, "annotations": [annotation]}
    change({"task": task, "annotation": annotation, "region": region, "value": region["value"]})
    return [task]


def put(part: str, name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    """A change of one field."""
    return lambda parts: parts[part].update({name: value})


DEEP = "[" * 500 + "]" * 500
MALFORMED: dict[str, tuple[Any, str]] = {
    "no list": ({"tasks": []}, "it is no list of tasks"),
    "a list of numbers": ([1, 2], "`it` is no object: 1"),
    "data that is a list": (annotated(put("task", "data", [])), "`data` is no object with the task's data"),
    "no data": ([{"id": 1}], "`data` is no object"),
    "an id of text": (annotated(put("task", "id", "x" * 300)), "`id` is no number of a task"),
    "an id that is true": (annotated(put("task", "id", True)), "`id` is no number of a task"),
    "an id below zero": (annotated(put("task", "id", -1)), "`id` is no number of a task"),
    "an id too large": (annotated(put("task", "id", 2**63)), "`id` is no number of a task"),
    "a path for an id": (annotated(put("task", "id", "/..%2F..%2Fdata%2Fsets")), "`id` is no number of a task"),
    "annotations that are 5": (annotated(put("task", "annotations", 5)), "`annotations` is no list: 5"),
    "annotations of numbers": (annotated(put("task", "annotations", [5])), "`annotations[0]` is no annotation"),
    "predictions of an object": (annotated(put("task", "predictions", {"a": 1})), "`predictions` is no list"),
    "drafts that are text": (annotated(put("task", "drafts", "a")), "`drafts` is no list"),
    "a result of numbers": (annotated(put("annotation", "result", [1])), "result[0]` is no region or choice"),
    "a result of text": (annotated(put("annotation", "result", "walk")), "annotations[0].result` is no list"),
    "a list of people": (annotated(put("annotation", "completed_by", ["a"])), "completed_by` is neither"),
    "a person with no name": (annotated(put("annotation", "completed_by", {})), "completed_by` is neither"),
    "a person that is true": (annotated(put("annotation", "completed_by", True)), "completed_by` is neither"),
    "a person on two lines": (annotated(put("annotation", "completed_by", "a@b\nc")), "completed_by` is neither"),
    "a number for an address": (annotated(put("annotation", "completed_by", {"id": 3, "email": 5})), "` is neither"),
    "a person in a person": (annotated(put("annotation", "completed_by", {"id": {"id": 3}})), "` is neither"),
    "an address for a number": (annotated(put("annotation", "completed_by", {"id": "a@b.c"})), "` is neither"),
    "skipped by a word": (annotated(put("annotation", "was_cancelled", "no")), "was_cancelled` is neither true nor"),
    "a star of a number": (annotated(put("annotation", "ground_truth", 1)), "ground_truth` is neither true nor"),
    "an annotation's id": (annotated(put("annotation", "id", False)), "annotations[0].id` is no number"),
    "time spent": (annotated(put("annotation", "lead_time", "long")), "lead_time` is no number of seconds"),
    "a value that is a list": (annotated(put("region", "value", [])), "result[0].value` is no object"),
    "labels that are text": (annotated(put("value", "timeserieslabels", "walk")), "timeserieslabels` is no list"),
    "labels of numbers": (annotated(put("value", "timeserieslabels", [1])), "timeserieslabels` is no list"),
    "a label too long": (annotated(put("value", "timeserieslabels", ["x" * 1001])), "of 1 to 1000 characters"),
    "a start in a list": (annotated(put("value", "start", [1])), "value.start` is no time"),
    "a start beyond all": (annotated(put("value", "start", 10**400)), "value.start` is no time"),
    "a tag that is a number": (annotated(put("region", "from_name", 3)), "from_name` is no text"),
    "half a character": (annotated(put("value", "timeserieslabels", ["\ud800"])), "labels.0` holds a lone surrogate"),
    "half a character in data": (annotated(put("task", "data", {"b": "\udc00"})), "`data.b` holds a lone surrogate"),
    "deep": (f'[{{"id": 1, "data": {{"csv": "a.csv", "x": {DEEP}}}}}]', "more than 100 deep"),
    "very deep": ("[" * 200_000, "not JSON" ""),
    "cut off": ('[{"id": 1, "da', "line 1 column"),
    "no text": ("\x00\x01", "line 1 column 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_export_is_one_error_that_names_task_and_field(name: str, tmp_path: Path) -> None:
    value, words = MALFORMED[name]
    path = written(tmp_path, value)
    with pytest.raises(InputError) as caught:
        export.read(path)
    if words != "not JSON":
        assert words in caught.value.why
    assert caught.value.where.startswith(str(path))
    assert caught.value.cure
    assert len(str(caught.value)) < 800
    if "`" in caught.value.why and "it`" not in caught.value.why and name != "no data":
        assert ": task" in caught.value.where


def test_what_label_studio_writes_is_taken(tmp_path: Path) -> None:
    odd = (
        '[{"id": 1, "data": {"csv": "one.csv"}, "annotations": [{"completed_by": {"id": 3, "email": "a@b.c"},'
    )
    odd += (
        ' "result": [{"id": "x", "value": {"start": 1, "end": NaN}}], "lead_time": null, "prediction": {}}],'
    )
    odd += ' "predictions": [4, 5], "drafts": [{"id": 1}]}]'
    (task,) = export.read(written(tmp_path, odd))
    assert (task.name, task.predictions, task.drafts) == ("task 1 (one.csv)", 2, 1)
    assert task.annotations[0]["result"][0]["value"] == {"start": 1, "end": None}


def test_annotations_of_an_old_export_are_not_lost_beside_new_ones(tmp_path: Path) -> None:
    new, old = ({"id": number, "result": []} for number in (5, 4))
    value = [{"id": 1, "data": {"csv": "one.csv"}, "annotations": [new], "completions": [old, new]}]
    (task,) = export.read(written(tmp_path, value))
    assert task.annotations == [new, old]


# -- keys -----------------------------------------------------------------------------------------

KEYS = {
    "up": "http://example.com/a/..%2F..%2Fdata%2Fsets.csv",
    "absolute": "http://example.com/%2Fetc%2Fpasswd.csv",
    "dots": "http://example.com/...csv",
    "backslash": "http://example.com/..%5C..%5Cx.csv",
    "control": "http://example.com/a%0Ab.csv",
    "zero": "http://example.com/a%00b.csv",
    "nothing": "http://example.com/.csv",
    "long": f"http://example.com/{'x' * 300}.csv",
    "junk": "http://example.com/x.part.csv/._x",
}


@pytest.mark.parametrize("name", KEYS)
def test_no_address_leads_out_of_the_folder_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    good = {"id": 1, "data": {"csv": COLUMNS}}
    config = label_config.parse(CONFIG)
    tasks = export.read(written(tmp_path, [good, {"id": 2, "data": {"csv": KEYS[name]}}]), config)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        export_recordings.write(tasks, tmp_path / "in/here")
    assert caught.value.what.startswith("a recording of the export cannot be called")
    assert caught.value.where.startswith("task 2 (")
    assert caught.value.cure == export_recordings.FOLDER
    assert sorted(tmp_path.rglob("*")) == before


def test_two_recordings_of_one_key_are_refused(tmp_path: Path) -> None:
    addresses = [
        ["http://e.com/ann/day1.csv", "http://e.com/ben/day1.csv"],
        ["http://e.com/a.csv", "http://e.com/A.csv"],
    ]
    for pair in addresses:
        tasks = [{"id": n, "data": {"csv": address}} for n, address in enumerate(pair, 1)]
        with pytest.raises(InputError, match=r"two tasks would have one series key|cannot be called"):
            export_recordings.write(export.read(written(tmp_path, tasks)), tmp_path / "in")
    twice = [{"id": 4, "data": {"csv": COLUMNS}}, {"id": 4, "data": {"csv": COLUMNS | {"acc_x": [5, 6]}}}]
    with pytest.raises(InputError, match="two tasks would have one series key, 'task4'"):
        export_recordings.write(export.read(written(tmp_path, twice)), tmp_path / "in")
    assert not (tmp_path / "in").exists()


# -- addresses ------------------------------------------------------------------------------------

FILES = [
    "plain",
    "Walk test (1)",
    "Häuser 2",
    "s3.run+fast",
    "ann/day1",
    "ben/day1",
    "a&b=c",
    "a,b;c",
    "50%",
    "x" * 120,
]
ADDRESSES = {
    "/data/local-files/?d=recordings/plain.csv": "plain",
    "/data/local-files/?d=rec%2Fann%2Fday1.csv": "ann/day1",
    "/data/local-files/?d=C%3A%5Crec%5Cben%5Cday1.csv": "ben/day1",
    "http://label.example/data/local-files/?d=ann/day1.csv": "ann/day1",
    "/data/upload/2/c9221741-plain.csv": "plain",
    "/data/upload/2/8c2499c0-Walk_test_1.csv": "Walk test (1)",
    "/data/upload/2/e3ba2a99-H%C3%A4user_2.csv": "Häuser 2",
    "/data/upload/2/3c73f49f-s3.runfast.csv": "s3.run+fast",
    "/data/upload/2/9cb1e884-50.csv": "50%",
    "/data/upload/2/bbaad3a1-plain.CSV": "plain",
    f"/data/upload/2/d6ee6426-{'x' * 70}_ePdpHsI.csv": "x" * 120,
    "s3://bucket/deep/50%.csv": "50%",
    "s3://bucket/rec/ann/day1.csv": "ann/day1",
    "gs://bucket/plain.csv": "plain",
    "azure-blob://container/Häuser 2.csv": "Häuser 2",
    "https://x.s3.amazonaws.com/ben/day1.csv?X-Amz-Signature=abc%2Fd.csv": "ben/day1",
    "https://example.com/Walk%20test%20%281%29.csv": "Walk test (1)",
    "/tasks/9/resolve/?fileuri=czM6Ly9idWNrZXQvcGxhaW4uY3N2": "plain",
    "recordings/s3.run+fast.csv": "s3.run+fast",
    "/data/upload/2/d74e4ab2-abc.csv": "?",
    "day1.csv": "?",
    "elsewhere/day1.csv": "?",
    "none.csv": "",
    "/data/upload/2/3c73f49f-none.csv": "",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_finds_its_recording_and_nothing_is_guessed(address: str) -> None:
    task = export.ExportedTask("task 1", address, {}, [], 0)
    found = match([task], FILES)
    wanted = ADDRESSES[address]
    assert sorted(found.series) == ([wanted] if wanted not in ("?", "") else [])
    assert len(found.ambiguous) == (wanted == "?")
    assert len(found.unmatched) == (wanted == "")


def test_two_addresses_of_one_recording_are_not_mixed() -> None:
    def task(number: int, address: str) -> export.ExportedTask:
        return export.ExportedTask(f"task {number}", address, {}, [], 0)

    several = [task(1, "ann/day1.csv"), task(2, "ann/day1.csv"), task(3, "s3://b/x/day1.csv")]
    found = match(several, ["ann/day1"])
    assert [t.name for t in found.series["ann/day1"]] == ["task 1", "task 2"]
    assert [t.name for t, _ in found.ambiguous] == ["task 3"]
    same = [task(1, "/data/upload/1/0a1b2c3d-x.csv"), task(2, "/data/upload/1/1a1b2c3d-x.csv")]
    assert len(match(same, ["x"]).ambiguous) == 2
    assert path_of("http://[") == "http://["


# -- the flat forms -------------------------------------------------------------------------------

VALUE = REGION["value"]
ROWS: list[dict[str, Any]] = [
    {"csv": "one.csv", "subject": "ann", "id": 1, "label": [VALUE], "note": "hm", "annotator": 2, "annotation_id": 9,
     "created_at": "2026-01-02T10:00:00Z", "updated_at": "", "lead_time": 5.5},
    {"csv": "one.csv", "subject": "ann", "id": 1, "annotator": 1, "annotation_id": 8,
     "created_at": "2026-01-01T10:00:00Z", "updated_at": "", "lead_time": None},
    {"csv": "two.csv", "id": 2, "annotator": None, "annotation_id": None, "created_at": None},
]  # fmt: skip
TABLE = (
    '"annotation_id","annotator","created_at","csv","id","label","lead_time","subject","updated_at"\n'
    '9,"2","2026-01-02T10:00:00Z","one.csv",1,"[{""start"":0.1,""end"":0.5,""instant"":false,'
    '""timeserieslabels"":[""walk""]}]",5.5,"ann",""\n'
    '8,"1","2026-01-01T10:00:00Z","one.csv",1,"","","ann",""\n"","","","two.csv",2,"","","",""\n'
)


@pytest.mark.parametrize("name", ["export.json", "export.csv", "export.tsv"])
@pytest.mark.parametrize("config", [None, label_config.parse(CONFIG)])
def test_flat_exports_say_the_same_as_json(name: str, config: Any, tmp_path: Path) -> None:
    value: Any = ROWS if name.endswith("json") else TABLE
    if name.endswith("tsv"):
        value = (
            TABLE.replace('","', '"\t"').replace(',"', '\t"').replace('",', '"\t').replace('0.1\t"', '0.1,"')
        )
        value = value.replace('0.5\t"', '0.5,"').replace('false\t"', 'false,"')
    path = written(tmp_path, value, name)
    one, two = export.read(path, config)
    assert one.is_flat
    assert (one.address, one.data["subject"], two.address, two.annotations) == (
        "one.csv",
        "ann",
        "two.csv",
        [],
    )
    older, newer = one.annotations
    assert (older["result"], newer["id"], newer["lead_time"]) == ([], 9, 5.5)
    (region,) = newer["result"]
    assert region | {"id": "a"} == REGION
    assert export.read(path, config)[0].annotations[1]["result"][0]["id"] == region["id"], (
        "the same at every import"
    )
    assert [import_people.identity(a["completed_by"])[0] for a in one.annotations] == ["1", "2"]


def test_choices_and_answers_of_other_tags_in_flat_exports(tmp_path: Path) -> None:
    xml = label_config.render(("x",), ("slow", "fast"), "time", task="binary")
    other = '<TextArea name="mood" toName="ts"/></View>'
    config = label_config.parse(xml.replace("</View>", other))
    row = {"csv": "one.csv", "id": 1, "label": "slow", "mood": "ok", "annotator": 1, "annotation_id": 3}
    (task,) = export.read(written(tmp_path, [row]), config)
    assert [item["value"] for item in task.annotations[0]["result"]] == [{"choices": ["slow"]}]
    assert task.annotations[0]["lost"] == ["mood"]
    assert export.problems(task.annotations[0], config) == []


BAD_TABLES = {
    "columns": ("a,b\n1,2\n", "does not name the columns annotation_id and annotator"),
    "uneven": ("annotation_id,annotator,csv\n1,2\n", "row 2 has another number of cells"),
    "empty": ("", "does not name the columns"),
    "quotes": ('annotation_id,annotator,csv\n1,"2"x,a.csv\n', "expected after"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_table_that_is_no_export(name: str, tmp_path: Path) -> None:
    text, words = BAD_TABLES[name]
    with pytest.raises(InputError) as caught:
        export.read(written(tmp_path, text, "export.csv"))
    assert words in caught.value.why
    assert caught.value.cure == "export the project from Label Studio as JSON"


# -- people ---------------------------------------------------------------------------------------


def test_each_person_stays_one_and_nobody_becomes_another() -> None:
    made = [
        {"completed_by": who}
        for who in (3, 4, {"id": 3, "email": "Ann@example.com"}, "ben@example.com", None, 9)
    ]
    users = {"me@example.com": 1, "ann@example.com": 7}
    people = People(users, "me@example.com", {"9": "cai@example.com"}, import_people.addresses(made))
    found = [people.of(annotation) for annotation in made]
    assert [(person.name, person.account) for person in found] == [
        ("ann@example.com", 7),  # 3 is Ann: the export says so elsewhere
        ("annotator-4@export", None),
        ("ann@example.com", 7),
        ("ben@example.com", None),
        ("me@example.com", 1),
        ("cai@example.com", None),
    ]
    assert found[5].earlier == {"annotator-9@export"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("3,ann@example.com\nBen@old.example, ben@example.com\n", ""),
        ("export,here\n3,ann@example.com\nben@OLD.example,ben@example.com\n", ""),
        ('{"3": "ann@example.com", "ben@old.example": "ben@example.com"}', ""),
        ("3;ann@example.com\n", "it is no pair of texts"),
        ("3,ann@example.com\n4,nobody\n", "nobody is no e-mail address"),
        ("3,a@b.c\n3,d@e.f\n", "3 is there twice"),
        ('{"3": "a@b.c", "3": "d@e.f"}', "3 is there twice"),
        ('{"3": 4}', "it is no pair of texts"),
        ("{", "Expecting property name"),
    ],
)
def test_the_map_of_annotators(text: str, error: str, tmp_path: Path) -> None:
    path = written(tmp_path, text, "people.csv")
    if not error:
        assert import_people.read_map(path) == {"3": "ann@example.com", "ben@old.example": "ben@example.com"}
        return
    with pytest.raises(InputError) as caught:
        import_people.read_map(path)
    assert error in caught.value.why
    assert "7,ann@example.com" in caught.value.cure


# -- the label config -----------------------------------------------------------------------------


def test_labels_of_the_task_data_are_written_into_the_label_config(tmp_path: Path) -> None:
    dynamic = CONFIG.replace('toName="ts"', 'toName="ts" value="$kinds"')
    for label in ("walk", "run", "knock"):
        dynamic = dynamic.replace(
            next(line for line in dynamic.splitlines(True) if f'value="{label}"' in line), ""
        )
    (tmp_path / "config.xml").write_text(dynamic)
    kinds = [
        [{"value": "walk"}, {"value": "Running", "alias": "run"}],
        ["walk", {"value": "knock"}, {"alias": "x"}, 3],
    ]
    given = [{"id": n, "data": {"csv": "one.csv", "kinds": some}} for n, some in enumerate(kinds, 1)]
    found = import_config.read(tmp_path, tmp_path / "config.xml")
    assert found is not None
    assert found.dynamic == "kinds"
    tasks = export.read(written(tmp_path, given), found.parsed)
    done = ImportResult()
    text, parsed = import_config.complete(found, tasks, lambda: tmp_path, tmp_path, done)
    assert (parsed.labels, label_config.parse(text).labels) == (("walk", "run", "knock"),) * 2
    assert [finding.what for finding in done.findings] == [
        "its labels come from the task data ($kinds): the 3 in the export are written into it"
    ]
    for others in ([], [t for t in tasks if not t.data.pop("kinds")]):
        with pytest.raises(InputError, match="leaves its labels to the task data"):
            import_config.complete(found, others, lambda: tmp_path, tmp_path, ImportResult())


def test_a_label_config_without_times_says_that_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("time;acc_x;acc_y\n0;1;2\n")
    (tmp_path / "config.xml").write_text(CONFIG.replace('timeColumn="time"', ""))
    done = ImportResult()
    found = import_config.read(tmp_path, tmp_path / "config.xml")
    import_config.complete(found, [], lambda: tmp_path / "one.csv", tmp_path, done)
    assert done.findings[0].what.endswith("so times are rows, 0, 1, 2; recordings have a column 'time'")
