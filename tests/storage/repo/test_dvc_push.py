"""The push of a label commit: without DVC where only labels and recordings changed, and complete in any case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from storage import process
from storage.files import md5_bytes
from storage.paths import LABELS, SERIES
from storage.repo import dvc_push
from storage.s3.keys import DVC_OBJECTS, dvc_object
from storage.settings import stage_environment
from tests.conftest import Lab


def remote_lacks(lab: Lab) -> list[str]:
    """Objects of labels and recordings that the DVC remote lacks, or has with other bytes."""
    repository, bucket = lab.project.repository, lab.project.bucket
    wanted = set[str]()
    for folder in (LABELS, SERIES):
        md5 = repository.pointer(folder)
        wanted |= {md5, *repository.folder(md5, folder).values()}
    there = {item.key for item in bucket.objects(DVC_OBJECTS)}
    return sorted(
        md5
        for md5 in wanted
        if (key := dvc_object(md5)) not in there or md5_bytes(bucket.get(key)[0]) != md5.removesuffix(".dir")
    )


@pytest.fixture
def dvc_pushes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A list that grows with every push of DVC's own."""
    seen, push = list[bool](), Repo.push

    def watched(*arguments: Any, **options: Any) -> Any:
        seen.append(True)
        return push(*arguments, **options)

    monkeypatch.setattr(Repo, "push", watched)
    lab.annotate("one", (0.0, 0.1, "walk"))
    lab.sync()
    assert (seen, remote_lacks(lab)) == ([True], [])
    return seen


def test_a_label_commit_is_pushed_without_dvc(lab: Lab, dvc_pushes: list[bool], tmp_path: Path) -> None:
    lab.annotate("two", (0.2, 0.3, "walk"))
    lab.project.repository.__dict__.pop("_dvc", None)
    lab.sync()
    assert (len(dvc_pushes), remote_lacks(lab)) == (1, [])
    assert "_dvc" not in lab.project.repository.__dict__
    other, root = tmp_path / "other", lab.project.root
    process.run(["git", "clone", "--quiet", root, other])
    (other / ".dvc/config.local").write_bytes((root / ".dvc/config.local").read_bytes())
    process.run(
        ["dvc", "pull", "data/labels.dvc", "data/series.dvc"], cwd=other, env=stage_environment(), timeout=120
    )
    for folder in (LABELS, SERIES):
        files = {
            path.relative_to(root): path.read_bytes() for path in (root / folder).rglob("*") if path.is_file()
        }
        assert {path: (other / path).read_bytes() for path in files} == files


def other_pointer(lab: Lab) -> None:
    (lab.project.root / "more").write_bytes(b"more")
    process.run(["dvc", "add", "--quiet", "more"], cwd=lab.project.root, env=stage_environment())


def deleted_in_the_remote(lab: Lab) -> None:
    lab.project.bucket.delete_prefix(DVC_OBJECTS)
    # What DVC itself believes to be there; it looks for listings alone.
    process.run(["rm", "-rf", ".dvc/tmp/index"], cwd=lab.project.root)


def recordings_deleted_in_the_remote(lab: Lab) -> None:
    lab.project.bucket.delete([dvc_object(lab.project.repository.pointer(SERIES))])


def no_record(lab: Lab) -> None:
    dvc_push.forget(lab.project.root)


def damaged_record(lab: Lab) -> None:
    (lab.project.root / dvc_push.PATH).write_bytes(b'{"version":1,"files":[]}')


def stages_ran(lab: Lab) -> None:
    (lab.project.root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n", encoding="utf-8")


def options_of_dvc(lab: Lab) -> None:
    words = ["dvc", "remote", "modify", "--local", "bucket", "acl", "private"]
    process.run(words, cwd=lab.project.root, env=stage_environment())


@pytest.mark.parametrize(
    "change",
    [
        other_pointer,
        deleted_in_the_remote,
        recordings_deleted_in_the_remote,
        no_record,
        damaged_record,
        stages_ran,
        options_of_dvc,
    ],
)
def test_anything_else_is_left_to_dvc(
    lab: Lab, dvc_pushes: list[bool], change: Callable[[Lab], None]
) -> None:
    lab.annotate("two", (0.2, 0.3, "walk"))
    change(lab)
    try:
        lab.sync()
    finally:
        assert len(dvc_pushes) == 2
    assert remote_lacks(lab) == []


def test_the_record_is_no_longer_there_once_somebody_may_have_deleted(
    lab: Lab, dvc_pushes: list[bool]
) -> None:
    assert dvc_push.read(lab.project.root) is not None
    lab.project.repository.forget_remote()
    assert dvc_push.read(lab.project.root) is None
    assert len(dvc_pushes) == 1
