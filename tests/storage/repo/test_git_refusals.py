"""git refuses to commit or to tag: what it said, and the next command."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.branches import merge_commit
from pipelines.history.tag import tag
from storage.errors import InputError
from storage.process import ProgramError
from tests.support.history_project import ONE, TWO, Past

WHO = 'git config user.name "YOUR NAME"; git config user.email YOU@EXAMPLE.COM; then the command again'


@pytest.fixture
def past(tmp_path: Path) -> Past:
    """A clone with one label commit and a change that waits for the next."""
    past = Past(tmp_path / "clone")
    past.label([ONE])
    past.point([ONE, TWO])
    return past


def nobody(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which git knows no name."""
    for name in ("user.name", "user.email"):
        past.git("config", "--unset", name)
    past.git("config", "user.useConfigOnly", "true")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")


def test_a_hook_that_fails_is_quoted_with_what_helps(past: Past) -> None:
    hook = past.root / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho 'no commits on Fridays' >&2\necho 'ask Ann' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(ProgramError) as caught:
        past.repository.git.commit(["data/labels.dvc"], "labels: +1\n")
    assert str(caught.value) == (
        "git did not commit\n"
        f"  where: {past.root}\n"
        "  why: no commits on Fridays\n    ask Ann\n"
        "  next: mend what git names (a hook, signing, user.name), then the same command again: "
        "the labels are in the work tree"
    )
    assert caught.value.exit_code == 8


def test_a_signature_that_cannot_be_made(past: Past) -> None:
    past.git("config", "commit.gpgsign", "true")
    past.git("config", "gpg.program", "/no/such/gpg")
    with pytest.raises(ProgramError, match="git did not commit") as caught:
        past.repository.git.commit(["data/labels.dvc"], "labels: +1\n")
    assert caught.value.cure.startswith("mend what git names")


def test_whoever_commits_merges_or_tags_must_be_known(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = past.repository
    nobody(past, monkeypatch)
    for refused in (
        lambda: repository.git.commit(["data/labels.dvc"], "labels: +1\n"),
        lambda: merge_commit.commit(repository.git, "HEAD^{tree}", [repository.git.head()], "merge\n"),
        lambda: tag(repository, "named"),
    ):
        with pytest.raises(InputError) as caught:
            refused()
        assert (caught.value.what, caught.value.cure) == ("git does not know who commits", WHO)
