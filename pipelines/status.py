"""`labeltrail status`: where the labels, the best model and Label Studio's project are."""

from __future__ import annotations

from storage.artifacts import lineage
from storage.errors import LabeltrailError
from storage.label_studio import label_config
from storage.paths import LABELS
from storage.project import Project
from storage.project_files import splits_file
from storage.repo.repository import Repository

NO_LABELS = "no label commit yet (labeltrail sync)"
NO_PROJECT = "none yet (labeltrail import)"


def describe(project: Project) -> dict[str, str]:
    """Short facts about this clone, by name; in place of an unknown one, why it is unknown."""
    repository = project.repository
    facts = {"branch": repository.git.branch()}
    labels = repository.pointer(LABELS)
    facts["labels"] = _labels(repository, labels) if labels else NO_LABELS
    rows = splits_file.read(project.root / splits_file.PATH).values()
    counts = {name: sum(row.split == name for row in rows) for name in splits_file.SPLITS}
    facts["series"] = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none yet"
    facts["best model"] = _best_model(repository)
    facts["project"] = _project_url(project)
    return facts


def _labels(repository: Repository, labels: str) -> str:
    try:
        commit = repository.git.label_commit(labels)
    except LabeltrailError as error:
        return f"not known: {error.what} ({error.cure.partition(';')[0]})"
    if commit is None:
        return NO_LABELS
    return f"{commit[:12]}  " + repository.git.run("show", "--no-patch", "--format=%s", commit).strip()


def _best_model(repository: Repository) -> str:
    """The work tree's best model, by its version, or by its hash where its labels are in no commit."""
    try:
        best = lineage.current_best(repository)
        if best is None:
            return "none yet (dvc repro)"
        name = lineage.trace(repository, best.model).version or best.model.hash[:8]
    except LabeltrailError as error:
        return f"not known: {error.what}"
    if not best.locked:
        return f"{name}, in data/best; dvc.lock names another (dvc checkout data/best)"
    return name if best.committed else f"{name}; its dvc.lock is not committed (labeltrail sync)"


def _project_url(project: Project) -> str:
    if not (project.root / label_config.PATH).exists():
        return NO_PROJECT
    try:
        state = project.remote.state()
    except LabeltrailError as error:
        return f"not known: {error.what}"
    return project.studio.projects.url(state.project) if state else NO_PROJECT
