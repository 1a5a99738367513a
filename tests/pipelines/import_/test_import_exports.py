"""Exports on real servers, in one project: what arrives, whose it is, what is refused and has changed nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pipelines import doctor
from pipelines.import_.import_ import import_recordings
from pipelines.import_.result import ImportResult
from pipelines.sync.result import Options, SyncResult
from pipelines.sync.sync import sync
from stages.timeseries.voting import voters
from storage.errors import InputError
from storage.label_studio import label_config
from storage.labels import snapshot
from storage.labels.snapshot import Record
from storage.project import Project
from storage.project_files import splits_file, tasks_file
from tests.conftest import CONFIG, recording, result
from tests.support.everywhere import Everywhere

# Names of tags and attributes in small letters, and an alias: as people write it, and the page reads it.
XML = CONFIG.replace("timeColumn", "timecolumn").replace('value="walk"', 'value="Walking" alias="walk"')
FILES = {"Walk test (1)": "Walk_test_1", "Häuser 2": "H%C3%A4user_2", "r2": "r2", "r3": "r3"}


class Place:
    """A clone with recordings beside it, whose imports and syncs are each a new process'."""

    def __init__(self, empty: Project, folder: Path) -> None:
        self.root, self.folder = empty.root, folder
        (folder / "series").mkdir()
        for seed, name in enumerate(FILES):
            (folder / f"series/{name}.csv").write_bytes(recording(seed=seed))
        (folder / "config.xml").write_text(XML, encoding="utf-8")

    @property
    def project(self) -> Project:
        return Project(self.root)

    def write(self, name: str, content: Any) -> Path:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def take(self, labels: Any = None, **options: Any) -> ImportResult:
        path = self.write("export.json", labels) if labels is not None else None
        return import_recordings(self.project, str(self.folder / "series"), path, **options)

    def sync(self) -> SyncResult:
        return sync(self.project, Options())

    def records(self) -> list[Record]:
        return [r for some in snapshot.read(self.root / "data/labels").values() for r in some]

    def made(self) -> dict[str, list[str]]:
        """Annotators by series."""
        found: dict[str, list[str]] = {}
        for record in self.records():
            found.setdefault(record["series"], []).append(record["annotator"])
        return {series: sorted(people) for series, people in found.items()}


def uploaded(
    number: int, name: str, annotations: Iterable[dict[str, Any]] = (), **data: Any
) -> dict[str, Any]:
    """A task as Label Studio exports it of an uploaded file."""
    address = f"/data/upload/3/0a1b2c3{number}-{FILES[name]}.csv"
    return {
        "id": number,
        "data": {"csv": address, **data},
        "annotations": list(annotations),
        "predictions": [number],
    }


def said(number: int, by: Any, label: str = "walk", **fields: Any) -> dict[str, Any]:
    """An annotation of somebody."""
    region = result((0.1, 0.5, label))[0] | {"id": f"r{number}"}
    day = f"2026-01-{number:02d}T10:00:00Z"
    return {"id": number, "completed_by": by, "result": [region], "created_at": day, **fields}


WALK, HOUSE = "Walk test (1)", "Häuser 2"
PEOPLE = [
    uploaded(1, WALK, [said(1, 3), said(2, 4), said(3, 5, "run")], subject="ann"),
    uploaded(
        2, HOUSE, [said(4, {"id": 3, "email": "ann@example.com"}), said(5, "ben@example.com")], subject="ben"
    ),
    uploaded(3, "r2", [said(6, None), said(7, 4, "run", was_cancelled=True)]),
]


