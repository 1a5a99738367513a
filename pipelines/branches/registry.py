"""Branches in git, and their places in bucket and Label Studio."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from pipelines.branches.populate import Content, FillResult, fill
from pipelines.sync.shared_label_config import digest
from storage import process
from storage.errors import InputError, NotFoundError
from storage.label_studio import label_config
from storage.label_studio.projects import SETTINGS
from storage.labels.label_store import records
from storage.labels.snapshot import Record, same
from storage.labels.three_way import changes_between
from storage.paths import SERIES
from storage.printable import printable
from storage.progress import track
from storage.project import Project
from storage.remote.identity import annotator, number_for, record_of
from storage.remote.remote import Remote
from storage.remote.sync_state import State
from storage.repo.git import Git, prefix_of
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
    why, cure = _no_name(git, branch), "use letters, digits, - and /"
    if not why:
        why, cure = _no_place(git, branch), "choose another name"
    if why:
        raise InputError(f"{branch!r} cannot be the name of a branch", why=why, cure=cure)


def _no_place(git: Git, branch: str) -> str:
    """Why a branch of this name clashes with others; "" where it does not."""
    prefix = prefix_of(branch)
    if prefix in SHARED:
        return f"{prefix}/ in the bucket is shared by all branches"
    for other in names(git).keys() - {branch}:
        if f"{other}/".startswith(f"{branch}/") or f"{branch}/".startswith(f"{other}/"):
            return f"git has branch {other!r}, and would need a file and a folder of one name"
    for other in sharing_prefix(git, branch):
        return f"branch {other!r} has the same prefix {prefix}/ in the bucket"
    return ""


def _no_name(git: Git, branch: str) -> str:
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
    """The branches, as prefixes, that have a `sync.json`."""
    folders = [folder for folder in bucket.folders() if folder not in SHARED]
    return [folder for folder in folders if any(bucket.objects(f"{folder}/sync.json"))]


def remote_of(project: Project, branch: str, config: str) -> Remote:
    """A branch's place in bucket and Label Studio, whichever branch is checked out; `config`: its label config."""
    data_key = label_config.parse(config).data_key
    return Remote(project.bucket, project.studio, project.mirror, prefix_of(branch), data_key)


def settings_of(remote: Remote) -> dict[str, object]:
    """Labeling settings of a branch's project; empty where it has no project."""
    state = remote.state()
    if state is None or not state.project:
        return {}
    facts = remote.project(state)
    return {name: facts[name] for name in SETTINGS if facts.get(name) is not None}


def remote_records(remote: Remote, base: Mapping[str, Record], state: State | None) -> dict[str, Record]:
    """The annotations in the bucket by record id, re-created ones under the id of their record.

    Args:
        remote: the branch's place in the bucket.
        base: records of its last sync.
        state: `sync.json`: which annotations were created again, and who has no account.
    """
    remote.annotations.refresh()
    found = {}
    ids = state.ids if state else {}
    # Where sync.json is lost, the labels still have the annotators without an account.
    names = {str(number_for(who)): who for who in {record["annotator"] for record in base.values()}}
    names |= state.annotators if state else {}
    rows = [row for row in remote.mirror.rows(remote.annotations_prefix) if row.value is not None]
    there = {row.value["record"]["id"] for row in rows}
    for row in rows:
        record = row.value["record"]
        who = annotator(names, row.value.get("import_id"), record["annotator"])
        record = record | {"annotator": who}
        name = record_of(ids, record["id"], row.value["annotation"], there.__contains__)
        if name in found:
            name = record["id"]
        if name != record["id"]:
            record = record | {"id": name, "annotator": base[name]["annotator"] if name in base else who}
        found[name] = record
    return found


def unsynced(project: Project, remote: Remote, state: State) -> int:
    """How many annotations in the bucket differ from the branch's last sync."""
    base = {record["id"]: record for record in records(project.repository, state.labels)}
    return len(changes_between(base, remote_records(remote, base, state), same))


def provision(
    project: Project, remote: Remote, content: Content, title: str, like: dict[str, object]
) -> tuple[State, FillResult]:
    """Create the branch's project in Label Studio, or resume creating it, and populate it from a commit.

    `sync.json` has project 0 until it is done, so that nobody syncs with a half-populated project.

    Args:
        project: the clone.
        remote: the branch's place in bucket and Label Studio.
        content: of the commit.
        title: the project's name in Label Studio.
        like: its first settings.
    """
    state = remote.state() or State(0)
    state = remote.write_state(State(0, etag=state.etag)) if state.project or not state.etag else state
    _upload(project, remote, content)
    found = remote.studio.projects.find_by_description(project.bucket.url(remote.prefix))
    number = found[0] if found else remote.studio.projects.create(title, remote.description, content.config)
    if like:
        remote.studio.projects.update(number, **like)
    filled = fill(remote, project.settings, number, content)
    done = replace(state, project=number, label_config=digest(content.config), ids=filled.ids)
    if not filled.missing:  # else the base stays empty, and the first sync pushes the missing ones
        done = replace(done, labels=content.labels, series=content.series)
    return remote.write_state(done), filled


def _upload(project: Project, remote: Remote, content: Content) -> None:
    """Upload recordings of the commit that the bucket lacks."""
    there = remote.series()
    folder = project.repository.folder(content.series, SERIES)
    missing = [name for name in folder if name.removesuffix(".csv") not in there]
    for name in track(missing, "restoring recordings"):
        data = project.repository.read([folder[name]])[folder[name]]
        project.mirror.note_contents([remote.put_recording(name.removesuffix(".csv"), data)])
