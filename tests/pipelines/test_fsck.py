"""fsck: every label commit can be had back from the DVC remote, byte by byte; what cannot is named, and healed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pipelines import doctor
from pipelines.fsck import FsckResult, fsck
from pipelines.rollback.rollback import rollback
from storage import process, worktree
from storage.errors import CheckError, DamagedError
from storage.paths import LABELS
from storage.project import Project
from storage.settings import Settings
from tests.conftest import Lab, clone, imported
from tests.pipelines.test_cli import labeltrail
from tests.storage.series.test_recording_versions import fresh_clone
from tests.support.everywhere import Everywhere
from tests.support.project_copies import copied

WALK, RUN = (0.1, 0.5, "walk"), (0.8, 1.2, "run")


@pytest.fixture(scope="module")
def whole(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Three label commits on two branches, all pushed."""
    home = tmp_path_factory.mktemp("history")
    lab = imported(clone(home / "clone", settings, f"lab-{uuid4().hex[:12]}"), home)
    lab.annotate("one", WALK)
    lab.sync()
    lab.annotate("one", RUN)
    lab.annotate("two", WALK)
    lab.sync()
    lab.project.repository.git.run("branch", "kept")
    lab.annotate("three", RUN)
    lab.sync()
    return lab


@pytest.fixture
def history(whole: Lab, tmp_path: Path) -> Iterator[Lab]:
    """The same, to be damaged."""
    with copied(whole, tmp_path / "clone") as lab:
        yield lab


def check(lab: Lab, *, repair: bool = False) -> FsckResult:
    return fsck(Project(lab.project.root), repair=repair)


def shard(lab: Lab, revision: str, series: str) -> str:
    """Hash of the shard that holds a series' labels in a revision."""
    repository = Project(lab.project.root).repository
    folder = repository.folder(repository.git.labels_at(revision), LABELS)
    return next(
        md5 for md5 in folder.values() if f'"series":"{series}"'.encode() in repository.read([md5])[md5]
    )


def key(md5: str) -> str:
    return f"dvc/files/md5/{md5[:2]}/{md5[2:]}"


def cached(lab: Lab, md5: str) -> Path:
    return lab.project.root / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"


def told(root: Path, *words: str) -> tuple[int | None, str]:
    """Exit status and standard output of a command that fails."""
    with pytest.raises(process.ProgramError) as caught:
        labeltrail(root, *words)
    return caught.value.returncode, caught.value.stdout


def damage(path: Path, data: bytes = b"") -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def test_a_whole_history_is_sound_and_nothing_changes(history: Lab) -> None:
    with Everywhere(history.project).stays():
        found = fsck(history.project.dry())
    assert (found.troubles, found.label_commits) == ([], 3)
    assert found.objects == {"labels": 7, "recordings": 4}
    assert found.lines()[-1] == "all of it can be restored from the DVC remote, to the byte"


def test_damage_of_every_kind_is_named_and_healed(history: Lab) -> None:
    repository, bucket, root = history.project.repository, history.project.bucket, history.project.root
    series = repository.folder(repository.pointer("data/series"), "data/series")
    labels = repository.git.labels_at("HEAD")
    emptied, changed = shard(history, "HEAD~1", "one"), shard(history, "HEAD", "two")
    damage(cached(history, emptied))
    damage(cached(history, changed), b"other bytes")
    in_remote = {
        shard(history, "HEAD", "three"): b"other bytes",
        labels: b"[]",
        series["one.csv"]: b"",
        series["two.csv"]: b"time,acc_x,acc_y\n",
        series["three.csv"]: None,
    }
    for md5, data in in_remote.items():
        bucket.put(key(md5), data) if data is not None else bucket.delete([key(md5)])
    code, text = told(root, "fsck", "--json")
    value = json.loads(text)
    assert (code, value["error"]["next"], value["ok"]) == (6, "labeltrail fsck --repair", False)
    found = {each["md5"]: (each["remote"], each["cache"], each["lost"]) for each in value["troubles"]}
    assert found == {
        emptied: ("sound", "damaged", False),
        changed: ("sound", "damaged", False),
        **{
            md5: ("damaged" if data is not None else "missing", "sound", False)
            for md5, data in in_remote.items()
        },
    }
    kinds = {each["md5"]: (each["kind"], each["where"].partition(" of ")[0]) for each in value["troubles"]}
    assert kinds[series["two.csv"]] == ("recordings", "data/series/two.csv")
    with pytest.raises(CheckError) as caught:
        doctor._bytes(Project(root))
    assert caught.value.cure == "labeltrail fsck --repair"

    healed = json.loads(labeltrail(root, "fsck", "--repair", "--json"))["troubles"]
    assert {each["md5"]: each["healed"] for each in healed} == {
        emptied: "remote",
        changed: "remote",
        **dict.fromkeys(in_remote, "cache"),
    }
    assert all(bucket.get(key(md5))[0] == cached(history, md5).read_bytes() for md5 in found)
    checks = {check.name: check.passed for check in doctor.examine(Project(root), deep=True)}
    assert checks == dict.fromkeys(checks, True)
    assert "bytes" in checks


