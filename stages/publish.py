"""Publish: the best model's predictions into Label Studio.

Reads `data/predictions` and `data/best`; sends one prediction a task, named after model kind, label commit and
model hash; writes `data/receipt.json`. Everything is checked before it is sent, because Label Studio accepts
predictions that it cannot show, and counted after. Predictions of earlier models of ours are then removed;
annotations and other people's predictions are never touched. Running it twice changes nothing more.

In a DVC experiment (`dvc exp run`) everything is checked and nothing is sent: an experiment may run beside others
and in no branch. The receipt stays as it was: it says what Label Studio holds.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from stages.run import run
from storage import settings
from storage.artifacts import predictions, provenance
from storage.artifacts.lineage import VERSION as OURS
from storage.artifacts.predictions import Prediction
from storage.errors import InputError, NotFoundError, ServiceError
from storage.files import read_json, write_json
from storage.label_studio import label_config
from storage.label_studio.client import LabelStudio
from storage.label_studio.label_config import LabelConfig
from storage.label_studio.session import BrokenResponseError
from storage.paths import BEST
from storage.printable import say
from storage.progress import bar
from storage.project import Project

RECEIPT = Path("data/receipt.json")
VERSION = 1


def main() -> None:
    """Send what is new, remove what is old, count, and write the receipt."""
    origin, config = provenance.read(BEST), label_config.load()
    kind = str(read_json(BEST / "model.json", provenance.MODEL_VERSION, "dvc repro promote")["kind"])
    found = [predictions.read(key) for key in predictions.keys()]  # noqa: SIM118 -- a module, no dict
    checked = {p.series: check(p, config) for p in found}
    name = settings.experiment()
    if name:
        keep_receipt()
        say(in_experiment(name, kind, origin.model, found))
        return
    project = Project.here()
    version = model_version(project, kind, origin.labels, origin.model)
    number = _project_number(project)
    sent = _send(project.studio, number, version, found, checked)
    receipt = {
        "version": VERSION,
        "model": origin.model,
        "labels": origin.labels,
        "predictions": {p.series: len(p.regions) + len(p.choices) for p in found},
    }
    write_json(RECEIPT, receipt)
    where = f"{project.studio.session.url}/projects/{number}/data"
    say(f"{len(found)} predictions of {version} in {where} ({sent} sent)")


def keep_receipt() -> None:
    """Leave the receipt as it is; where nothing was ever published write an empty one, for DVC needs an output."""
    if not RECEIPT.exists():
        write_json(RECEIPT, {"version": VERSION, "model": "", "labels": "", "predictions": {}})


def in_experiment(name: str, kind: str, model: str, found: list[Prediction]) -> str:
    """What would have been sent, and how to send it."""
    count = sum(len(p.regions) + len(p.choices) for p in found)
    what = "choices" if any(p.choices for p in found) else "regions"
    return (
        f"experiment {name}: nothing is published. Outside of an experiment {len(found)} predictions "
        f"({count} {what}) of model {kind}-{model[:8]} would go to Label Studio; to send them, bring the experiment "
        "into the work tree (dvc exp apply) and commit it, then: dvc repro --single-item --force publish"
    )


def model_version(project: Project, kind: str, labels: str, model: str) -> str:
    """The name under which predictions appear: model kind, label commit, model hash.

    Raises:
        NotFoundError: no commit of this history holds the labels that the model was trained on.
    """
    commit = project.repository.git.label_commit(labels)
    if commit is None:
        raise NotFoundError(
            "the best model's labels are in no commit, so its predictions could not be traced",
            where=f"data/labels {labels or '(not tracked by DVC)'}",
            cure="labeltrail sync, then dvc repro",
        )
    return f"{kind}-{commit[:7]}-{model[:8]}"


def check(prediction: Prediction, config: LabelConfig) -> list[dict[str, Any]]:
    """A prediction as Label Studio's `result`.

    Raises:
        InputError: a label that the label config lacks, a time that is not finite, or end before start.
    """
    result = []
    for index, region in enumerate(prediction.regions):
        where = f"{predictions.PATH}/{prediction.series}.json, region {index}"
        if region.label not in config.labels:
            why = f"{region.label!r} is not in {', '.join(config.labels)}"
            raise InputError(
                "a predicted label is not in the label config", where=where, why=why, cure="dvc repro"
            )
        numbers = [value for value in (region.start, region.end) if isinstance(value, int | float)]
        if not all(math.isfinite(value) for value in numbers) or region.start_row > region.end_row:
            why = f"start {region.start}, end {region.end}"
            raise InputError(
                "a predicted region is no time range", where=where, why=why, cure="dvc repro predict"
            )
        value = {"start": region.start, "end": region.end, "instant": region.instant}
        result.append(
            {
                "id": f"p{index}",
                "from_name": config.control_tag,
                "to_name": config.object_tag,
                "type": "timeserieslabels",
                "score": region.score,
                "value": value | {"timeserieslabels": [region.label]},
            }
        )
    return result + check_choices(prediction, config)


def check_choices(prediction: Prediction, config: LabelConfig) -> list[dict[str, Any]]:
    """The choices of a whole series as one item of `result`; its score is the lowest of theirs.

    Raises:
        InputError: a choice that the label config lacks.
    """
    if not prediction.choices:
        return []
    names = [choice.label for choice in prediction.choices]
    unknown = [name for name in names if name not in config.labels]
    if unknown:
        where, why = (
            f"{predictions.PATH}/{prediction.series}.json",
            f"{unknown} not in {', '.join(config.labels)}",
        )
        raise InputError(
            "a predicted choice is not in the label config", where=where, why=why, cure="dvc repro"
        )
    return [
        {
            "id": "c0",
            "from_name": config.control_tag,
            "to_name": config.object_tag,
            "type": "choices",
            "score": min(choice.score for choice in prediction.choices),
            "value": {"choices": names},
        }
    ]


def _project_number(project: Project) -> int:
    state = project.remote.state()
    if state is None:
        raise NotFoundError("this branch has no Label Studio project yet", cure="labeltrail import PATH")
    return state.project


def _send(
    studio: LabelStudio,
    project: int,
    version: str,
    found: list[Prediction],
    results: dict[str, list[dict[str, Any]]],
) -> int:
    """Make Label Studio hold exactly these predictions of ours; returns how many had to be sent."""
    listed = studio.tasks(project)
    tasks = {name: task.id for task in listed if isinstance(name := task.data.get("series"), str)}
    missing = [p.series for p in found if p.series not in tasks]
    if missing:
        why = f"{len(missing)} of {len(found)} series have no task"
        raise NotFoundError(
            "a predicted series has no task", where=missing[0], why=why, cure="labeltrail sync"
        )
    wanted = {
        tasks[p.series]: {
            "task": tasks[p.series],
            "model_version": version,
            "score": p.score,
            "result": results[p.series],
        }
        for p in found
    }
    versions = studio.model_versions(project)
    if version in versions and _published_results(studio, project, version) != {
        t: w["result"] for t, w in wanted.items()
    }:
        studio.delete_predictions(project, version)  # cut off half-way, of other series, or not to be read
        del versions[version]
    sent = 0
    if wanted and version not in versions:
        with bar("publishing", len(wanted)) as advance:
            for made in studio.import_predictions(project, list(wanted.values())):
                sent += made
                advance(made)
        _check_count(studio, project, version, len(wanted))
    if wanted:  # Label Studio refuses the name of a model without predictions
        studio.projects.update(project, model_version=version)
    for name in versions:
        if name != version and OURS.match(name):
            studio.delete_predictions(project, name)
    return sent


def _published_results(
    studio: LabelStudio, project: int, version: str
) -> dict[int, list[dict[str, Any]]] | None:
    """Results of a version by task; None where somebody's prediction cannot be read."""
    try:
        found = studio.predictions(project)
    except BrokenResponseError:
        return None
    return {p["task"]: p["result"] for p in found if p["model_version"] == version}


def _check_count(studio: LabelStudio, project: int, version: str, wanted: int) -> None:
    made = studio.model_versions(project).get(version, 0)
    if made != wanted:
        why = f"it holds {made} of {wanted}"
        raise ServiceError(
            "Label Studio did not take every prediction", where=version, why=why, cure="dvc repro publish"
        )


if __name__ == "__main__":
    run(main)
