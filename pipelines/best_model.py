"""The best model: commits of `dvc.lock`, and restoring the best model of a label commit."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from stages import params as parameters
from storage import process, settings
from storage.artifacts import predictions, provenance, reports
from storage.artifacts.lineage import LabelBest, model_in
from storage.files import md5, md5_bytes
from storage.paths import BEST, LABELS, LOCK, PARAMS, START
from storage.printable import shortened
from storage.project_files import splits_file
from storage.repo import dvc_stages
from storage.repo.dvc_lock import Lock, outdated
from storage.repo.repository import Repository
from storage.text.yaml_text import read_yaml

VERDICT = reports.VERDICT.as_posix()
PREDICTIONS = predictions.PATH.as_posix()


def commit_model(repository: Repository) -> str:
    """Commit `dvc.lock` where a run of the stages changed it, and push its outputs; returns the commit, or "".

    Called before labels change: the next run overwrites a `dvc.lock` that is in no commit, and its model is lost.
    """
    changed = repository.git.changed([LOCK])
    if not changed:
        return ""
    commit = repository.git.commit(changed, f"model: {_verdict(repository)}\n")
    repository.push()
    return commit


def _verdict(repository: Repository) -> str:
    """The verdict of promote, where it ran since the last commit and its report is still that of this `dvc.lock`."""
    path = repository.root / VERDICT
    lock = Lock.read(repository.root)
    before = Lock.parse(repository.git.show("HEAD", LOCK) or "", f"{LOCK} of HEAD")
    if lock.outputs().get(VERDICT) != md5(path) or lock.inputs("promote") == before.inputs("promote"):
        return "stages ran, the best model is as it was"
    verdict = reports.parse_verdict(path.read_bytes(), VERDICT)
    return shortened(f"{verdict.verdict}: {verdict.reason}")


@dataclass(frozen=True)
class BestPlan:
    """Which model will be best for a label snapshot.

    Attributes:
        best: the best known one; None: that of the work tree stays until promote decides.
        reason: why, in words.
        model: its hash; "" where `best` is None.
        lost: outputs of stages that neither cache nor remote has.
        runs: stages that `dvc repro` will run, each with the reason; empty where `best` is None.
    """

    best: LabelBest | None
    reason: str
    model: str = ""
    lost: list[str] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)


def plan_best(repository: Repository, found: LabelBest | None, labels: str, split_rows: bytes) -> BestPlan:
    """Plan the restoring of a model: which of its outputs are lost, which stages are out of date; writes nothing.

    Args:
        repository: the clone, with today's code, params and label config.
        found: the best known model of the labels.
        labels: hash of the label snapshot after the rollback.
        split_rows: bytes of `data/splits.csv` after the rollback.
    """
    decided = "and promote decides whether it is best"
    if found is None:
        return BestPlan(None, f"no model was trained on these labels: dvc repro trains one, {decided}")
    lost = repository.unavailable(found.lock.outputs())
    if BEST.as_posix() in lost:
        what = f"that of {found.commit[:7]} is neither in the DVC cache nor in its remote"
        return BestPlan(None, f"{what}: dvc repro trains it again, {decided}", lost=lost)
    stages = dvc_stages.read(repository.root)
    params = read_yaml(repository.root / PARAMS, f"mend it, or: git checkout {PARAMS}")
    planned = {LABELS: labels, str(splits_file.PATH): md5_bytes(split_rows)}
    runs = outdated(found.lock, stages, params, lambda path: planned.get(path) or repository.digest(path))
    for name in stages:
        missing = [path for path in found.lock.outputs(name) if path in lost]
        if missing:
            runs.setdefault(name, f"{missing[0]} is neither in the DVC cache nor in its remote")
    reason = f"{found.reason} (dvc.lock of {found.commit[:7]})"
    return BestPlan(found, reason, model_in(repository, found.lock.best), lost, runs)


def restore_best(repository: Repository, plan: BestPlan) -> str:
    """Check out the outputs of the plan's `dvc.lock` and publish its predictions; returns what was published.

    Idempotent. Publish is run by itself: its old receipt is restored too, so `dvc repro` would not run it.
    """
    if plan.best is None:
        return ""
    outputs = plan.best.lock.outputs()
    lost = repository.checkout_outputs(outputs)
    return publish(repository.root) if PREDICTIONS in outputs and PREDICTIONS not in lost else ""


def start_warnings(repository: Repository, commit: str) -> list[str]:
    """Warnings where training starts from a model of labels that a commit does not have."""
    folder = repository.root / START
    start = parameters.load(repository.root / PARAMS).train.start
    if not start or not folder.is_dir():
        return []
    labels = provenance.read(folder).labels
    if not labels or labels in {found.labels for found in repository.git.label_commits(commit)}:
        return []
    return [
        f"training still starts from model {start[:8]}, which was trained on labels that {commit[:12]} lacks; "
        f"{provenance.SCRATCH}, or labeltrail start-from {commit[:12]}, ends that"
    ]


def publish(root: Path) -> str:
    """Publish the predictions of the work tree, unless Label Studio has them; returns what was done, in words."""
    command = [sys.executable, "-m", "stages.publish"]
    return process.run(command, cwd=root, env=settings.stage_environment()).strip()
