"""An ETag is a version of a recording and no hash of it: objects put in parts, or encrypted, have other ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.session import get_session

from pipelines.import_.import_ import import_recordings
from pipelines.sync.sync import sync
from storage import process, worktree
from storage.files import md5, md5_bytes
from storage.project import Project
from tests.conftest import Lab, recording

PART = 5 << 20  # bytes; the least that S3 allows


def in_parts(lab: Lab, key: str, path: Path) -> str:
    """Put a file as most tools put large ones; returns the ETag."""
    settings = lab.project.settings
    client = get_session().create_client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key.get_secret_value(),
        region_name=settings.region,
    )
    place = {"Bucket": settings.bucket, "Key": key}
    upload = client.create_multipart_upload(**place)["UploadId"]
    data = path.read_bytes()
    parts = []
    for number, start in enumerate(range(0, len(data), PART), 1):
        body = data[start : start + PART]
        answer = client.upload_part(**place, UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    done = client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    return str(done["ETag"]).strip('"')


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A recording of more than one part."""
    path = tmp_path / "large.csv"
    path.write_bytes(recording(rows=400_000))
    assert path.stat().st_size > PART
    return path


def fresh_clone(lab: Lab, root: Path) -> Project:
    process.run(["git", "clone", "--quiet", lab.project.root, root])
    for name, value in (("user.name", "Second"), ("user.email", "second@example.com")):
        process.run(["git", "config", name, value], cwd=root)
    (root / ".env").write_bytes((lab.project.root / ".env").read_bytes())
    project = Project(root)
    project.configure_remote()
    return project


def test_a_recording_that_was_put_in_parts_is_as_it_is_everywhere(
    lab: Lab, large: Path, tmp_path: Path
) -> None:
    lab.sync()
    etag = in_parts(lab, "series/large.csv", large)
    assert etag.endswith("-2")
    assert lab.sync().subject == "series: +1"
    assert md5(lab.project.root / "data/series/large.csv") == md5(large)
    again = lab.sync()
    assert (again.commit, again.warnings, again.conflicts) == ("", [], [])

    second = fresh_clone(lab, tmp_path / "second")
    worktree.restore(second.repository, second.mirror)
    done = sync(second)
    assert (done.commit, done.conflicts, done.pushed) == ("", [], 0)
    assert [item.etag for item in lab.project.bucket.objects("series/large.csv")] == [etag], "not sent again"


def test_an_import_sends_no_recording_again_that_is_there(lab: Lab, large: Path) -> None:
    lab.sync()
    etag = in_parts(lab, "series/large.csv", large)
    lab.sync()
    done = import_recordings(lab.project, str(large))
    assert (done.added, done.changed, done.unchanged) == (0, 0, 1)
    assert [item.etag for item in lab.project.bucket.objects("series/large.csv")] == [etag]


def test_an_etag_that_looks_like_an_md5_and_is_none(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of an object that a key of its own encrypts: 32 digits, of nothing that anybody has."""
    lab.sync()
    real = type(lab.project.bucket).get
    listed = type(lab.project.bucket).objects

    def objects(self, prefix):
        for item in listed(self, prefix):
            odd = item.key.startswith("series/new")
            yield type(item)(item.key, md5_bytes(item.key.encode()), item.size) if odd else item

    def get(self, key, most=0):
        data, etag = real(self, key, most)
        return data, md5_bytes(key.encode()) if key.startswith("series/new") else etag

    monkeypatch.setattr(type(lab.project.bucket), "objects", objects)
    monkeypatch.setattr(type(lab.project.bucket), "get", get)
    for number in range(7):
        lab.project.bucket.put(f"series/new{number}.csv", recording(seed=number))
    assert lab.sync().subject == "series: +7"
    assert md5(lab.project.root / "data/series/new3.csv") == md5_bytes(recording(seed=3))
    assert lab.sync().commit == ""
