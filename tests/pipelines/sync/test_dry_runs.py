"""Commands that only say what they would do: with changes of all kinds on all sides, nothing changes anywhere."""

from __future__ import annotations

import json
import shutil

import pytest

from pipelines.sync.apply import ONE_NAME
from storage.project import Project
from tests.conftest import CONFIG, Lab, recording, result
from tests.pipelines.test_hostile_project import call
from tests.support.everywhere import Everywhere

WALK, RUN = (0.1, 0.5, "walk"), (0.8, 1.2, "run")
# Words of a command, and the exit code that it has here: 5 where it asks before it deletes.
DRY = (
    ("sync --dry-run", 0), ("sync --dry-run --json", 0), ("sync --pull --dry-run", 0), ("sync --push --dry-run", 0),
    ("import data/series --dry-run", 0), ("sync --dry-run --yes", 0),
    ("rollback HEAD~1 --dry-run", None), ("rollback HEAD~1 --dry-run --json", None),
    ("undo --dry-run", None), ("gc --dry-run", None), ("gc --dry-run --yes", None), ("gc", None), ("drop idea", 5),
    ("status", 0), ("log", 0), ("show", 0), ("diff", 0), ("branches", 0), ("trace HEAD", 0), ("fsck", None),
    ("tag", 0),
)  # fmt: skip


@pytest.fixture
def pending(lab: Lab) -> Lab:
    """Two label commits and a branch; then every kind of change at once, none of them synced."""
    project, root = lab.project, lab.project.root
    changed, deleted = lab.annotate("one", WALK), lab.annotate("two", WALK)
    left_behind, overwritten = lab.annotate("two", RUN), lab.annotate("three", WALK)
    lab.sync()
    lab.annotate("one", RUN)
    lab.sync()
    assert call(root, "branch", "idea").code == 0
    studio, bucket, remote = project.studio, project.bucket, project.remote
    studio.update_annotation(changed, result=result(WALK, RUN))
    studio.delete_annotation(deleted)
    lab.annotate("three", RUN)
    lab.annotate("two", was_cancelled=True)
    data = bucket.get(remote.annotations.key(left_behind))[0]
    studio.delete_annotation(left_behind)
    bucket.put(remote.annotations.key(left_behind), data)  # as Label Studio leaves one behind now and then
    bucket.put(remote.annotations.key(overwritten), b"no JSON")
    bucket.put(remote.annotations.key(9000), json.dumps({"id": 9000}).encode())
    bucket.put("series/four.csv", recording(seed=4))
    bucket.put("series/one.csv", recording(seed=5))
    xml = CONFIG.replace("knock", "knack")
    studio.projects.update(lab.number, label_config=xml)
    (root / "data/splits.csv").write_bytes(
        (root / "data/splits.csv").read_bytes().replace(b"unassigned", b"train")
    )
    shutil.copy(root / "data/series/two.csv", root / "data/series/five.csv")
    return lab


def test_nothing_changes_anywhere(pending: Lab) -> None:
    root = pending.project.root
    for words, code in DRY:
        with Everywhere(Project(root)).stays():
            said = call(root, *words.split())
        assert code in (None, said.code), (words, said)
        assert "Traceback" not in said.err
    assert call(root, "sync", "--yes").code == 0
    with Everywhere(Project(root)).stays():
        said = call(root, "undo", "--dry-run")
    assert (said.code, said.out.splitlines()[-2]) == (0, "dry run: nothing was changed"), said


def test_recordings_of_one_name_on_other_systems_are_named(lab: Lab) -> None:
    """Linux keeps them apart; a clone on macOS or Windows cannot."""
    names = ("ONE", "caf\xe9", "cafe\u0301")
    for number, name in enumerate(names):
        lab.project.bucket.put(f"series/{name}.csv", recording(seed=number))
    done = lab.sync()
    assert sorted(done.warnings) == [f"ONE, one: {ONE_NAME}", f"cafe\u0301, caf\xe9: {ONE_NAME}"]
    assert {path.stem for path in (lab.project.root / "data/series").iterdir()} >= {*names, "one"}
    assert lab.sync().warnings == []
