"""Branches in git, in the bucket and in Label Studio."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipelines.sync.plan import records_of
from storage import process
from storage.errors import InputError, NotFoundError
from storage.label_studio import label_config
from storage.label_studio.projects import SETTINGS
from storage.labels.label_store import records
from storage.labels.snapshot import Record, same
from storage.labels.three_way import changes_between
from storage.printable import printable
from storage.project import Project
from storage.remote.identity import number_for, record_of
from storage.remote.remote import Remote
from storage.remote.sync_state import State
from storage.repo.git import Git, prefix_of
from storage.repo.repository import Repository
from storage.s3.bucket import Bucket

# Prefixes of the bucket that belong to no branch.
SHARED = ("series", "dvc")
LONGEST_BRANCH = 100  # bytes, so that a series key fits behind it in the bucket
COMMIT = re.compile(r"[0-9a-f]{7,64}")


def names(git: Git) -> dict[str, str]:
    """The commit of every local branch."""
    listing = git.lines("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads")
    return {name: commit for commit, _, name in (line.partition(" ") for line in listing)}


def remotes(git: Git) -> set[str]:
    """Names of the branches that git remotes have, as far as this clone knows."""
    return set(git.lines("for-each-ref", "--format=%(refname:lstrip=3)", "refs/remotes"))


def sharing_prefix(git: Git, branch: str) -> list[str]:
    """Other branches, here or known from a git remote, that have the same prefix in the bucket."""
    known = {*names(git), *remotes(git)} - {branch}
    return sorted(name for name in known if prefix_of(name) == prefix_of(branch))


def require(git: Git, branch: str) -> str:
    """The commit of a local branch; NotFoundError where there is none."""
    commit = names(git).get(branch)
    if commit is None:
        raise NotFoundError(f"there is no branch {branch!r}", where=str(git.root), cure="labeltrail branches")
    return commit


def check_reachable(git: Git, branch: str) -> None:
    """NotFoundError for a branch that `git switch` cannot check out: neither here nor known from a git remote."""
    if branch not in remotes(git):
        require(git, branch)


def check_name(git: Git, branch: str) -> None:
    """Check the name of a new branch.

    Raises:
        InputError: git does not accept it, or it would share another branch's prefix in the bucket.
    """
    why, cure = _syntax_problem(git, branch), "use letters, digits, - and /"
    if not why:
        why, cure = _collision(git, branch), "choose another name"
    if why:
        raise InputError(f"{branch!r} cannot be the name of a branch", why=why, cure=cure)


def _collision(git: Git, branch: str) -> str:
    """Why a branch of this name collides with another one or with a shared prefix; "" where it does not."""
    prefix = prefix_of(branch)
    if prefix in SHARED:
        return f"{prefix}/ in the bucket is shared by all branches"
    for other in names(git).keys() - {branch}:
        if f"{other}/".startswith(f"{branch}/") or f"{branch}/".startswith(f"{other}/"):
            return f"git has branch {other!r}, and would need a file and a folder of one name"
    for other in sharing_prefix(git, branch):
        return f"branch {other!r} has the same prefix {prefix}/ in the bucket"
    return ""


def _syntax_problem(git: Git, branch: str) -> str:
    """Why a name is invalid or ambiguous; "" where it is not."""
    if COMMIT.fullmatch(branch):
        return "it looks like a commit"
    if branch in ("@", "HEAD", "FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD") or branch.startswith("refs/"):
        return "it is a special name of git's"
    if printable(branch) != branch or len(branch.encode()) > LONGEST_BRANCH:
        return f"it has invisible characters, or more than {LONGEST_BRANCH} bytes"
    try:
        # Without --branch, which would resolve `@{-1}` to the previous branch.
        git.run("check-ref-format", f"refs/heads/{branch}")
    except process.ProgramError:
        return "git refuses it"
    return "git would take it for an option" if branch.startswith("-") else ""


def in_bucket(bucket: Bucket) -> list[str]:
    """Prefixes of the branches that have a `sync.json` in the bucket."""
    folders = [folder for folder in bucket.folders() if folder not in SHARED]
    return [folder for folder in folders if any(bucket.objects(f"{folder}/sync.json"))]


def remote_of(project: Project, branch: str, config: str) -> Remote:
    """The remote of a branch, also of one that is not checked out; `config` is the text of its label config."""
    return project.remote_at(prefix_of(branch), label_config.parse(config).data_key)


def settings_of(remote: Remote, state: State) -> dict[str, object]:
    """Labeling settings of a branch's project."""
    facts = remote.project(state)
    return {name: facts[name] for name in SETTINGS if facts.get(name) is not None}


def remote_records(remote: Remote, base: Mapping[str, Record], state: State | None) -> dict[str, Record]:
    """The annotations in the bucket by record id, re-created ones under the id of their record.

    Args:
        remote: of the branch.
        base: records of its last sync.
        state: `sync.json`: which annotations were created again, and who has no account.
    """
    remote.annotations.refresh()
    ids = state.ids if state else {}
    # Where sync.json is lost, the labels still have the annotators without an account.
    names = {str(number_for(who)): who for who in {record["annotator"] for record in base.values()}}
    names |= state.annotators if state else {}
    rows = [row for row in remote.annotations.rows() if row.value is not None]
    own_ids = {row.value["record"]["id"] for row in rows}
    found, _ = records_of(rows, names, lambda own, number: record_of(ids, own, number, own_ids.__contains__))
    for name in base.keys() & found.keys() - own_ids:
        found[name] = found[name] | {"annotator": base[name]["annotator"]}
    return found


def count_unsynced(repository: Repository, remote: Remote, state: State) -> int:
    """How many annotations in the bucket differ from the branch's last sync."""
    base = {record["id"]: record for record in records(repository, state.labels)}
    return len(changes_between(base, remote_records(remote, base, state), same))
