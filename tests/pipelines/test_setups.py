"""Every command in everyday set-ups of git, DVC and the servers: an answer or a clear error, never a bug.

A fresh clone before `labeltrail up`, one with wrong keys, one whose servers are away, a `git worktree`, a submodule,
a shallow clone, a path with characters that a shell acts on.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pipelines.__main__ import main
from pipelines.cli.reference import help_texts
from stages import publish
from storage import process
from storage.errors import InputError
from storage.project import Project
from storage.settings import Settings, read_env_file, write_env_file
from tests.conftest import clone, imported
from tests.pipelines.test_loop import repro, small

# What reads, and what would change something, each as it is typed; `RECORDINGS` stands for a path.
READING = (
    "status", "show", "show HEAD~1", "show main", "diff", "diff HEAD~1 HEAD", "diff --stat", "log",
    "log --label walk",
    "trace HEAD", "trace one", "tag", "branches", "doctor", "rollback HEAD~1 --dry-run", "sync --dry-run", "gc",
    "fsck",
)  # fmt: skip
WRITING = (
    "tag named", "branch idea", "switch walks", "merge walks", "start-from HEAD", "rollback HEAD~1", "undo", "sync",
    "restore", "drop walks", "import RECORDINGS", "down",
)  # fmt: skip
# These need no project (classify), start servers of their own (up, demo) or print no JSON (git-setup).
ELSEWHERE = {"classify", "up", "demo", "git-setup"}


@dataclass(frozen=True)
class Team:
    """A project with a past and a model, in a bucket, and a bare repository that people clone it from."""

    project: Project
    origin: Path
    recordings: Path


@dataclass(frozen=True)
class Answer:
    """What a command said: its exit code and its `--json`."""

    code: int
    value: dict[str, Any]

    @property
    def error(self) -> dict[str, str]:
        """What, where, why, next; empty where there was none."""
        found: dict[str, str] = self.value.get("error", {})
        return found


@pytest.fixture(scope="module")
def team(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Two label commits, a training, a branch `walks`; everything is pushed."""
    home = tmp_path_factory.mktemp("team")
    project = clone(home / "clone", settings, f"team-{uuid4().hex[:12]}")
    git = project.repository.git
    git.run("checkout", "--quiet", "-B", "main")
    small(project.root)
    git.commit(["params.yaml"], "params: a training of seconds\n")
    lab = imported(project, home)
    for series in ("one", "two", "three"):
        lab.annotate(series, (0.1, 0.5, "walk"), (0.8, 1.2, "run"))
        lab.sync()
    repro(project)
    lab.sync()
    git.run("branch", "walks", "HEAD~1")
    process.run(["git", "clone", "--quiet", "--bare", project.root, home / "origin.git"])
    return Team(project, home / "origin.git", home / "recordings")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that knows no keys of any cloud."""
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def labeltrail(root: Path, command: str) -> Answer:
    """Run a command with `--json` in a folder; what is no error of ours fails the test with its traceback."""
    said = io.StringIO()
    with chdir(root), redirect_stdout(said), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["labeltrail", *command.split(), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
    code = int(ended.value.code or 0)
    assert said.getvalue(), f"{command} ended with {code} and printed nothing"
    return Answer(code, json.loads(said.getvalue()))


def cloned(team: Team, root: Path, *options: str) -> Path:
    """A clone of the bare repository."""
    process.run(["git", "clone", "--quiet", *options, f"file://{team.origin}", root])
    return known(root)


def known(root: Path) -> Path:
    """A clone whose user git knows."""
    for name, value in (("user.name", "Bea"), ("user.email", "bea@example.com")):
        process.run(["git", "config", name, value], cwd=root)
    return root


def state(root: Path) -> tuple[str, ...]:
    """What git knows of a clone and its work tree."""
    words = (
        ["for-each-ref"],
        ["status", "--porcelain"],
        ["rev-parse", "HEAD"],
        ["config", "--list", "--local"],
    )
    return tuple(process.run(["git", *each], cwd=root) for each in words)


def tried(team: Team, root: Path, commands: tuple[str, ...]) -> tuple[dict[str, int], dict[str, Answer]]:
    """Exit codes and answers by command; one that refuses says what and what next, and has changed nothing."""
    answers = {}
    before = state(root)
    for command in commands:
        answer = labeltrail(root, command.replace("RECORDINGS", str(team.recordings)))
        answers[command] = answer
        if answer.code not in (0, 6):
            assert answer.error["what"], command
            assert answer.error["next"], command
        if answer.code:
            assert state(root) == before, f"{command} was refused and has changed something"
    return {command: answer.code for command, answer in answers.items()}, answers


def test_every_command_is_tried() -> None:
    names = {name.split()[1] for name, _ in help_texts() if " " in name}
    assert {command.split()[0] for command in (*READING, *WRITING)} == names - ELSEWHERE


# What git alone can say, in any set-up.
OF_GIT = {"status": 0, "log": 0, "log --label walk": 0, "tag": 0}


def test_a_fresh_clone_before_up(team: Team, tmp_path: Path) -> None:
    """What git alone can say is said; the rest asks for `labeltrail up`, and nobody is asked for the bytes."""
    root = cloned(team, tmp_path / "fresh")
    codes, answers = tried(team, root, (*READING, *WRITING))
    others = dict.fromkeys((*READING, *WRITING), 3) | OF_GIT | {"doctor": 6, "down": 0, "merge walks": 7}
    assert codes == others
    nexts = {answer.error["next"].partition(";")[0] for name, answer in answers.items() if codes[name] == 3}
    assert nexts == {"labeltrail up"}
    assert answers["status"].value["project"]["labels"].endswith("  labels: +2 in 1 series")
    assert [entry["unknown"] for entry in answers["log"].value["commits"]] == [
        "this clone does not know yet where its DVC remote 'bucket' is"
    ] * 3
    assert not (root / ".env").exists()
    assert not (root / ".dvc/cache/files").exists()


def test_wrong_keys(team: Team, tmp_path: Path) -> None:
    root = cloned(team, tmp_path / "fresh")
    wrong = {"AWS_SECRET_ACCESS_KEY": "wrong-wrong", "LABEL_STUDIO_API_KEY": "0" * 40}
    write_env_file(root, read_env_file(team.project.root) | wrong)
    wired(root)
    codes, answers = tried(team, root, (*READING, *WRITING))
    assert codes == dict.fromkeys((*READING, *WRITING), 4) | OF_GIT | {
        "doctor": 6,
        "down": 0,
        "merge walks": 7,
    }
    nexts = {
        answer.error["next"].partition(" where")[0] for name, answer in answers.items() if codes[name] == 4
    }
    assert nexts == {"labeltrail doctor", "mend AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}


def test_servers_that_are_away(team: Team, tmp_path: Path) -> None:
    root = cloned(team, tmp_path / "fresh")
    away = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "LABEL_STUDIO_URL": "http://127.0.0.1:9"}
    write_env_file(root, read_env_file(team.project.root) | away)
    wired(root)
    codes, answers = tried(team, root, (*READING, *WRITING))
    assert codes == dict.fromkeys((*READING, *WRITING), 4) | OF_GIT | {
        "doctor": 6,
        "down": 0,
        "merge walks": 7,
    }
    refused = [answer.error for name, answer in answers.items() if codes[name] == 4]
    assert {error["next"] for error in refused} == {
        "labeltrail up (or check AWS_ENDPOINT_URL), then the same command again"
    }
    assert {error["what"] for error in refused} == {"the S3 server at http://127.0.0.1:9 does not answer"}


def wired(root: Path) -> None:
    """Point the DVC remote at what `.env` names, as `up` would if it could make the bucket."""
    project = Project(root)
    values = project.settings
    keys = {
        "access_key_id": values.access_key_id,
        "secret_access_key": values.secret_access_key.get_secret_value(),
    }
    options = {"endpointurl": values.s3_endpoint, "region": values.region, **keys}
    project.repository.configure(f"s3://{values.bucket}/dvc", options, {})


def connected(team: Team, root: Path) -> None:
    """Give a clone the team's addresses, and run `labeltrail up`."""
    write_env_file(root, read_env_file(team.project.root))
    assert labeltrail(root, "up").code == 0