def test_what_both_have_lost_is_had_from_the_work_tree_or_named(history: Lab) -> None:
    now, then = shard(history, "HEAD", "three"), shard(history, "HEAD~2", "one")
    for md5 in (now, then):
        history.project.bucket.delete([key(md5)])
        cached(history, md5).unlink()
    found = check(history, repair=True)
    assert {t.md5: (t.is_lost, t.healed) for t in found.troubles} == {
        now: (True, "work tree"),
        then: (True, ""),
    }
    (line,) = [line for line in found.lines() if then in line]
    first = list(history.project.repository.git.label_commits())[-1].commit
    assert f"of label commit {first[:12]}" in line
    assert line.endswith("LOST")
    error = found.error()
    assert isinstance(error, CheckError)
    assert error.what == "1 object wrong, 1 of them lost here"
    found = check(history)
    assert [t.md5 for t in found.troubles] == [then]


def test_what_a_branch_alone_names_counts(history: Lab) -> None:
    history.project.repository.git.run("reset", "--quiet", "--hard", "HEAD~2")
    md5 = shard(history, "kept", "two")
    history.project.bucket.delete([key(md5)])
    assert [t.md5 for t in check(history).troubles] == [md5]


# -- what is read is hashed, fsck or not ----------------------------------------------------------


def test_a_damaged_shard_deletes_no_label(lab: Lab) -> None:
    """It did: an emptied shard of an older label commit, and a rollback to it."""
    for series in ("one", "two"):
        lab.annotate(series, WALK)
        lab.sync()
    damage(cached(lab, shard(lab, "HEAD~1", "one")))
    before = lab.labels()
    rollback(Project(lab.project.root), "HEAD~1")
    assert lab.labels() == {"one": before["one"]}
    assert [len(lab.project.studio.annotations(task)) for task in lab.tasks().values()] == [1, 0, 0]


def test_a_label_that_was_altered_in_the_remote_is_refused(history: Lab, tmp_path: Path) -> None:
    md5 = shard(history, "HEAD", "three")
    data = history.project.bucket.get(key(md5))[0]
    history.project.bucket.put(key(md5), data.replace(b"run", b"walk"))
    second = fresh_clone(history, tmp_path / "second")
    with pytest.raises(DamagedError) as caught:
        worktree.restore(second.repository, second.mirror)
    assert f"files/md5/{md5[:2]}/{md5[2:]} (data/labels/" in caught.value.where
    assert not list((second.root / "data").glob("labels/*"))
    assert not cached(Lab(second, 0), md5).exists()


HOSTILE = {"md5": "d41d8cd98f00b204e9800998ecf8427e", "relpath": "../../numpy.py"}


def test_a_listing_that_leads_out_of_its_folder_is_not_followed(history: Lab, tmp_path: Path) -> None:
    """Whoever can write to the bucket could have had a file of code written into every clone."""
    second = fresh_clone(history, tmp_path / "second")
    for folder in ("data/labels", "data/series"):
        md5 = history.project.repository.pointer(folder)
        listing = json.loads(history.project.bucket.get(key(md5))[0])
        history.project.bucket.put(key(md5), json.dumps([*listing, HOSTILE]).encode())
        history.project.bucket.put(key(HOSTILE["md5"]), b"")
        with pytest.raises(DamagedError):
            worktree.restore(second.repository, second.mirror, [folder])
        assert not (second.root / "numpy.py").exists()
        assert not (second.root / folder).exists()
    assert told(second.root, "sync")[0] == 6
    assert not (second.root / "numpy.py").exists()
    assert process.run(["git", "status", "--porcelain"], cwd=second.root) == ""


def test_a_listing_of_the_right_hash_that_leads_elsewhere_is_not_followed(history: Lab) -> None:
    """sync.json may name any hash: whoever writes it can make the listing that goes with it."""
    repository = Project(history.project.root).repository
    evil = repository.cache.store({"../../storage/errors.py": b"raise SystemExit\n"})
    state = history.project.remote.state()
    assert state is not None
    shutil.rmtree(history.project.root / ".labeltrail")
    history.project.remote.write_state(type(state)(**{**vars(state), "labels": evil}))
    code = (history.project.root / "storage/errors.py").read_bytes()
    with pytest.raises(DamagedError, match="the listing of data/labels cannot be used"):
        history.sync()
    assert (history.project.root / "storage/errors.py").read_bytes() == code
