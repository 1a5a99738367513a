"""`labeltrail merge`: another branch's labels into the one that is checked out, region by region.

The merge commit is made without touching the work tree, then git fast-forwards to it: a conflict or a crash changes
nothing. Labels, recordings, tasks and splits are merged as `git merge` does with its drivers set; the sync that
follows writes the result to bucket and Label Studio.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from pipelines.best_model import commit_model
from pipelines.branches import merge_commit, registry
from pipelines.result import Result
from pipelines.sync.apply import PATHS
from pipelines.sync.locks import exclusive
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage import worktree
from storage.errors import ConflictError
from storage.label_studio import label_config
from storage.labels import conflicts, git_drivers, label_changes, label_store
from storage.labels.label_changes import plural
from storage.labels.three_way import OPEN, OURS, Settlement
from storage.paths import LABELS, LOCK, SERIES
from storage.printable import argument, shortened
from storage.project import Project
from storage.project_files import splits_file
from storage.repo import dvc_lock
from storage.repo.pointer import parse_pointer
from storage.repo.repository import Repository

CONFIG, SPLITS = str(label_config.PATH), str(splits_file.PATH)
OWN = (*(path for path in PATHS if path != "data/.gitignore"), LOCK)
NOTHING = "nothing to merge: it is all here"


@dataclass(frozen=True)
class MergeResult(Result):
    """What a merge did.

    Attributes:
        branch: what was merged.
        commit: the merge commit; "" where there was nothing to merge.
        subject: its first line.
        kept: subject of the commit of labels that were not committed before; "" where there were none.
        pushed: annotations that were changed in Label Studio.
        left: annotations of the merged branch that are not synced, so not merged.
    """

    branch: str
    commit: str
    subject: str
    kept: str
    pushed: int
    left: int
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        text = [f"warning: {warning}" for warning in self.warnings]
        if self.kept:
            text.append(f"not synced before, so first committed by itself: {self.kept}")
        if self.left:
            what = f"{plural(self.left, 'annotation')} of {self.branch} not synced yet, so not merged"
            text.append(f"warning: {what} (labeltrail switch {argument(self.branch)}; labeltrail sync)")
        text.append(f"{self.commit[:12]}  {self.subject}" if self.commit else NOTHING)
        if self.pushed:
            text.append(f"{plural(self.pushed, 'annotation')} changed in Label Studio")
        return text


@exclusive
def merge(project: Project, name: str, settlement: Settlement = OPEN) -> MergeResult:
    """Sync the branch that is checked out, merge another one into it, and sync the result.

    Raises:
        NotFoundError: there is no such branch.
        InputError: git would overwrite files of the work tree that are in no commit.
        ConflictError: both branches, or this one and Label Studio, changed the same; names each. Nothing was merged.
    """
    repository = project.repository
    repository.git.branch()
    theirs = registry.require(repository.git, name)
    commit_model(project)
    kept = sync(project)  # a conflict with Label Studio ends it before anything is merged
    project = Project(project.root)  # the label config may have come in
    repository = project.repository
    worktree.restore(project)
    worktree.mark_current(project)
    commit, subject = _commit(repository, name, theirs, settlement)
    if commit:
        repository.git.move("merge", "--quiet", "--ff-only", commit)
    _follow(Project(project.root))
    left = _left(project, name)
    synced = sync(Project(project.root), Options(yes=True))
    pushed, warnings = kept.pushed + synced.pushed, (*kept.warnings, *synced.warnings)
    return MergeResult(name, commit, subject, kept.subject, pushed, left, warnings)


def _commit(repository: Repository, name: str, theirs: str, settlement: Settlement) -> tuple[str, str]:
    """Make the merge commit, on no branch yet; returns it and its subject, "" where there is nothing to merge."""
    ours = repository.git.head()
    base = repository.git.run("merge-base", ours, theirs).strip()
    if base == theirs:
        return "", ""
    tree, others = merge_commit.tree(repository.git, ours, theirs, (*OWN, splits_file.EARLIER.as_posix()))
    if others:
        raise ConflictError(
            f"files beside the labels conflict between this branch and {name}",
            where=", ".join(others),
            why="nothing was merged",
            cure=f"labeltrail git-setup; git merge {argument(name)}; resolve them; git commit; labeltrail sync",
        )
    files, open_ = _files(repository, (base, ours, theirs), settlement)
    if open_:
        raise ConflictError(
            f"{plural(len(open_), 'conflict')} between this branch and {name}",
            where=open_.values(),
            why="nothing was merged",
            cure=conflicts.settle_command(f"labeltrail merge {argument(name)}", next(iter(open_))),
        )
    before, after = (
        parse_pointer(text) for text in (repository.git.show(ours, f"{LABELS}.dvc"), files[f"{LABELS}.dvc"])
    )
    found = label_store.changes(repository, before, after)
    counts = label_changes.count(found, config=label_store.config_at(repository.git, ours))
    subject, _, trailers = label_changes.message(counts, Counter(), ["merge"]).strip().partition("\n\n")
    what = f"Merge {shortened(name)}"
    subject = f"{what}: {subject}" if counts.annotations else what
    made = merge_commit.with_files(repository.git, tree, files)
    return merge_commit.commit(
        repository.git, made, (ours, theirs), f"{subject}\n\n{trailers}".strip()
    ), subject


def _files(
    repository: Repository, sides: tuple[str, str, str], settlement: Settlement
) -> tuple[dict[str, str], dict[str, str]]:
    """The project's files after the merge, and the open conflicts, a line by name."""
    files: dict[str, str] = {}
    open_: dict[str, str] = {}
    for path in OWN:
        shows = [partial(repository.git.show, commit) for commit in sides]
        texts = [splits_file.at(show) if path == SPLITS else show(path) or "" for show in shows]
        base, ours, theirs = texts
        if ours == theirs or base == theirs:
            files[path] = ours
        elif base == ours:
            files[path] = theirs
        elif path == SPLITS:
            files[path] = _splits(base, ours, theirs)
        elif path == CONFIG:
            side = settlement.side("label_config")
            files[path] = ours if side == OURS else theirs
            open_ |= (
                {} if side else {"label_config": "label_config in data/label_config.xml: changed on both"}
            )
        else:
            found = git_drivers.merge(repository, path, (base, ours, theirs), settlement)
            files[path] = found.text
            open_ |= found.open
    return {path: text for path, text in files.items() if text}, open_


