"""`labeltrail rollback REV`: restore earlier labels in a new commit, with bucket, Label Studio and model.

New labels are synced first, into a label commit of their own. Then one commit restores `data/labels.dvc` (byte for
byte where all labels are restored), `data/splits.csv` and the best `dvc.lock` of these labels; a sync writes them to
bucket and Label Studio; last, the outputs of that `dvc.lock` are checked out and its predictions published. If it was
killed, running it again has the same result. Recordings, task data and label config do not change.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipelines.best_model import BestPlan, commit_model, plan_best, restore_best, start_warnings
from pipelines.history.formatting import counts_json, stat_lines
from pipelines.rollback import preflight
from pipelines.rollback.partial import EVERYTHING, Selection, revert_partially, unmatched
from pipelines.sync import apply
from pipelines.sync.apply import Move
from pipelines.sync.locks import exclusive
from pipelines.sync.result import Options, SyncResult
from pipelines.sync.sync import sync
from storage.artifacts import lineage
from storage.errors import ConflictError, InputError, NotFoundError
from storage.labels import label_changes, label_store
from storage.labels.label_changes import LabelChanges, plural
from storage.paths import LABELS, LOCK
from storage.project import Project
from storage.project_files import splits_file
from storage.repo.repository import Repository


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback will change.

    Attributes:
        to: the commit whose labels are restored.
        part: which of them.
        labels: hash of the resulting label snapshot.
        move: its label commit.
        changes: the changes of labels, counted.
        best: the model that will be best.
    """

    to: str
    part: Selection
    labels: str
    move: Move
    changes: LabelChanges
    best: BestPlan


@dataclass(frozen=True)
class RollbackResult:
    """What a rollback did, or would do.

    Attributes:
        kept: sync of the new labels before it, into a label commit of their own.
        commit: the new label commit; "" where nothing had to be committed, or of a dry run.
        subject: its first line.
        published: what was published, in words.
        dry: nothing was changed.
    """

    plan: RollbackPlan
    kept: SyncResult
    commit: str = ""
    subject: str = ""
    published: str = ""
    warnings: list[str] = field(default_factory=list)
    dry: bool = False

    def to_json(self) -> dict[str, Any]:
        best = self.plan.best
        return {
            "dry_run": self.dry,
            "to": self.plan.to,
            "commit": self.commit or None,
            "subject": self.subject,
            "labels": self.plan.labels,
            "kept": {"commit": self.kept.commit or None, "subject": self.kept.subject or None},
            "changes": counts_json(self.plan.changes),
            "model": {
                "best": best.best.lock.best if best.best else None,
                "hash": best.model or None,
                "commit": best.best.commit if best.best else None,
                "reason": best.reason,
                "lost": best.lost,
                "runs": best.runs if best.best else None,
                "published": self.published,
            },
            "warnings": self.warnings,
        }

    def lines(self) -> list[str]:
        text = [f"warning: {warning}" for warning in self.warnings]
        if self.kept.subject:
            commit = f"label commit {self.kept.commit[:12]}" if self.kept.commit else "a label commit"
            text.append(f"not synced before, so first committed by itself, {commit}: {self.kept.subject}")
        what = self.plan.part.describe()
        text.append(f"labels as in {self.plan.to[:12]}" + (f", only {what}" if what else ""))
        text += stat_lines(self.plan.changes)
        text.append(f"in Label Studio: {_studio_line(self.plan.changes, self.dry)}")
        text += _model_lines(self.plan.best)
        text += [self.published] if self.published else []
        commit = f"label commit {self.commit[:12]}  {self.subject}" if self.commit else "nothing to commit"
        return [*text, "dry run: nothing was changed" if self.dry else commit]


def _studio_line(changes: LabelChanges, dry: bool) -> str:
    verbs, counts = {"~": "changed in place", "+": "created again", "-": "deleted"}, changes.annotations
    parts = [f"{plural(counts[s], 'annotation')} {verb}" for s, verb in verbs.items() if counts[s]]
    return (", ".join(parts) or "nothing to change") + (" (would be)" if dry and parts else "")


def _model_lines(plan: BestPlan) -> list[str]:
    if plan.best is None:
        return [f"best model: unchanged; {plan.reason}"]
    runs = ", ".join(f"{name} ({why})" for name, why in plan.runs.items()) or "nothing"
    return [f"best model: {plan.model[:8]}: {plan.reason}", f"dvc repro will run: {runs}"]


