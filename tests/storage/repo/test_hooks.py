"""The git hook and the git drivers of a clone whose path, and whose Python's path, a shell would act on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from storage.files import md5_bytes
from storage.labels import git_drivers, snapshot
from storage.process import run
from storage.repo import git_hooks
from storage.repo.git import Git
from storage.repo.repository import Repository
from tests.conftest import CHECKOUT
from tests.support.history_project import ONE, TWO, Past, record

# Each breaks a quoting of its own; together they are one path, and blanks at its ends another.
ODD = ['it\'s "b" $(touch x) `touch x` a\nb 100%A %P; touch x', " blank "]


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    """A clone, with the programs that the hook and the drivers call, in such a folder."""
    home = tmp_path / request.param
    past = Past(home / "clone")
    programs = home / "programs"
    programs.mkdir()
    noted = '*storage.repo.git_hooks) echo "$@" > "$(git rev-parse --git-dir)/followed"'
    script = f'#!/bin/sh\ncase "$*" in\n{noted} ;;\n*) exec "{sys.executable}" "$@" ;;\nesac\n'
    (programs / "python").write_text(script)
    (programs / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    return past


def test_the_hook_runs_and_nothing_else_does(odd: Past) -> None:
    odd.label([ONE])
    git_hooks.install(odd.repository.git)
    odd.git("checkout", "--quiet", "-b", "walks")
    assert (odd.root / ".git/followed").read_text() == "-P -m storage.repo.git_hooks\n"
    assert not list(odd.root.parent.parent.rglob("x"))


def test_git_diff_and_merge_find_their_drivers(odd: Past) -> None:
    (odd.root / ".gitattributes").write_text("data/labels.dvc diff=labeltrail merge=labeltrail\n")
    git_drivers.configure(odd.repository.git)
    odd.label([ONE, TWO])
    odd.git("branch", "walks")
    odd.on_walks([ONE, TWO, record("three", 3, (5, 6, "run"))])
    odd.label([ONE])
    assert "ben@example.com" in odd.git("diff", "HEAD~1", "--", "data/labels.dvc")
    assert odd.merge_walks()[0] == 0
    assert not list(odd.root.parent.parent.rglob("x"))


def test_an_earlier_hook_of_ours_is_replaced_and_others_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    past = Past(tmp_path / "clone")
    folder = past.root / ".git/hooks"
    old = '#!/bin/sh\n# Written by labeltrail: data/ follows what git checks out.\nexec "/old/dvc" checkout\n'
    (folder / "post-checkout").write_text(old)
    (folder / "post-merge").write_text("#!/bin/sh\necho mine\n")
    git_hooks.install(past.repository.git)
    assert "/old/dvc" not in (folder / "post-checkout").read_text()
    assert (folder / "post-merge").read_text() == "#!/bin/sh\necho mine\n"
    said = " ".join(capsys.readouterr().err.split())
    assert said == (
        f"{folder}/post-merge is not ours to change; for data/ to follow git, add to it: "
        f"{sys.executable} -P -m storage.repo.git_hooks"
    )


def test_hooks_that_all_clones_share_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    past = Past(tmp_path / "clone")
    shared = tmp_path / "my-hooks"
    past.git("config", "core.hooksPath", str(shared))
    git_hooks.install(past.repository.git)
    assert not shared.exists()
    assert "is not ours to change" in " ".join(capsys.readouterr().err.split())


def test_a_checkout_goes_on_where_python_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    past = Past(tmp_path / "clone")
    past.label([ONE])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone/python"))
    git_hooks.install(past.repository.git)
    done = subprocess.run(["git", "checkout", "-b", "walks"], cwd=past.root, capture_output=True, text=True)
    assert done.returncode == 0
    assert f"data/ does not follow this checkout, for {tmp_path}/gone/python is gone" in done.stderr


def test_a_worktree_uses_the_hooks_of_its_clone(tmp_path: Path) -> None:
    past = Past(tmp_path / "clone")
    past.git("worktree", "add", "--quiet", str(tmp_path / "beside"), "-b", "walks")
    git_hooks.install(Git(tmp_path / "beside"))
    assert (past.root / ".git/hooks/post-checkout").exists()
    assert run(["git", "status", "--porcelain"], cwd=tmp_path / "beside") == ""


# -- what a hook brings, and what it does not -----------------------------------------------------

HOME = "it's $(touch x) %\n#home"
UNHOOKED = "-c", "core.hooksPath=/dev/null"
HOSTILE = "../../numpy.py", "../numpy.py", "../../../numpy.py", "numpy.py", "../labels/00.jsonl"
POINTER = "outs:\n- md5: {md5}\n  size: 1\n  nfiles: 1\n  hash: md5\n  path: {name}\n"


@pytest.fixture
def followed(tmp_path: Path) -> Past:
    """A clone with DVC and hooks: ONE on `main`, ONE and TWO on `walks`, whose pointers are there and no folders."""
    past = Past(tmp_path / HOME / "clone")
    past.git("config", "advice.detachedHead", "false")
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore"):
        path = past.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((CHECKOUT / name).read_bytes())
    (past.root / ".gitignore").write_bytes((CHECKOUT / ".gitignore").read_bytes())
    past.label([ONE])
    past.git("switch", "--quiet", "-c", "walks")
    past.label([ONE, TWO])
    git_hooks.install(past.repository.git)
    return past


def point(past: Past, name: str, md5: str) -> None:
    (past.root / f"data/{name}.dvc").write_text(POINTER.format(md5=md5, name=name), encoding="utf-8")


def listed(past: Past, relpath: str) -> bytes:
    """A listing of one file, whose bytes the cache has."""
    md5 = past.repository.cache.store_file(b"raise SystemExit('it was imported')\n")
    return f'[{{"md5": "{md5}", "relpath": "{relpath}"}}]'.encode()


def moved(past: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=past, capture_output=True, text=True)


def files(root: Path) -> set[str]:
    """What lies in a folder beside pointers, git's and DVC's own, and our notes."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file() and path.suffix != ".dvc")
    return {
        str(path) for path in found if not {".git", ".dvc", ".labeltrail", "origin.git"} & set(path.parts)
    }