def _splits(base: str, ours: str, theirs: str) -> str:
    """Splits that the branch gave are taken where they divide no group; what has a split here keeps it."""
    was, our, their = (splits_file.parse(text) if text else {} for text in (base, ours, theirs))
    rows = dict(our)
    homes = {row.group: row.split for row in our.values() if row.split != splits_file.UNASSIGNED}
    for series, row in sorted(their.items()):
        if series not in our or (our[series] == was.get(series) and row != our[series]):
            home = (
                homes.setdefault(row.group, row.split) if row.split != splits_file.UNASSIGNED else row.split
            )
            rows[series] = splits_file.Row(row.group, home)
    return splits_file.dump(_known(rows, was, their)).decode()


def _known(
    rows: Mapping[str, splits_file.Row],
    was: Mapping[str, splits_file.Row],
    their: Mapping[str, splits_file.Row],
) -> dict[str, splits_file.Row]:
    """Without the series that the branch deleted."""
    return {series: row for series, row in rows.items() if series in their or series not in was}


def _follow(project: Project) -> None:
    """Check out the DVC folders, and push labels and recordings to the DVC remote."""
    repository = project.repository
    kept = [path for path in (LABELS, SERIES) if repository.pointer(path)]
    repository.checkout(*kept)
    worktree.mark_current(project)
    worktree.restore_start(project)
    if outputs := dvc_lock.Lock.read(project.root).outputs():
        repository.checkout_outputs(outputs)
    repository.push()


def _left(project: Project, name: str) -> int:
    config = project.repository.git.show(name, CONFIG)
    if config is None:
        return 0
    remote = registry.remote_of(project, name, config)
    state = remote.state()
    return registry.unsynced(project, remote, state) if state and state.project else 0
