"""Import and ingest of recordings that are not plain, on real servers: stored as the page reads them, or named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import botocore.session
import pytest

from pipelines.import_.import_ import import_recordings
from pipelines.import_.import_files import CONVERTED
from stages import ingest
from storage.artifacts import arrays
from storage.errors import InputError
from storage.project import Project
from tests.conftest import CONFIG, Lab, recording

GOOD = recording(seed=1)
QUOTED = GOOD.replace(b"time,acc_x,acc_y", b'"time","acc_x","acc_y"')
SEMICOLONS = GOOD.replace(b",", b";").replace(b".", b",")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One good recording and a label config."""
    (tmp_path / "series").mkdir()
    (tmp_path / "series/good.csv").write_bytes(GOOD)
    (tmp_path / "config.xml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def take(project: Project, folder: Path) -> tuple[tuple[int, int, int, int], list[tuple[str, str, bool]]]:
    """An import: how many were added, changed, unchanged and refused, and what was found."""
    done = import_recordings(project, str(folder / "series"), config_file=folder / "config.xml")
    found = [(Path(f.where).name, f.what, f.fatal) for f in done.findings]
    return (done.added, done.changed, done.unchanged, done.refused), found


def test_what_the_page_would_misread_is_stored_in_its_form_and_twice_is_once(
    empty: Project, folder: Path
) -> None:
    (folder / "series/quoted.csv").write_bytes(QUOTED)
    (folder / "series/semicolons.csv").write_bytes(SEMICOLONS)
    counts, found = take(empty, folder)
    assert counts == (3, 0, 0, 0)
    assert found == [
        ("quoted.csv", "stored as Label Studio's page reads it: without quotes", False),
        (
            "semicolons.csv",
            "stored as Label Studio's page reads it: separated by commas, not by semicolons; "
            "with a point for each decimal comma",
            False,
        ),
    ]
    for name in ("good", "quoted", "semicolons"):
        assert empty.bucket.get(f"series/{name}.csv")[0] == GOOD
    assert not (empty.root / CONVERTED).exists()
    assert take(empty, folder)[0] == (0, 0, 3, 0)
    state = empty.remote.state()
    assert state is not None
    for task in empty.studio.tasks(state.project):
        assert empty.studio.download(task.data["csv"]) == GOOD


def test_an_etag_is_no_hash(empty: Project, folder: Path) -> None:
    """Objects that were put in parts have an ETag that is no MD5: the same bytes are the same recording."""
    assert take(empty, folder)[0] == (1, 0, 0, 0)
    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=empty.settings.s3_endpoint,
        aws_access_key_id=empty.settings.access_key_id,
        aws_secret_access_key=empty.settings.secret_access_key.get_secret_value(),
        region_name="us-east-1",
    )
    place = {"Bucket": empty.bucket.name, "Key": "series/good.csv"}

    def put_in_parts(data: bytes) -> None:
        upload = client.create_multipart_upload(**place)["UploadId"]
        part = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=data)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)

    put_in_parts(GOOD)
    assert "-" in empty.bucket.get("series/good.csv")[1]
    assert take(empty, folder)[0] == (0, 0, 1, 0)
    put_in_parts(GOOD[:-2] + b"9\n")
    assert take(empty, folder)[0] == (0, 1, 0, 0)
    assert empty.bucket.get("series/good.csv")[0] == GOOD


HEAD = b"time,acc_x,acc_y\n0.00,1,2\n"
HOSTILE = {
    "quote": (HEAD + b'0.02,"1,2\n' + b"0.04,1,2\n" * 30_000, ":3", "its quotes do not pair up"),
    "long_cell": (HEAD + b'0.02,"' + b"1" * 200_000 + b'",2\n', ":3", "its quotes do not pair up"),
    "long_word": (HEAD + b"0.02," + b"x" * 2_000_000 + b",2\n", ":3", "'xxxxx"),
    "long_number": (HEAD + b"0.02," + b"1" * 5_000 + b",2\n", ":3", "channel 'acc_x' is infinite (1111"),
    "wide": (HEAD + b"0.02" + b",1" * 500_000 + b"\n", ":3", "the row has 500001 cells and the header 3"),
    "header": (
        b"time," + b"acc_x," * 100_000 + b"acc_y\n0,1\n",
        ":1",
        "channel 'acc_x' is there 100000 times",
    ),
    "zeros": (b"\0" * 100_000, ":1", "the file holds a zero byte"),
    "escapes": (HEAD + b"0.02,\x1b[31m1,2\n", ":3", "'\\x1b[31m1' in channel 'acc_x' is not a number"),
    "deep": (b"[" * 100_000 + b"\n0,1\n", ":1", "channel 'acc_y' is missing"),
    "quotes": (b'"' * 300_000 + b"\n" + HEAD, ":1", ""),
    "returns": (b"\r" * 300_000, "", "the file is empty"),
    "nothing": (b"", "", "the file is empty"),
}


