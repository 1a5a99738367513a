"""`labeltrail merge`: another branch's labels into the one that is checked out, region by region.

The merge commit is made without touching the work tree, then git fast-forwards to it: a conflict or a crash changes
nothing. Labels, recordings, tasks and splits are merged as `git merge` does with its drivers set; the sync that
follows writes the result to bucket and Label Studio.
"""

from __future__ import annotations

from collections import Counter
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
from storage.paths import LABELS, LOCK
from storage.printable import argument, shortened
from storage.project import Project
from storage.project_files import splits_file
from storage.repo import dvc_lock
from storage.repo.pointer import parse_pointer
from storage.repo.repository import Repository

CONFIG, SPLITS = str(label_config.PATH), str(splits_file.PATH)
# Files that are merged here; git merges all others.
OWN = (*(path for path in PATHS if path != "data/.gitignore"), LOCK)


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
        text.append(
            f"{self.commit[:12]}  {self.subject}" if self.commit else "nothing to merge: it is all here"
        )
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
    commit_model(repository)
    kept = sync(project)  # a conflict with Label Studio ends it before anything is merged
    project = Project(project.root)  # the sync may have changed the label config
    repository = project.repository
    worktree.restore(repository, project.mirror)
    worktree.mark_current(repository, project.mirror)
    commit, subject = _commit(repository, name, theirs, settlement)
    if commit:
        repository.git.move("merge", "--quiet", "--ff-only", commit)
    _checkout(Project(project.root))
    left = _count_unsynced(project, name)
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
    files, unsettled = _files(repository, (base, ours, theirs), settlement)
    if unsettled:
        raise ConflictError(
            f"{plural(len(unsettled), 'conflict')} between this branch and {name}",
            where=unsettled.values(),
            why="nothing was merged",
            cure=conflicts.settle_command(f"labeltrail merge {argument(name)}", next(iter(unsettled))),
        )
    before = parse_pointer(repository.git.show(ours, f"{LABELS}.dvc"))
    found = label_store.changes(repository, before, parse_pointer(files[f"{LABELS}.dvc"]))
    counts = label_changes.count(found, config=label_store.config_at(repository.git, ours))
    subject, _, trailers = label_changes.message(counts, Counter(), ["merge"]).strip().partition("\n\n")
    what = f"Merge {shortened(name)}"
    subject = f"{what}: {subject}" if counts.annotations else what
    message = f"{subject}\n\n{trailers}".strip()
    merged_tree = merge_commit.with_files(repository.git, tree, files)
    return merge_commit.commit(repository.git, merged_tree, (ours, theirs), message), subject


def _files(
    repository: Repository, sides: tuple[str, str, str], settlement: Settlement
) -> tuple[dict[str, str], dict[str, str]]:
    """The project's files after the merge, and the conflicts that are not settled, each a line by its name."""
    files: dict[str, str] = {}
    unsettled: dict[str, str] = {}
    for path in OWN:
        shows = [partial(repository.git.show, commit) for commit in sides]
        texts = [splits_file.at(show) if path == SPLITS else show(path) or "" for show in shows]
        base, ours, theirs = texts
        if ours == theirs or base == theirs:
            files[path] = ours
        elif base == ours:
            files[path] = theirs
        elif path == SPLITS:
            files[path] = _merge_splits(base, ours, theirs)
        elif path == CONFIG:
            side = settlement.side("label_config")
            files[path] = ours if side == OURS else theirs
            if not side:
                unsettled["label_config"] = "label_config in data/label_config.xml: changed on both"
        else:
            found = git_drivers.merge(repository, path, (base, ours, theirs), settlement)
            files[path] = found.text
            unsettled |= found.open
    return {path: text for path, text in files.items() if text}, unsettled


def _merge_splits(base: str, ours: str, theirs: str) -> str:
    """Three-way merge of `data/splits.csv`: the split that a group has in ours wins."""
    was, our, their = (splits_file.parse(text) if text else {} for text in (base, ours, theirs))
    rows = dict(our)
    split_of = {row.group: row.split for row in our.values() if row.split != splits_file.UNASSIGNED}
    for series, row in sorted(their.items()):
        if series not in our or (our[series] == was.get(series) and row != our[series]):
            if row.split != splits_file.UNASSIGNED:
                row = splits_file.Row(row.group, split_of.setdefault(row.group, row.split))
            rows[series] = row
    # Without the series that theirs deleted.
    rows = {series: row for series, row in rows.items() if series in their or series not in was}
    return splits_file.dump(rows).decode()


def _checkout(project: Project) -> None:
    """Check out folders and outputs of the merge commit, and push labels and recordings to the DVC remote."""
    repository = project.repository
    worktree.checkout(repository, project.mirror)
    if outputs := dvc_lock.Lock.read(project.root).outputs():
        repository.checkout_outputs(outputs)
    repository.push(project.bucket)


def _count_unsynced(project: Project, name: str) -> int:
    """How many annotations of the other branch are not synced."""
    config = project.repository.git.show(name, CONFIG)
    if config is None:
        return 0
    remote = registry.remote_of(project, name, config)
    state = remote.state()
    return registry.count_unsynced(project.repository, remote, state) if state and state.project else 0