# The facts of labels and models, that are the same in every whole clone.
FACTS = (
    "show", "show HEAD~1", "show main", "diff HEAD~1 HEAD", "log", "log --label walk", "trace HEAD", "trace one",
)  # fmt: skip
# Enough to see that a set-up is no other than that of a fresh clone before `up`.
SOME = ("status", "show", "diff", "log", "trace HEAD", "doctor")


@pytest.fixture(scope="module")
def right(team: Team) -> dict[str, Any]:
    """What the first clone answers."""
    codes, answers = tried(team, team.project.root, READING)
    assert codes == dict.fromkeys(READING, 0)
    return told(answers)


def told(answers: dict[str, Answer]) -> dict[str, Any]:
    """What a clone answers to `FACTS`."""
    return {name: answers[name].value for name in FACTS}


def test_a_submodule_in_a_path_that_a_shell_would_act_on(
    team: Team, right: dict[str, Any], tmp_path: Path
) -> None:
    outer = tmp_path / 'it\'s $(touch x) `touch x` "b" % #\nend ' / "outer"
    root = outer / "labels"
    process.run(["git", "init", "--quiet", outer])
    words = [
        "git",
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(team.origin),
        "labels",
    ]
    process.run(words, cwd=outer)
    known(root)
    assert tried(team, root, SOME)[0] == dict.fromkeys(SOME, 3) | {"status": 0, "log": 0, "doctor": 6}
    connected(team, root)
    codes, answers = tried(team, root, READING)
    assert codes == dict.fromkeys(READING, 0)
    assert told(answers) == right
    assert labeltrail(root, "sync").value["commit"] == ""
    process.run(["git", "checkout", "--quiet", "HEAD~1"], cwd=root)
    process.run(["git", "diff", "HEAD~1", "HEAD"], cwd=root)
    assert not list(tmp_path.rglob("x"))