@exclusive
def rollback(
    project: Project, revision: str, part: Selection = EVERYTHING, *, dry: bool = False
) -> RollbackResult:
    """Restore the labels of a revision, or a selection of them.

    Raises:
        NotFoundError: there is no such revision, or no label snapshot in it.
        InputError: the labels do not fit today's label config or recordings, or a filter matches no annotation.
        ConflictError, ServiceError: as `sync`.
    """
    project = project.dry() if dry else project
    to = project.repository.git.resolve(revision)
    if not project.repository.git.labels_at(to):
        what, why = f"there is no label snapshot in {revision}", "it was made before the first sync"
        raise NotFoundError(what, where=to, why=why, cure="labeltrail log")
    warnings = start_warnings(project.repository, to)
    if dry:
        plan, preview = _plan(project, to, part), sync(project, Options(dry_run=True))
        return RollbackResult(plan, preview, warnings=warnings, dry=True)
    commit_model(project.repository)
    # Deletions need no confirmation: they are rolled back too, or stay in a label commit of their own.
    kept = sync(project, Options(yes=True))
    project = Project(project.root)  # the sync may have changed the label config
    plan = _plan(project, to, part)
    commit, subject = apply.move(project.repository, plan.move)
    synced = sync(project, Options(yes=True))
    published = restore_best(project.repository, plan.best)
    warnings = [*kept.warnings, *synced.warnings, *warnings]
    return RollbackResult(plan, kept, commit, subject, published, warnings)


def _plan(project: Project, to: str, part: Selection) -> RollbackPlan:
    repository = project.repository
    now, then = repository.pointer(LABELS), repository.git.labels_at(to)
    config = label_store.config_at(repository.git)
    _check_matched(unmatched(repository, (now, then), part, config), to)
    target = revert_partially(repository, now, then, part, config)
    changes = list(label_store.changes(repository, now, target))
    preflight.check(project, to, changes)
    best = lineage.best_of(repository, target, ["HEAD", to])
    if part.is_everything:
        # Splits may have been edited between the label commit and the run of its best model.
        rows = _splits(repository, best.commit if best and best.lock.labels == target else to)
    else:
        path = project.root / splits_file.PATH  # a dry run may meet the file of an earlier version
        rows = path.read_bytes() if path.exists() else splits_file.dump(splits_file.read(path))
    counts = label_changes.count(changes, config=config)
    plan = plan_best(repository, best, target, rows)
    files = {}
    if target == then:  # the same pointer, byte for byte
        files[f"{LABELS}.dvc"] = (repository.git.show(to, f"{LABELS}.dvc") or "").encode()
    files[str(splits_file.PATH)] = rows
    if plan.best:
        files[LOCK] = plan.best.lock.text.encode()
    committed = zip(files, repository.git.contents(f"HEAD:{path}" for path in files), strict=True)
    changed = [path for path, text in committed if (text or "").encode() != files[path]]
    move = Move("" if target == then else target, _message(counts, changed, to, part), files)
    return RollbackPlan(to, part, target, move, counts, plan)


def _check_matched(filters: list[tuple[str, str]], to: str) -> None:
    """A filter that matches nothing is a typing error."""
    if filters:
        raise InputError(
            "no annotation matches " + ", ".join(f"--{option} {value!r}" for option, value in filters),
            where=f"the labels of {to[:12]} and the current ones",
            why="nothing was rolled back",
            cure=f"labeltrail diff {to[:12]} names series, annotators and labels",
        )


def _splits(repository: Repository, commit: str) -> bytes:
    """`data/splits.csv` of a commit, for the series that exist now."""
    now = splits_file.read(repository.root / splits_file.PATH)
    text = splits_file.at(partial(repository.git.show, commit))
    return splits_file.dump(splits_file.with_splits_of(now, splits_file.parse(text)) if text else now)


def _message(counts: LabelChanges, others: list[str], to: str, part: Selection) -> str:
    subject, _, trailers = label_changes.message(counts, Counter(), others).partition("\n")
    what = part.describe()
    return f"{subject}; back to {to[:7]}" + (f" ({what})" if what else "") + f"\n{trailers}"


@exclusive
def undo(project: Project, *, dry: bool = False) -> RollbackResult:
    """Restore the labels before the last label commit, which may be a rollback or an undo itself.

    Raises:
        NotFoundError: there is no label commit before the last one.
        ConflictError: somebody has labeled since, which would be undone as well.
    """
    last = project.repository.git.label_commit_at("HEAD", "--first-parent")
    if last is None or not last.before:
        what = "there is no label commit before the last one"
        raise NotFoundError(what, where=str(project.root), cure="labeltrail log")
    preview = sync(project, Options(dry_run=True))
    if preview.subject.startswith("labels:"):
        raise ConflictError(
            "somebody has labeled since the last label commit",
            where=preview.subject,
            why="it would be undone as well; nothing was changed",
            cure="labeltrail sync, then labeltrail undo undoes that commit; "
            f"or labeltrail rollback {last.commit[:12]}^",
        )
    return rollback(project, f"{last.commit}^", dry=dry)
