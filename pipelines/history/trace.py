"""`labeltrail trace THING`: the lineage of a model, prediction, label, series or trial.

THING is the number of a prediction in Label Studio, a model version or model hash, a trial of a tuning (the hash of
its model, or STUDY.json:NUMBER), a label commit (any git revision), a series key, or the id of an annotation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.tune import trial_lineage
from stages import learning_task, params
from storage import files
from storage.artifacts import lineage
from storage.artifacts.lineage import Lineage, Model
from storage.errors import LabeltrailError, NotFoundError
from storage.labels.label_changes import record_text
from storage.labels.label_store import records
from storage.paths import LABELS, SERIES
from storage.project import Project
from storage.project_files import splits_file
from storage.repo.pointer import parse_pointer
from storage.text.json_text import whole_number

SHOWN = 12  # lines of a long list in the text; `--json` has all


@dataclass(frozen=True)
class Trace:
    """The lineage of a thing: facts about it, and its models.

    Attributes:
        thing: as given.
        kind: prediction, model, trial, label commit, series or annotation.
        models: the models that made it or that were trained on it, newest first.
        untrained: why no model is trained on it; "" where one may be.
    """

    thing: str
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)
    models: list[Lineage] = field(default_factory=list)
    untrained: str = ""

    def to_json(self) -> dict[str, Any]:
        models = [found.to_json() for found in self.models]
        return {"version": 1, "thing": self.thing, "kind": self.kind, "facts": self.facts, "models": models}

    def lines(self) -> list[str]:
        text = [f"{self.kind} {self.thing}"]
        text += [f"  {name}: {len(v) if isinstance(v, dict) else v}" for name, v in self.facts.items()]
        for found in self.models:
            text += _lines(found)
        if not self.models:
            text.append(f"  no model: {self.untrained or 'none was trained from it yet (dvc repro)'}")
        return text


def trace(project: Project, thing: str) -> Trace:
    """Find out what `thing` is, and trace it in both directions.

    Raises:
        NotFoundError: it is none of the six.
    """
    for look_up in (_prediction, _model, _trial, _annotation, _series, _label_commit):
        if found := look_up(project, thing):
            return found
    raise NotFoundError(
        f"nothing here is called {thing!r}",
        why="it is no prediction's number, model, trial, label commit, series or annotation of this project",
        cure="labeltrail trace HEAD",
    )


def _prediction(project: Project, thing: str) -> Trace | None:
    number = whole_number(thing)
    if number is None:
        return None
    try:
        found = project.studio.prediction(number)
    except NotFoundError:
        return None
    task = project.studio.task(found["task"])
    facts = {
        "series": task.data.get("series"),
        "model version": found["model_version"],
        "score": found["score"],
        "says": record_text(found),
    }
    models = lineage.find_models(project.repository, str(found["model_version"]))
    return Trace(thing, "prediction", facts, _lineages(project, models))


def _model(project: Project, thing: str) -> Trace | None:
    models = lineage.find_models(project.repository, thing)
    if not models:
        return None
    receipt = project.root / "data/receipt.json"
    current = files.read_json(receipt, 1, "dvc repro") if receipt.is_file() else {}
    published = current.get("model") == models[0].hash
    facts: dict[str, Any] = {"predictions": current["predictions"]} if published else {}
    later = [m.hash for m in lineage.models(project.repository) if m.start == models[0].hash]
    facts |= {"start of": later} if later else {}
    tuned = trial_lineage.describe_tuning(project.root, models[0])
    facts |= {"tuned": tuned} if tuned else {}
    return Trace(thing, "model", facts, _lineages(project, models))


def _trial(project: Project, thing: str) -> Trace | None:
    found = trial_lineage.find_trial(project.root, thing)
    if not found:
        return None
    facts, model = trial_lineage.facts_of(project.repository.git, found), found[2].model
    models = lineage.find_models(project.repository, model)
    if model and not models:
        models = [trial_lineage.as_model(project.repository.git, found)]
    return Trace(thing, "trial", facts, _lineages(project, models))


def _annotation(project: Project, thing: str) -> Trace | None:
    labels = project.repository.pointer(LABELS)
    for record in records(project.repository, labels):
        if thing in (record["id"], record["id"].partition("-")[0]):
            facts = {
                "id": record["id"],
                "series": record["series"],
                "annotator": record["annotator"],
                "says": record_text(record),
                "updated_at": record.get("updated_at"),
            }
            models = [m for m in lineage.models(project.repository) if m.was_trained_on(record)]
            series = record["series"]
            indirect = [m.hash for m in models if record["id"] not in m.annotations.get(series, ())]
            facts |= {"by way of their start": indirect} if indirect else {}
            return Trace(thing, "annotation", facts, _lineages(project, models), _untrained(project, series))
    return None


def _series(project: Project, thing: str) -> Trace | None:
    recordings = project.repository.folder(project.repository.pointer(SERIES), SERIES)
    if f"{thing}.csv" not in recordings:
        return None
    row = splits_file.read(project.root / splits_file.PATH).get(thing)
    found = records(project.repository, project.repository.pointer(LABELS))
    ids = [record["id"] for record in found if record["series"] == thing]
    facts = {"md5": recordings[f"{thing}.csv"], "split": row.split if row else None, "annotations": ids}
    models = [m for m in lineage.models(project.repository) if thing in m.annotations or thing in m.earlier]
    return Trace(thing, "series", facts, _lineages(project, models), _untrained(project, thing))


def _untrained(project: Project, key: str) -> str:
    """Why no model is trained on a series: it is in the test or validation split; "" where one may be."""
    rows = splits_file.read(project.root / splits_file.PATH)
    name = rows[key].split if key in rows else ""
    if name == "test":
        return "it is in the test split, so none is trained on it: models are scored on it (reports/evaluate.json)"
    if name == "validation" and not _refits(project, rows):
        return (
            "it is in the validation split, so none is trained on it: it stops training and selects weights"
        )
    return ""


def _refits(project: Project, rows: Mapping[str, splits_file.Row]) -> bool:
    """Whether the final model is trained on the validation split too."""
    settings, task = params.load(project.root / params.PATH), learning_task.of(project.label_config)
    return task.trains_on_validation(settings) and any(row.split == "test" for row in rows.values())


def _label_commit(project: Project, thing: str) -> Trace | None:
    try:
        commit = project.repository.git.run("rev-parse", "--verify", "--quiet", f"{thing}^{{commit}}").strip()
    except LabeltrailError:
        return None
    labels = parse_pointer(project.repository.git.show(commit, f"{LABELS}.dvc"))
    first = project.repository.git.label_commit(labels)
    subject = project.repository.git.run("show", "--no-patch", "--format=%s", first or commit).strip()
    facts = {"commit": first or commit, "labels": labels, "subject": subject}
    models = [m for m in lineage.models(project.repository) if m.labels == labels]
    return Trace(thing, "label commit", facts, _lineages(project, models))


def _lineages(project: Project, models: list[Model]) -> list[Lineage]:
    return [lineage.trace(project.repository, model) for model in models]


def _lines(found: Lineage) -> list[str]:
    model = found.model
    label_commit = found.commit
    commit = (
        f"{label_commit.commit[:12]}  {label_commit.subject}" if label_commit else "none: never committed"
    )
    text = [
        f"  model {model.hash}",
        f"    shown as       {found.version}",
        f"    label commit   {commit}",
        f"    labels         {model.labels}",
        f"    code commit    {model.code[:12] or 'none yet: what made it is not committed (git commit)'}",
        *([f"    started from   {model.start}"] if model.start else []),
        "    annotators     " + ", ".join(f"{name} ({count})" for name, count in found.annotators.items()),
    ]
    annotations = [
        f"    annotation     {r['id']}  {key}  {r['annotator']}  {record_text(r)}"
        for key, records in found.annotations.items()
        for r in records
    ]
    recordings = [f"    series         {key}  md5 {md5}" for key, md5 in found.recordings.items()]
    params = [f"    {section:<14} {_brief(values)}" for section, values in model.params.items() if values]
    return [*text, *_short(annotations), *_short(recordings), *params]


def _short(lines: list[str]) -> list[str]:
    more = len(lines) - SHOWN
    return lines if more <= 0 else [*lines[:SHOWN], f"    ... and {more} more (--json has all)"]


def _brief(values: Any) -> str:
    return ", ".join(f"{k}={v}" for k, v in values.items()) if isinstance(values, dict) else str(values)
