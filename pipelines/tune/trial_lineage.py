"""Lineage of trials: from a trial of a tuning to the labels that it was trained on, and from a model to its trial.

Nothing is stored for this: a trial is found by the hash of its model or by its params, its label commit by the hash
of the labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storage.artifacts.lineage import Model, hash_in
from storage.project_files import study as studies
from storage.project_files.study import Study, Trial
from storage.repo.git import Git, find_root

Found = tuple[Path, Study, Trial]


def find_trial(root: Path, name: str) -> Found | None:
    """The trial with a model hash (or prefix of one), or `STUDY.json:NUMBER`."""
    start = hash_in(name)
    path, _, number = name.rpartition(":")
    for place, study in studies.of_project(root):
        for trial in study.trials:
            named = Path(path).name == place.name and number == str(trial.number)
            if named or (start and trial.model.startswith(start)):
                return place, study, trial
    return None


def describe_tuning(root: Path, model: Model) -> str:
    """The trial that a model is of, or whose params it has, in words; "" where there is none."""
    params = model.params.get("train", {}).get("classifier", {})
    by_params = ""
    for place, study in studies.of_project(root):
        for trial in study.ranking:
            if trial.model == model.hash:
                return f"trial {trial.number} of {place}"
            tuned = study.about["ranges"]
            if not by_params and all(trial.params[name] == params.get(name) for name in tuned):
                by_params = f"params of trial {trial.number} of {place}"
    return by_params


def as_model(git: Git, found: Found) -> Model:
    """The model of a trial for lineage; its code is of the first commit that has the trial."""
    place, study, trial = found
    commits = git.run("log", "--format=%H", f"-S{trial.model}", "--", place.as_posix()).split()
    return Model(
        hash=trial.model,
        kind="lstm-fcn",
        labels=study.about["labels"],
        series=study.about["series"],
        params={"train": dict(trial.params)},
        annotations=study.about["annotations"],
        start="",
        earlier={},
        folder="",
        code=commits[-1] if commits else "",
    )


def facts_of(git: Git, found: Found) -> dict[str, Any]:
    """Facts of a trial for `labeltrail trace`."""
    place, study, trial = found
    scores = {"loss": trial.loss, "accuracy": trial.accuracy}
    return {
        "trial": f"{trial.number} of {place}, {trial.state}",
        **{name: value for name, value in scores.items() if value is not None},
        "learnt from": labels_of(git.root, str(study.about["labels"])),
        "params": ", ".join(f"{name}={value}" for name, value in sorted(trial.params.items())),
    }


def labels_of(place: Path, labels: str) -> str:
    """A label snapshot and the label commit that made it, in words.

    Args:
        place: a folder of the clone.
        labels: hash of the snapshot; "" where it is not in DVC.

    Raises:
        NotFoundError: `place` is in no clone.
    """
    if not labels:
        return "labels that DVC does not track"
    history = Git(find_root(place)).label_commits()
    commit = next((c for c in reversed(list(history)) if c.labels == labels), None)
    if commit is None:
        return f"labels {labels[:8]}, which are in no label commit of this branch"
    return f"labels {labels[:8]}, label commit {commit.commit[:12]}  {commit.subject}"
