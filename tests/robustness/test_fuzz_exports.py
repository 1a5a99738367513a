"""Fuzz targets: exports of Label Studio in all forms, addresses in them, and maps of annotators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pipelines.import_ import import_labels, import_people
from pipelines.import_.import_people import People
from pipelines.import_.result import ImportResult
from storage.errors import LabeltrailError
from storage.label_studio import label_config
from storage.labels import export, export_recordings
from storage.labels.export_address import path_of
from storage.labels.export_match import match
from tests.support.fuzzing import TAKEN, Fuzz, refused
from tests.support.hostile import damaged, json_bytes, texts

CONFIG = label_config.parse(label_config.render(("x", "y"), ("walk", "run"), "time"))
WHOLE = label_config.parse(label_config.render(("x",), ("walk", "run"), "time", task="multiclass"))
SERIES = ["r0", "ann/day1", "ben/day1", "Walk test (1)", "Häuser 2"]
VALUE = {"start": 0.1, "end": 0.5, "instant": False, "timeserieslabels": ["walk"]}
REGION = {"id": "a", "from_name": "label", "to_name": "ts", "type": "timeserieslabels", "value": VALUE}
CHOICE = {"id": "b", "from_name": "label", "to_name": "ts", "type": "choices", "value": {"choices": ["run"]}}
MADE = "2026-01-01T10:00:00Z"
TASKS = [
    {"id": 1, "data": {"csv": "/data/upload/1/0a1b2c3d-r0.csv", "subject": "ann"}, "predictions": [4],
     "annotations": [
         {"id": 5, "completed_by": 3, "lost": 5, "result": [REGION], "created_at": MADE, "was_cancelled": False},
         {"id": 6, "completed_by": {"id": 3, "email": "a@b.c"}, "result": [CHOICE], "ground_truth": True}]},
    {"id": 2, "data": {"csv": {"time": [0, 1], "x": [1, 2], "y": [1, None]}}, "drafts": [{"id": 1}]},
]  # fmt: skip
ROWS = [
    {
        "csv": "ann/day1.csv",
        "id": 1,
        "label": [VALUE],
        "annotator": 2,
        "annotation_id": 9,
        "created_at": MADE,
    },
    {"csv": "r0.csv", "id": 2, "label": "run", "annotator": None, "annotation_id": None, "lead_time": 2},
]
CELL = '"[{""start"":1,""end"":2,""timeserieslabels"":[""walk""]}]"'
TABLE = f"annotation_id,annotator,csv,id,label\n9,2,r0.csv,1,{CELL}\n"


def test_exports(fuzz: Fuzz, tmp_path: Path) -> None:
    """What is read can be matched, sent, written and printed; all else is refused by the name of the file."""

    def check(example: tuple[str, bytes, Any]) -> str:
        name, data, config = example
        path = tmp_path / name
        path.write_bytes(data)
        done = ImportResult()
        try:
            tasks = export.read(path, config)
        except LabeltrailError as error:
            return refused(error, str(path))
        matched = import_labels.match_recordings(tasks, SERIES, done)
        people = People(
            {"a@b.c": 1}, "me@b.c", {}, import_people.addresses(a for t in tasks for a in t.annotations)
        )
        wanted = import_labels.annotations_of(matched, config or CONFIG, people, done)
        import_labels.note_people(people, None, done)
        json.dumps([one.result for some in wanted.values() for one in some], allow_nan=False).encode()
        json.dumps(done.to_json(), ensure_ascii=False).encode()
        lost = done.left_out.get("annotations", 0)
        assert sum(len(t.annotations) for t in tasks) == lost + sum(map(len, wanted.values())), (
            "lost or doubled"
        )
        near = [task for task in tasks if not task.address.startswith("http")]
        try:
            found = export_recordings.write(near, tmp_path / "in").files
            assert all(
                file.is_relative_to(tmp_path / "in") and ".." not in file.parts for file in found.values()
            )
            label_config.parse(export.label_config(tasks, ["time", "x"]))
        except LabeltrailError as error:
            refused(error) if error.where or error.why else None
        return TAKEN

    def named(name: str, data: st.SearchStrategy[bytes]) -> st.SearchStrategy[tuple[str, bytes, Any]]:
        return st.tuples(st.just(name), data, st.sampled_from([None, CONFIG, WHOLE]))

    fuzz(
        st.one_of(
            named("export.json", json_bytes(TASKS)),
            named("export.json", json_bytes(ROWS)),
            named("export.csv", damaged(TABLE.encode())),
        ),
        check,
    )


def test_addresses_of_recordings(fuzz: Fuzz) -> None:
    """Whatever an address is, it finds one recording, or none, and says so."""
    parts = st.sampled_from([
        "/data/local-files/?d=", "/data/upload/1/0a1b2c3d-", "s3://b/", "http://h/", "/tasks/1/resolve/?fileuri=",
        "ann/", "day1", "r0", ".csv", ".CSV", "%2F", "%", "..", "\\", "?", "#", "[", "Walk_test_1", "//", "@",
    ])  # fmt: skip

    def check(words: list[str]) -> str:
        address = "".join(words)
        assert isinstance(path_of(address), str)
        found = match([export.ExportedTask("task 1", address, {}, [], 0)], SERIES)
        assert sum(map(len, found.series.values())) + len(found.unmatched) + len(found.ambiguous) == 1
        return TAKEN

    fuzz(st.lists(st.one_of(parts, parts, texts), max_size=6), check, outcomes=frozenset({TAKEN}))


def test_maps_of_annotators(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"

    def check(data: bytes) -> str:
        path.write_bytes(data)
        try:
            found = import_people.read_map(path)
        except LabeltrailError as error:
            return refused(error, str(path))
        assert all(name == name.lower() and "@" in email for name, email in found.items())
        return TAKEN

    good = b"3,ann@example.com\nben@old.example,ben@example.com\n"
    fuzz(st.one_of(damaged(good), json_bytes({"3": "ann@example.com"})), check)
