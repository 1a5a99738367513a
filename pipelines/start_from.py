"""`labeltrail start-from MODEL`: continue training from an earlier model (warm start).

The model is pinned, not "the current best": its hash is written to params.yaml, its bytes to `data/start`, whose
pointer is committed to git. So the same commit trains the same model in any clone.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import learning_task, params
from storage import worktree
from storage.artifacts import checkpoint, lineage
from storage.artifacts.provenance import SCRATCH
from storage.errors import InputError, NotFoundError
from storage.paths import LOCK, START
from storage.project import Project
from storage.project_files import params_file
from storage.repo.dvc_lock import Lock
from storage.repo.repository import Repository

PATHS = (str(params.PATH), f"{START}.dvc")
BEST = "best"


@dataclass(frozen=True)
class StartResult:
    """The model that training starts from.

    Attributes:
        model: its hash; "" for none.
        labels: hash of the labels that it was trained on; "" for a table, or for none.
        before: hash of the model until now; "" for none.
        changed: files that have to be committed to git.
    """

    model: str
    labels: str
    before: str
    changed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        hashes = {"start": self.model, "labels": self.labels, "before": self.before}
        return {**{name: value or None for name, value in hashes.items()}, "changed": list(self.changed)}

    def lines(self) -> list[str]:
        now = f"from model {self.model}, which is in {START}" if self.model else "from scratch"
        if self.model == self.before:
            return [f"training starts {now}, as before"]
        before = f"from model {self.before}" if self.before else "from scratch"
        return [f"training starts {now}", f"until now: {before}"]


def start_from(project: Project, name: str, *, configured: bool = False) -> StartResult:
    """Put a model into `data/start` and its hash into params.yaml.

    Args:
        project: the clone.
        name: `best`; a folder with a model; a model version or hash; or a git revision: the best of its labels.
        configured: take its network params too.

    Raises:
        NotFoundError: it is none of these, or neither DVC's cache nor its remote has the model.
        InputError: the project's models are of another kind, or have other labels; nothing is written.
    """
    repository, path = project.repository, project.root / params.PATH
    before = params.load(path).train.start or ""
    folder = _find(repository, name)
    listing = repository.folder(folder)
    data = repository.read(listing.values())
    model, origin = (json.loads(data[listing[file]]) for file in ("model.json", "provenance.json"))
    _check_compatible(project, name, model)
    if configured:
        # Params that were added or removed since are left out.
        its = origin["params"]["train"]["classifier"]
        known = {name: its[name] for name in params.Classifier.model_fields if name in its}
        params_file.put(path, ["train", "classifier"], known)
    params_file.put(path, ["train"], {"start": origin["model"]})
    repository.write_pointer(str(START), folder)
    worktree.restore_start(repository, project.mirror)
    return StartResult(origin["model"], origin["labels"], before, tuple(repository.git.changed(PATHS)))


def scratch(repository: Repository) -> StartResult:
    """Train from scratch again; the model stays in git's history and in DVC."""
    path = repository.root / params.PATH
    before = params.load(path).train.start or ""
    params_file.put(path, ["train"], {"start": None})
    (repository.root / f"{START}.dvc").unlink(missing_ok=True)
    shutil.rmtree(repository.root / START, ignore_errors=True)
    deleted = repository.git.missing([f"{START}.dvc"])
    return StartResult("", "", before, (*repository.git.changed([str(params.PATH)]), *deleted))


def _find(repository: Repository, name: str) -> str:
    """DVC's hash of the folder of a model; one that DVC does not have is put into its cache."""
    if name == BEST:
        best = Lock.read(repository.root).best
        if not best:
            where = str(repository.root / LOCK)
            raise NotFoundError("there is no best model yet", where=where, cure="dvc repro")
        return best
    if (Path(name) / "model.json").is_file():
        checkpoint.read(Path(name))  # complete, and of a known version
        return repository.cache.store({file: (Path(name) / file).read_bytes() for file in checkpoint.FILES})
    found = lineage.find_models(repository, name)
    return found[0].folder if found else _of_revision(repository, name)


def _of_revision(repository: Repository, name: str) -> str:
    """The best model of the labels of a revision: that of its own `dvc.lock` where the stages ran on them."""
    try:
        commit = repository.git.resolve(name)
    except NotFoundError as error:
        what = f"there is no model {name!r} here"
        why = "it is not `best`, no folder with a model, no model that was best on this branch, and no git revision"
        raise NotFoundError(what, why=why, cure="labeltrail trace HEAD names models") from error
    labels = repository.git.labels_at(commit)
    lock = Lock.parse(repository.git.show(commit, LOCK) or "", f"{LOCK} of {name}")
    if lock.best and lock.labels == labels:
        return lock.best
    best = lineage.best_of(repository, labels, ["HEAD", commit]) if labels else None
    if best is None:
        what = f"no model was trained on the labels of {name}"
        raise NotFoundError(what, where=commit, cure="labeltrail log")
    return best.lock.best


def _check_compatible(project: Project, name: str, model: dict[str, Any]) -> None:
    """InputError where the kind or the labels differ from the project's; training checks shape and channels too."""
    task = learning_task.of(project.label_config)
    if why := task.cannot_start_from(model["kind"], model["labels"]):
        what, cure = f"training cannot start from {name}", f"another model; or none: {SCRATCH}"
        raise InputError(what, where=f"model {model['kind']}", why=why, cure=cure)
