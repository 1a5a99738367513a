"""Import on real servers: a bad recording is named with its row, the others go on, and twice is once."""

from __future__ import annotations

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipelines.import_.import_ import import_recordings
from storage.errors import InputError
from storage.project import Project
from tests.conftest import CONFIG, recording, result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good recordings and a label config."""
    (tmp_path / "series/deep").mkdir(parents=True)
    (tmp_path / "series/one.csv").write_bytes(recording(seed=1))
    (tmp_path / "series/deep/two ü+%.csv").write_bytes(recording(seed=2))
    (tmp_path / "config.xml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def export(folder: Path, *tasks: dict[str, Any]) -> Path:
    """Write a Label Studio export."""
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def task(address: str, *results: list[dict[str, Any]], **data: Any) -> dict[str, Any]:
    """One task of an export."""
    annotations = [{"id": 70 + n, "completed_by": 1, "result": found} for n, found in enumerate(results)]
    return {"id": 7, "data": {"csv": address, **data}, "annotations": annotations}


def held(project: Project) -> dict[str, list[Any]]:
    """Results of all annotations in Label Studio, by series."""
    state = project.remote.state()
    assert state is not None
    tasks = project.studio.tasks(state.project)
    return {t.data["series"]: [a["result"] for a in project.studio.annotations(t.id)] for t in tasks}


def test_keys_are_paths_and_twice_is_once(empty: Project, folder: Path) -> None:
    first = import_recordings(empty, str(folder / "series"), config_file=folder / "config.xml")
    assert (first.added, first.unchanged, first.refused) == (2, 0, 0)
    assert sorted(o.key for o in empty.bucket.objects("series/")) == [
        "series/deep/two ü+%.csv",
        "series/one.csv",
    ]
    assert sorted(held(empty)) == ["deep/two ü+%", "one"]
    again = import_recordings(empty, str(folder / "series"))
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    assert again.url == first.url
    (folder / "series/one.csv").write_bytes(recording(seed=9))
    assert import_recordings(empty, str(folder / "series/*.csv")).changed == 1
    assert import_recordings(empty, str(folder / "series/one.csv")).unchanged == 1


def test_label_studio_shows_the_recording_through_itself(empty: Project, folder: Path) -> None:
    import_recordings(empty, str(folder / "series"), config_file=folder / "config.xml")
    state = empty.remote.state()
    assert state is not None
    for found in empty.studio.tasks(state.project):
        data = empty.studio.download(found.data["csv"])
        assert data == (folder / "series" / f"{found.data['series']}.csv").read_bytes()


def test_an_export_makes_the_label_config_and_the_annotations_once(empty: Project, folder: Path) -> None:
    uploaded = "/data/upload/3/0a1b2c3d-one.csv"
    path = export(
        folder,
        task(uploaded, result((0.1, 0.5, "walk")), result((0.2, 0.2, "knock")), subject="ann"),
        task("s3://other/series/deep/two ü+%.csv", []),
    )
    done = import_recordings(empty, str(folder / "series"), path)
    assert (done.annotations, done.known) == (3, 0)
    # Whoever is number 1 of another Label Studio is not whoever imports.
    assert [(f.where, f.fatal) for f in done.findings] == [("annotator-1@export", False)]
    assert held(empty) == {
        "one": [result((0.1, 0.5, "walk")), result((0.2, 0.2, "knock"))],
        "deep/two ü+%": [[]],
    }
    assert empty.label_config.labels == ("knock", "walk")
    assert empty.label_config.channels == ("acc_x", "acc_y")
    assert empty.label_config.time_column == "time"
    again = import_recordings(empty, str(folder / "series"), path)
    assert (again.annotations, again.known) == (0, 3)


def test_what_does_not_fit_is_left_out_and_named(empty: Project, folder: Path) -> None:
    strange = result((0.1, 0.5, "walk"), (0.6, 0.7, "fly"))
    other = [result((0.1, 0.5, "walk"))[0] | {"from_name": "tags"}]
    path = export(folder, task("one.csv", strange, other, result((0.1, 0.5, "run"))), task("none.csv", []))
    done = import_recordings(empty, str(folder / "series"), path, folder / "config.xml")
    assert done.annotations == 1
    assert [(f.where, f.what) for f in done.findings if f.fatal] == [
        ("task 7 (none.csv)", "no recording matches; its 1 annotation(s) were left out"),
        ("task 7 (one.csv), annotation 70", "region b: no label 'fly' in the label config"),
        ("task 7 (one.csv), annotation 71", "region a: no tag 'tags' on 'ts' in the label config"),
    ]
    assert held(empty)["one"] == [result((0.1, 0.5, "run"))]


ROW = "0.00,1,2\n"
BAD = {
    "empty": ("", "", "the file is empty"),
    "header": ("time,acc_x,acc_y\n", ":1", "there is a header and no rows"),
    "missing": ("time,acc_x\n0.00,1\n", ":1", "channel 'acc_y' is missing"),
    "word": (f"time,acc_x,acc_y\n{ROW}0.02,1,zwei\n", ":3", "'zwei' in channel 'acc_y' is not a number"),
    "infinite": (f"time,acc_x,acc_y\n{ROW}0.02,inf,2\n", ":3", "channel 'acc_x' is infinite (inf)"),
    "back": (f"time,acc_x,acc_y\n{ROW}0.02,1,2\n0.01,1,2\n", ":4", "time goes back, from 0.02 to 0.01"),
    "twice": (f"time,acc_x,acc_y\n{ROW}0.00,1,2\n", ":3", "the time 0 is there twice"),
}


def test_bad_recordings_are_refused_with_their_row_and_the_others_go_on(empty: Project, folder: Path) -> None:
    for name, (text, _, _) in BAD.items():
        (folder / f"series/{name}.csv").write_text(text, encoding="utf-8")
    done = import_recordings(empty, str(folder / "series"), config_file=folder / "config.xml")
    assert (done.added, done.refused) == (2, len(BAD))
    fatal = {f.where: f.what for f in done.findings if f.fatal}
    assert fatal == {f"{folder}/series/{name}.csv{row}": what for name, (_, row, what) in BAD.items()}
    assert all(f.cure for f in done.findings)
    assert sorted(held(empty)) == ["deep/two ü+%", "one"]


def test_a_recording_that_cannot_be_read_is_named_and_the_others_go_on(empty: Project, folder: Path) -> None:
    (folder / "series/folder.csv").mkdir()
    (folder / "series/broken.csv").symlink_to(folder / "nowhere.csv")
    (folder / "series/UPPER.CSV").write_bytes(recording(seed=5))
    done = import_recordings(empty, str(folder / "series"), config_file=folder / "config.xml")
    assert (done.added, done.refused) == (3, 1)
    assert [(Path(f.where).name, f.what) for f in done.findings] == [
        ("broken.csv", "cannot be read: No such file or directory")
    ]
    assert sorted(held(empty)) == ["UPPER", "deep/two ü+%", "one"]


def test_odd_but_readable_recordings_are_taken_and_named(empty: Project, folder: Path) -> None:
    (folder / "series/bom.csv").write_bytes(b"\xef\xbb\xbf" + recording(seed=3))
    (folder / "series/windows.csv").write_bytes(recording(seed=4).replace(b"\n", b"\r\n"))
    (folder / "series/short.csv").write_text(f"time,acc_x,acc_y\n{ROW}", encoding="utf-8")
    (folder / "series/extra.csv").write_text(
        f"time,acc_x,acc_y,temp\n{ROW[:-1]},9\n0.02,1,2,9\n", encoding="utf-8"
    )
    (folder / "series/gap.csv").write_text(f"time,acc_x,acc_y\n{ROW}0.02,,nan\n0.04,1,2\n", encoding="utf-8")
    (folder / "series/slow.csv").write_text(f"time,acc_x,acc_y\n{ROW}1.00,1,2\n2.00,1,2\n", encoding="utf-8")
    done = import_recordings(empty, str(folder / "series"), config_file=folder / "config.xml")
    assert (done.added, done.refused) == (8, 0)
    named = {Path(f.where.partition(".csv")[0]).name for f in done.findings}
    assert {"short", "extra", "gap", "slow"} <= named


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            {"path": "nowhere"},
            "no recording was found\n  where: nowhere\n  why: no *.csv there\n  next: labeltrail import FOLDER",
        ),
        (
            {"path": "{folder}/series"},
            "this project has no label config yet\n"
            "  where: {root}/data/label_config.xml\n"
            "  next: labeltrail import PATH --label-config FILE",
        ),
        (
            {"path": "{folder}/series", "labels": "{folder}/none.json"},
            "the export is not there\n  where: {folder}/none.json\n  next: check the path",
        ),
        (
            {"path": "{folder}/series", "labels": "{folder}/config.xml"},
            "the export is not JSON\n"
            "  where: {folder}/config.xml\n"
            "  why: Expecting value: line 1 column 1 (char 0)\n"
            "  next: export the project from Label Studio as JSON",
        ),
        (
            {"path": "{folder}/series", "config_file": "{folder}/series/one.csv"},
            "the label config is not XML\n"
            "  where: {folder}/series/one.csv\n"
            "  why: syntax error: line 1, column 0\n"
            "  next: mend the label config, then run the command again",
        ),
    ],
)
def test_a_wrong_call_says_what_to_do_and_uploads_nothing(
    empty: Project, folder: Path, arguments: dict[str, str], error: str
) -> None:
    places = {"folder": str(folder), "root": str(empty.root)}
    filled = {name: value.format(**places) for name, value in arguments.items()}
    path = filled.pop("path")
    with pytest.raises(InputError) as caught:
        import_recordings(empty, path, **{name: Path(value) for name, value in filled.items()})
    assert str(caught.value) == error.format(**places)
    assert list(empty.bucket.objects("")) == []


def test_no_good_recording_uploads_nothing(empty: Project, folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "x.csv").write_text("", encoding="utf-8")
    (bad / "y.csv").write_text("", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        import_recordings(empty, str(bad), config_file=folder / "config.xml")
    assert caught.value.what == "no recording can be used; nothing was uploaded"
    assert caught.value.why == "the file is empty (and 1 more refused)"
    assert list(empty.bucket.objects("")) == []


def test_an_export_that_brings_its_recordings_along(empty: Project, folder: Path) -> None:
    """Task data by inline JSON columns and by http address (FEATURES A2)."""
    columns = {"time": [0.0, 0.02, 0.04], "acc_x": [1, None, 3.5], "acc_y": [4, 5, 6]}
    regions = result((0.0, 0.02, "walk"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/series"
        path = export(
            folder,
            {
                "id": 1,
                "data": {"csv": columns, "subject": "ann"},
                "annotations": [{"id": 5, "result": regions}],
            },
            {"id": 2, "data": {"csv": f"{address}/one.csv?x=1"}, "annotations": [{"id": 6, "result": []}]},
            {"id": 3, "data": {"csv": f"{address}/none.csv"}},
            {"id": 4, "data": {"csv": "s3://elsewhere/four.csv"}},
            {"id": 5, "data": {"csv": {**columns, "acc_y": [1]}}},
        )
        inline = CONFIG.replace('valueType="url"', 'valueType="json"')
        (folder / "config.xml").write_text(inline, encoding="utf-8")
        done = import_recordings(empty, str(path), config_file=folder / "config.xml")
        server.shutdown()
    assert (done.added, done.refused, done.annotations) == (2, 3, 2)
    assert [
        (f.where, f.what) for f in done.findings if (f.fatal and "cannot" in f.what) or "columns" in f.what
    ] == [
        ("task 3 (none.csv)", "the recording cannot be fetched: HTTP Error 404: File not found"),
        (
            "task 4 (four.csv)",
            "the recording cannot be fetched: s3://elsewhere/four.csv is no http(s) address",
        ),
        ("task 5 (task5.csv)", "the columns do not make a recording: time: 3, acc_x: 3, acc_y: 1"),
    ]
    assert held(empty) == {"one": [[]], "task1": [regions]}
    assert empty.bucket.get("series/task1.csv")[0] == b"time,acc_x,acc_y\n0.0,1,4\n0.02,,5\n0.04,3.5,6\n"
    assert not empty.label_config.inline, "the recordings lie in the bucket now"


class Files(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""