def test_exports_from_another_label_studio(empty: Project, tmp_path: Path) -> None:
    place = Place(empty, tmp_path)
    xml = tmp_path / "config.xml"
    _refused_imports_change_nothing(place, xml)

    done = place.take(PEOPLE, config_file=xml)
    assert (done.added, done.annotations, done.known, done.reassigned) == (4, 7, 0, 0)
    assert done.left_out == {"predictions": 3}
    ann, four, five = "ann@example.com", "annotator-4@export", "annotator-5@export"
    owner = place.project.studio.whoami()
    assert done.annotators == {ann: 2, four: 2, five: 1, "ben@example.com": 1, owner: 1}
    place.sync()
    assert place.made() == {
        WALK: sorted([ann, four, five]),
        HOUSE: sorted([ann, "ben@example.com"]),
        "r2": sorted([owner, four]),
    }
    # Three votes, not one person's newest word.
    assert len(voters([r for r in place.records() if r["series"] == WALK], "vote")) == 3
    assert place.project.label_config.labels == ("walk", "run", "knock")
    assert place.project.label_config.time_column == "time"
    with Everywhere(place.project).stays():
        foreseen = place.take(PEOPLE, dry_run=True)
        assert (foreseen.annotations, foreseen.known, foreseen.unchanged) == (0, 7, 4)
    assert place.sync().commit == ""
    walked, address = said(2, 4)["result"][0]["value"], PEOPLE[0]["data"]["csv"]
    flat = {
        "csv": address,
        "id": 1,
        "label": [walked],
        "annotator": 4,
        "annotation_id": 2,
        "created_at": None,
    }
    again = place.take([flat], dry_run=True)
    assert (again.annotations, again.known) == (0, 1), "regions of a flat export have no ids"
    _an_export_of_this_very_project_adds_nothing(place)
    _a_map_gives_annotations_to_accounts(place, ann, four)
    _task_data_of_recordings_that_are_there(place)
    _a_label_renamed_in_label_studio(place)
    _a_config_that_label_studio_refuses_stops_a_sync_first(place)


def _refused_imports_change_nothing(place: Place, xml: Path) -> None:
    other = place.write("other.xml", XML.replace('"acc_x"', '"nowhere"'))
    unusable = place.write("names.xml", XML.replace("</View>", '<Header name="ts" value="x"/></View>'))
    away = [uploaded(1, WALK, [said(1, 1, "fly")]), {"id": 2, "data": {"csv": "s3://b/none.csv"}}]
    hostile = [{"id": "/..%2F..%2Fdata%2Fsets", "data": {"csv": {"time": [0, 1]}}}]
    leading = [{"id": 1, "data": {"csv": "http://127.0.0.1:9/..%2F..%2Fdata%2Fsets.csv"}}]
    people = place.write("people.csv", "3;ann@example.com\n")
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("", {"config_file": other}, "channel 'nowhere' is missing"),
        ("", {"config_file": unusable}, "Label config contains non-unique names"),
        ("tasks", {"config_file": xml, "labels": away}, "no label 'fly' in the label config"),
        ("tasks", {"config_file": xml, "labels": hostile}, "`id` is no number of a task"),
        ("export", {"config_file": xml, "labels": leading}, "there is a slash in it"),
        ("", {"config_file": xml, "annotators": people}, "it is no pair of texts"),
    ]
    for kind, options, words in refused:
        path = place.write("tasks.json", options["labels"]) if kind else None
        given = {name: value for name, value in options.items() if name != "labels"}
        source = str(path) if kind == "export" else str(place.folder / "series")
        with Everywhere(place.project).stays(), pytest.raises(InputError) as caught:
            import_recordings(place.project, source, None if kind == "export" else path, **given)
        assert words in str(caught.value), str(caught.value)
        assert caught.value.cure
    assert not (place.root / label_config.PATH).exists()


def _an_export_of_this_very_project_adds_nothing(place: Place) -> None:
    """Its numbers are accounts of here, and whoever has none is known by the annotation."""
    state = place.project.remote.state()
    assert state is not None
    for form, name in (("JSON", "own.json"), ("JSON_MIN", "flat.json"), ("CSV", "own.csv")):
        address = f"/api/projects/{state.project}/export?exportType={form}&download_all_tasks=true"
        path = place.folder / name
        path.write_bytes(place.project.studio.download(address))
        done = import_recordings(place.project, str(place.folder / "series"), path, dry_run=True)
        # Flat forms leave skipped annotations out.
        assert (done.annotations, done.known, done.reassigned) == (0, 7 if form == "JSON" else 6, 0), form
        assert [f for f in done.findings if f.where.startswith("annotator-")] == []


