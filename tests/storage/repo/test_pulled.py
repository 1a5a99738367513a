"""What a plain `dvc pull` brings from a bucket that others write to: DVC writes it, and nothing of ours runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import doctor
from storage.errors import DamagedError
from storage.files import md5_bytes
from storage.process import run
from storage.repo import integrity, stray_code
from storage.repo.repository import Repository
from tests.conftest import CHECKOUT
from tests.support.history_project import ONE, TWO, Past

HOSTILE = b"import os\nos.write(2, b'HOSTILE')\n"
PROBE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print("ran")
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A git clone with the packages that stages are in, and one that imports what it is told."""
    root = tmp_path / "clone"
    (root / "storage").mkdir(parents=True)
    (root / "stages").mkdir()
    for name in ("storage/__init__.py", "storage/imports.py", "stages/__init__.py"):
        shutil.copy(CHECKOUT / name, root / name)
    (root / "stages/probe.py").write_text(PROBE)
    (root / "known.py").write_text("")
    run(["git", "init", "--quiet"], cwd=root)
    run(["git", "add", "--all"], cwd=root)
    return root


def probe(root: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Run a stage that imports these."""
    words = [sys.executable, "-m", "stages.probe", *names]
    return subprocess.run(words, cwd=root, capture_output=True, text=True)


def test_a_stage_runs_nothing_of_the_top_folder_that_is_not_in_git(code: Path) -> None:
    (code / "xmlrpc").mkdir()  # a folder alone is no package where there is one
    (code / "scratch.py").write_bytes(HOSTILE)  # nobody imports it
    assert probe(code, "known", "xmlrpc.client", "numpy").stdout == "ran\n"
    for name in (
        "numpy.py",
        "torch/__init__.py",
        "bottleneck.py",
        "colorsys.pyc",
        "ray/train.py",
        "json/x.so",
    ):
        path = code / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(HOSTILE)
    done = probe(code, "numpy")
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == (
        "numpy.py is not in git, and Python would run it as 'numpy'\n"
        f"  where: {code}/numpy.py\n"
        "  why: plain `dvc pull` writes files wherever somebody who may write to the bucket wants them\n"
        "  next: look at it; delete it, or rename it or git add it if it is yours; then labeltrail doctor\n"
    )
    for name in ("torch", "bottleneck", "colorsys", "ray.train"):
        done = probe(code, name)
        assert done.returncode == 6
        assert "HOSTILE" not in done.stderr
    assert probe(code, "json").stdout == "ran\n"
    run(["git", "add", "bottleneck.py"], cwd=code)
    assert probe(code, "bottleneck").stderr == "HOSTILE"


def test_nothing_is_imported_before_that_is_looked_at(code: Path) -> None:
    for name in sys.stdlib_module_names:
        (code / f"{name}.py").write_bytes(HOSTILE)
    done = probe(code, "numpy")
    assert done.returncode == 6
    assert "HOSTILE" not in done.stderr


def test_what_stages_start_reads_the_same_code(code: Path) -> None:
    """`dvc exp run --temp` runs the stages of another folder than the one that is installed."""
    (code / "stages/probe.py").write_text(
        "import storage, stages\nprint(storage.__file__, stages.__file__)\n"
    )
    assert probe(code).stdout == f"{code}/storage/__init__.py {code}/stages/__init__.py\n"


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Past, Path]:
    """A clone whose DVC remote is a folder that others write to; labels and recordings are pushed."""
    past, remote = Past(tmp_path / "home/clone"), tmp_path / "remote"
    for name in (".dvc/.gitignore", ".dvcignore", ".gitignore"):
        (past.root / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, past.root / name)
    (past.root / ".dvc/config").write_text(
        f"[core]\n remote = bucket\n['remote \"bucket\"']\n url = {remote}\n"
    )
    for name in ("stages", "storage"):
        shutil.copytree(CHECKOUT / name, past.root / name)
    (past.root / "data/series").mkdir(parents=True)
    (past.root / "data/series/one.csv").write_text("time,x\n0,1\n")
    past.repository.add("data/series")
    past.label([ONE, TWO])
    past.repository.checkout("data/labels")
    past.repository.push()
    return past, remote


def test_plain_dvc_pull_from_a_bucket_that_others_write_to(shared: tuple[Past, Path]) -> None:
    """A listing leads elsewhere, a label is another: DVC brings both. The stages and doctor refuse them."""
    past, remote = shared
    integrity.require_listings(past.root)
    integrity.require_labels(past.root)
    series, shards = past.repository.pointer("data/series"), past.repository.pointer("data/labels")
    evil = md5_bytes(HOSTILE)
    put(remote, evil, HOSTILE)
    others = "".join(
        f', {{"md5": "{evil}", "relpath": "{path}"}}' for path in ("../../numpy.py", "../../stages/run.py")
    )
    put(remote, series, place(remote, series).read_bytes().removesuffix(b"]") + others.encode() + b"]")
    name, md5 = min(past.repository.folder(shards).items())
    put(remote, md5, place(remote, md5).read_bytes().replace(b"walk", b"run!").replace(b'"run"', b'"rum"'))
    for path in (".dvc/cache", "data/series", "data/labels"):
        shutil.rmtree(past.root / path)

    past.run(["dvc", "pull", "--quiet", "--force"])
    assert (past.root / "numpy.py").read_bytes() == HOSTILE, "DVC itself writes it"
    with pytest.raises(DamagedError) as caught:
        integrity.require_listings(past.root)
    assert "it names ../../numpy.py, ../../stages/run.py, which may have been written" in caught.value.why
    assert stray_code.find(past.repository.git, past.repository.cache) == (["numpy.py"], ["stages/run.py"])
    with pytest.raises(DamagedError) as caught:
        doctor._work_tree(past.project)
    assert caught.value.where == "numpy.py, stages/run.py"
    assert caught.value.cure == (
        "look at them; rm -r numpy.py; git checkout HEAD -- stages/run.py; and change the keys of the bucket"
    )
    run(["sh", "-c", "rm -r numpy.py; git checkout --quiet HEAD -- stages/run.py"], cwd=past.root)
    assert stage(past, "ingest").startswith(
        "data/series was fetched by another listing than data/series.dvc names\n"
    )
    place(past.root / ".dvc/cache", series).unlink()
    with pytest.raises(DamagedError, match="does not hold the labels") as caught:
        integrity.require_labels(past.root)
    assert caught.value.where == f"data/labels/{name}"
    assert caught.value.cure.startswith("labeltrail sync")
    assert "does not hold the labels" in stage(past, "window")


def place(store: Path, md5: str) -> Path:
    return store / "files/md5" / md5[:2] / md5[2:]


def put(remote: Path, md5: str, data: bytes) -> None:
    """Exchange an object's bytes, as whoever may write to the bucket can."""
    path = place(remote, md5)
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def stage(past: Past, name: str) -> str:
    """What a stage says that refuses to run."""
    words = [sys.executable, "-m", f"stages.{name}"]
    done = subprocess.run(words, cwd=past.root, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (6, "")
    return done.stderr


def test_code_of_ones_own_is_left_alone(shared: tuple[Past, Path]) -> None:
    """Files that nobody imports, a stage that is being written, a changed stage: none came by DVC."""
    past, _ = shared
    for name in ("explore.py", "stages/mine.py", "recordings/one.csv", "data/notes.py"):
        (past.root / name).parent.mkdir(exist_ok=True)
        (past.root / name).write_text("time,x\n0,1\n" if name.endswith(".csv") else "x = 1\n")
    with (past.root / "stages/run.py").open("a") as file:
        file.write("# mine\n")
    assert stray_code.find(Repository(past.root).git, Repository(past.root).cache) == ([], [])
    for name in ("stages/run/__init__.py", "storage/files.abi3.so", "yaml.py", "json/__init__.py"):
        (past.root / name).parent.mkdir(exist_ok=True)
        (past.root / name).write_text("x = 1\n")
    assert stray_code.find(Repository(past.root).git, Repository(past.root).cache)[0] == [
        "json/__init__.py",
        "stages/run/__init__.py",
        "storage/files.abi3.so",
        "yaml.py",
    ]