def test_a_worktree(team: Team, right: dict[str, Any], tmp_path: Path) -> None:
    """It has a cache and an `.env` of its own, and uses the servers of its clone once `up` has run in it."""
    first, root = cloned(team, tmp_path / "clone"), tmp_path / "beside"
    connected(team, first)
    process.run(["git", "worktree", "add", "--quiet", root, "-b", "idea"], cwd=first)
    assert tried(team, root, SOME)[0] == dict.fromkeys(SOME, 3) | {"status": 0, "log": 0, "doctor": 6}
    assert labeltrail(root, "up").code == 0
    assert read_env_file(root) == read_env_file(first)
    codes, answers = tried(team, root, READING)
    # Nobody has made a place in bucket and Label Studio for this branch.
    assert codes == dict.fromkeys(READING, 0) | {
        "doctor": 6,
        "rollback HEAD~1 --dry-run": 7,
        "sync --dry-run": 7,
    }
    assert told(answers) == right
    assert not (root / ".dvc/cache").is_symlink()


def test_a_shallow_clone_says_that_its_history_is_cut_off(
    team: Team, right: dict[str, Any], tmp_path: Path
) -> None:
    root = cloned(team, tmp_path / "shallow", "--depth", "3")
    connected(team, root)
    codes, answers = tried(team, root, READING)
    cut = ("trace HEAD", "trace one", "gc")
    assert {name: code for name, code in codes.items() if code} == dict.fromkeys(cut, 3)
    assert {answers[name].error["next"] for name in cut} == {
        "git fetch --unshallow; then the same command again"
    }
    assert answers["log"].value["shallow"] is True
    whole = right["log"]["commits"]
    assert answers["log"].value["commits"] == whole[:1], (
        "the oldest one seems to have made all, and is not named"
    )
    assert answers["status"].value["project"]["labels"] == (
        "not known: the history of this clone is cut off (git fetch --unshallow)"
    )
    with chdir(root), pytest.raises(InputError, match="the history of this clone is cut off"):
        publish.model_version(Project(root), "lstm", whole[0]["labels"], "0" * 32)

    process.run(["git", "fetch", "--quiet", "--unshallow"], cwd=root)
    again = (*FACTS, *cut)
    codes, answers = tried(team, root, again)
    assert codes == dict.fromkeys(again, 0)
    assert told(answers) == right


def test_a_clone_of_one_commit(team: Team, tmp_path: Path) -> None:
    root = cloned(team, tmp_path / "shallow", "--depth", "1")
    connected(team, root)
    codes, answers = tried(team, root, ("show", "show HEAD~1", "log", "undo", "sync"))
    assert codes == {"show": 3, "show HEAD~1": 7, "log": 0, "undo": 3, "sync": 0}
    assert answers["show HEAD~1"].error["next"] == "git fetch --unshallow"
    assert answers["log"].value == {"commits": [], "shallow": True, "version": 1}