def _a_map_gives_annotations_to_accounts(place: Place, ann: str, four: str) -> None:
    project = place.project
    account = f"four-{project.bucket.name}@example.com"
    project.studio.invite(account, "a-long-password")
    people = place.write("people.csv", f"export,here\n4,{account}\n5,cai@example.com\n")
    done = place.take(PEOPLE, annotators=people)
    assert (done.annotations, done.known, done.reassigned) == (0, 7, 3)
    synced = place.sync()
    assert synced.commit
    assert place.made()[WALK] == sorted([ann, account, "cai@example.com"])
    assert four not in {record["annotator"] for record in place.records()}
    assert place.sync().commit == ""
    again = place.take(PEOPLE, annotators=people)
    assert (again.known, again.reassigned) == (7, 0)


def _task_data_of_recordings_that_are_there(place: Place) -> None:
    """Who a recording is of comes late, contradicts, or would divide a person."""
    more = [uploaded(3, "r2", subject="ann", title="third"), uploaded(2, HOUSE, subject="cai")]
    rows = splits_file.read(place.root / splits_file.PATH)
    home = {row.group: row.split for row in rows.values()}
    if rows["r2"].split != home["ann"]:
        with Everywhere(place.project).stays(), pytest.raises(InputError) as caught:
            place.take(more)
        assert caught.value.what == "group 'ann' is in two splits"
        # The cure cures.
        splits_file.write(
            rows | {"r2": splits_file.Row(rows["r2"].group, home["ann"])}, place.root / splits_file.PATH
        )
    done = place.take(more)
    assert done.task_data == 1
    assert [f.what for f in done.findings if "subject" in f.what] == [
        "its subject is 'ben' here and 'cai' in the export: it was kept"
    ]
    place.sync()
    assert tasks_file.read(place.root / tasks_file.PATH)["r2"] == {"subject": "ann", "title": "third"}
    rows = splits_file.read(place.root / splits_file.PATH)
    assert (rows["r2"].group, rows["r2"].split) == ("ann", rows[WALK].split)
    state = place.project.remote.state()
    assert state is not None
    shown = {t.data["series"]: t.data for t in place.project.studio.tasks(state.project)}
    assert (shown["r2"]["subject"], shown["r2"]["title"], shown[HOUSE]["subject"]) == ("ann", "third", "ben")
    assert place.project.studio.download(shown["r2"]["csv"]) == (place.folder / "series/r2.csv").read_bytes()


def _a_label_renamed_in_label_studio(place: Place) -> None:
    project = place.project
    state = project.remote.state()
    assert state is not None
    text = str(project.studio.projects.get(state.project)["label_config"])
    project.studio.projects.update(state.project, label_config=text.replace('value="run"', 'value="Running"'))
    synced = place.sync()
    (warning,) = synced.warnings
    lacking = f"1 region of label 'run' in 1 series ({WALK}): the label config has no such label"
    assert warning.startswith(lacking)
    cure = '<Label value="NEW NAME" alias="run"/>'
    assert cure in warning
    check = next(c for c in doctor.examine(place.project) if c.name == "labels")
    assert (check.passed, check.detail.partition(";")[0]) == (False, lacking)
    assert cure in check.cure
    mended = text.replace('value="run"', 'value="Running" alias="run"')
    place.project.studio.projects.update(state.project, label_config=mended)
    assert place.sync().warnings == []
    assert next(c for c in doctor.examine(place.project) if c.name == "labels").passed


def _a_config_that_label_studio_refuses_stops_a_sync_first(place: Place) -> None:
    """A control tag that annotations have cannot be renamed: nothing else is written either."""
    project, path = place.project, place.root / label_config.PATH
    task = next(iter(project.studio.tasks(project.remote.state().project)))  # type: ignore[union-attr]
    project.studio.annotate(task.id, result((0.7, 0.9, "knock")))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('name="label"', 'name="other"'), encoding="utf-8")
    pointer = place.root / "data/labels.dvc"
    before = project.repository.git.head(), pointer.read_bytes(), project.remote.state()
    with pytest.raises(InputError) as caught:
        place.sync()
    assert "Created annotations are incompatible" in caught.value.why
    project = place.project
    assert before == (
        project.repository.git.head(),
        (place.root / "data/labels.dvc").read_bytes(),
        project.remote.state(),
    )
    path.write_text(text, encoding="utf-8")
    assert place.sync().commit