def test_nothing_in_a_file_ends_the_import_or_ingest(
    lab: Lab, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, (raw, _, _) in HOSTILE.items():
        (folder / f"series/{name}.csv").write_bytes(raw)
        lab.project.bucket.put(f"series/{name}.csv", raw)
    counts, found = take(lab.project, folder)
    assert counts == (1, 0, 0, len(HOSTILE))
    whats = {
        name.partition(".csv")[0]: (name.partition(".csv")[2], what) for name, what, fatal in found if fatal
    }
    assert whats.keys() == HOSTILE.keys()
    for name, (_, row, what) in HOSTILE.items():
        assert whats[name][0] == row
        assert what in whats[name][1]
    assert all(len(what) < 400 for _, what, _ in found)
    lab.sync()
    monkeypatch.chdir(lab.project.root)
    ingest.main()
    quality = json.loads((arrays.PATH / "quality.json").read_text())
    assert quality["refused"].keys() == HOSTILE.keys()
    assert arrays.read_index().series.keys() == {"good", "one", "two", "three"}


def test_what_lies_in_the_bucket_and_is_misread_is_refused_until_it_is_imported(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.project.bucket.put("series/deep/quoted.csv", QUOTED)
    lab.sync()
    monkeypatch.chdir(lab.project.root)
    ingest.main()
    refused = (
        "refused: deep/quoted: Label Studio's page misreads this file, which it would read without quotes; "
        "labeltrail import data/series writes it so; then labeltrail sync"
    )
    assert refused in capsys.readouterr().out
    assert arrays.read_index().series.keys() == {"one", "two", "three"}
    done = import_recordings(Project(lab.project.root), "data/series")
    assert (done.added, done.changed, done.unchanged) == (0, 1, 3)
    lab.sync()
    assert Path("data/series/deep/quoted.csv").read_bytes() == GOOD
    ingest.main()
    assert arrays.read_index().series.keys() == {"one", "two", "three", "deep/quoted"}


def test_words_for_missing_values_in_the_bucket_are_taken_with_a_note(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.project.bucket.put("series/words.csv", b"time,acc_x,acc_y\n0.00,1,NaN\n0.02,1,2\n0.04,1,2\n")
    lab.sync()
    monkeypatch.chdir(lab.project.root)
    ingest.main()
    quality = json.loads((arrays.PATH / "quality.json").read_text())
    whats = [note["what"] for note in quality["series"]["words"]["notes"]]
    assert whats == [
        "1 cell(s) without a number: 1 in 'acc_y'",
        "missing values are words, like NaN: Label Studio's page draws nothing where one is in view",
    ]


def test_files_of_other_kinds_are_said_and_the_rest_goes_on(empty: Project, folder: Path) -> None:
    for name in ("packed.csv.gz", "other.tsv", "._good.csv", "Twice.csv", "twice.csv"):
        (folder / f"series/{name}").write_bytes(GOOD)
    os.mkfifo(folder / "series/pipe.csv")
    counts, found = take(empty, folder)
    assert counts == (1, 0, 0, 0)
    assert [(name, fatal) for name, _, fatal in found] == [
        ("other.tsv", True),
        ("packed.csv.gz", True),
        ("pipe.csv", True),
        ("._good.csv", False),
        ("Twice.csv", True),
    ]


def test_a_refused_import_has_uploaded_nothing(empty: Project, folder: Path) -> None:
    (folder / "series/good.csv").unlink()
    (folder / "series/packed.csv.gz").write_bytes(GOOD)
    with pytest.raises(InputError) as caught:
        take(empty, folder)
    assert caught.value.why == "no *.csv there; 1 file is packed: packed.csv.gz"
    assert caught.value.cure == f"gunzip {folder}/series/packed.csv.gz; then import again"
    assert list(empty.bucket.objects("")) == []
