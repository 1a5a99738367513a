"""The git hook and the git drivers of a clone whose path, and whose Python's path, a shell would act on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from storage import drivers, hooks
from storage.process import run
from tests.history_project import ONE, TWO, Past, record

ODD = ["it's", 'a "b"', "$(touch x)", "`touch x`", "a\nb", "100%A %P", "a; touch x", " blank "]


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    """A clone, with the programs that the hook and the drivers call, in such a folder."""
    home = tmp_path / request.param
    past = Past(home / "clone")
    programs = home / "programs"
    programs.mkdir()
    (programs / "dvc").write_text('#!/bin/sh\necho "$@" > "$(git rev-parse --git-dir)/followed"\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    return past


def test_the_hook_runs_and_nothing_else_does(odd: Past) -> None:
    odd.label([ONE])
    hooks.install(odd.repository)
    odd.git("checkout", "--quiet", "-b", "walks")
    assert (odd.root / ".git/followed").read_text() == "checkout --quiet --allow-missing\n"
    assert not list(odd.root.parent.parent.rglob("x"))


def test_git_diff_and_merge_find_their_drivers(odd: Past) -> None:
    (odd.root / ".gitattributes").write_text("data/labels.dvc diff=labeltrail merge=labeltrail\n")
    drivers.configure(odd.repository)
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
    hooks.install(past.repository)
    assert "/old/dvc" not in (folder / "post-checkout").read_text()
    assert (folder / "post-merge").read_text() == "#!/bin/sh\necho mine\n"
    said = " ".join(capsys.readouterr().err.split())
    assert said == (
        f"{folder}/post-merge is not ours to change; for data/ to follow git, add to it: dvc checkout --allow-missing"
    )


def test_hooks_that_all_clones_share_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    past = Past(tmp_path / "clone")
    shared = tmp_path / "my-hooks"
    past.git("config", "core.hooksPath", str(shared))
    hooks.install(past.repository)
    assert not shared.exists()
    assert "is not ours to change" in " ".join(capsys.readouterr().err.split())


def test_a_checkout_goes_on_where_dvc_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    past = Past(tmp_path / "clone")
    past.label([ONE])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone/python"))
    hooks.install(past.repository)
    done = subprocess.run(["git", "checkout", "-b", "walks"], cwd=past.root, capture_output=True, text=True)
    assert done.returncode == 0
    assert f"data/ does not follow this checkout, for {tmp_path}/gone/dvc is gone" in done.stderr


def test_a_worktree_uses_the_hooks_of_its_clone(tmp_path: Path) -> None:
    past = Past(tmp_path / "clone")
    past.git("worktree", "add", "--quiet", str(tmp_path / "beside"), "-b", "walks")
    from storage.git import Git

    hooks.install(Git(tmp_path / "beside"))
    assert (past.root / ".git/hooks/post-checkout").exists()
    assert run(["git", "status", "--porcelain"], cwd=tmp_path / "beside") == ""