def test_folders_follow_and_unsaved_ones_stay(followed: Past) -> None:
    labels = followed.root / "data/labels"
    followed.git("switch", "--quiet", "--detach")
    assert snapshot.read(labels) == {"one": [ONE], "zwei ü": [TWO]}
    followed.git("switch", "--quiet", "main")
    assert snapshot.read(labels) == {"one": [ONE]}
    [shard] = labels.iterdir()
    shard.write_text("mine")
    done = moved(followed.root, "switch", "walks")
    assert done.returncode == 1
    assert "data/labels holds changes that are in no label commit" in done.stderr
    assert shard.read_text() == "mine"


def test_what_the_cache_lacks_or_has_damaged_stays_as_it_was(followed: Past) -> None:
    cache = followed.root / ".dvc/cache/files/md5"
    followed.git("switch", "--quiet", "main")
    md5 = followed.repository.git.labels_at("walks")
    for each in followed.repository.folder(md5).values():
        if each not in followed.repository.folder(followed.repository.git.labels_at("main")).values():
            (cache / each[:2] / each[2:]).chmod(0o644)
            (cache / each[:2] / each[2:]).write_text("damaged")
    done = moved(followed.root, "switch", "walks")
    assert done.returncode == 0
    assert "labeltrail: data/labels as before: not in the DVC cache (next: labeltrail sync)" in done.stderr
    assert "damaged: set aside as .dvc/tmp/damaged." in done.stderr
    assert snapshot.read(followed.root / "data/labels") == {"one": [ONE]}


def test_a_listing_that_leads_elsewhere_writes_nothing(followed: Past, tmp_path: Path) -> None:
    """Its hash is right: somebody has committed it."""
    before = files(tmp_path)
    for name, relpath in (
        ("series", "../../numpy.py"),
        ("labels", "../numpy.py"),
        ("start", "../../../a.py"),
    ):
        listing = listed(followed, relpath)
        md5 = md5_bytes(listing) + ".dir"
        followed.repository.cache._put(md5, listing)
        point(followed, name, md5)
        commit = followed.save("hostile")
        followed.git("reset", "--quiet", "--hard", "HEAD~1")
        done = moved(followed.root, "checkout", commit)
        assert done.returncode == 1
        assert f"the listing of data/{name} cannot be used" in done.stderr
        assert repr(relpath) in done.stderr
        assert files(tmp_path) == before
        followed.git(*UNHOOKED, "switch", "--quiet", "walks")


def test_a_listing_that_was_exchanged_writes_nothing(followed: Past, tmp_path: Path) -> None:
    """Its hash is another's, as plain `dvc fetch` has it from a bucket that others write to; `git pull` brings it."""
    origin = tmp_path / "origin.git"
    md5 = md5_bytes(b"[]") + ".dir"
    point(followed, "series", md5)
    followed.save("recordings")
    followed.git("clone", "--quiet", "--bare", str(followed.root), str(origin))
    fresh = tmp_path / HOME / "fresh"
    run(["git", "clone", "--quiet", "--branch", "main", str(origin), str(fresh)])
    git_hooks.install(Git(fresh))
    clone = Repository(fresh)
    (fresh / ".dvc/cache/files/md5").mkdir(parents=True)
    run(["cp", "-r", f"{followed.root}/.dvc/cache/files/md5/.", str(fresh / ".dvc/cache/files/md5")])
    place = fresh / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"
    entries = [listed(followed, relpath)[1:-1].decode() for relpath in HOSTILE]
    place.parent.mkdir(exist_ok=True)
    for words in (("switch", "--quiet", "walks"), ("pull", "--quiet", "origin", "walks")):
        run(["git", *UNHOOKED, "switch", "--quiet", "main"], cwd=fresh)
        before = files(tmp_path)
        place.write_text(f"[{', '.join(entries)}]")
        done = moved(fresh, *words)
        assert done.returncode == 0, done.stderr
        assert "data/series as before: not in the DVC cache" in done.stderr
        shards = clone.folder(clone.git.labels_at("walks"))
        assert files(tmp_path) - before <= {f"{HOME}/fresh/data/labels/{name}" for name in shards}
        assert (fresh / f".dvc/tmp/damaged.{md5}").exists()
