"""`labeltrail demo`: the whole loop in this clone, with the pipelines of the commands that a person would type.

It starts the servers, imports recordings, labels them as two people through Label Studio's API, syncs, trains and
publishes. The recordings are simulated (people at work, or heart beats to be classified), or those of a given folder.
Steps that are complete are skipped, so an interrupted demo resumes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipelines import git_setup, services
from pipelines.best_model import commit_model
from pipelines.demo import demo_data
from pipelines.demo.demo_data import Simulation
from pipelines.import_.import_ import import_recordings
from pipelines.sync.sync import sync
from stages.reporting.tables import score
from storage import settings
from storage.artifacts import lineage, reports
from storage.errors import InputError
from storage.files import read_json, write_bytes, write_json
from storage.label_studio import label_config
from storage.label_studio.client import LabelStudio
from storage.label_studio.session import Session
from storage.printable import argument
from storage.progress import console, note, track
from storage.project import Project
from storage.settings import LABEL_STUDIO

FOLDER = Path(".labeltrail/demo")
SECOND = "ben@labeltrail.example"


@dataclass
class DemoResult:
    """What the demo did.

    Attributes:
        seconds: wall time of each step.
        version: the model version that Label Studio shows.
        commit: the label commit behind it.
        scores: the promoted model's scores on the test split.
        url: the project in Label Studio.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    version: str = ""
    commit: str = ""
    scores: dict[str, Any] = field(default_factory=dict)
    url: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self, root: Path) -> list[str]:
        """Results, where to look at them, and what to type next."""
        test = self.scores.get("test") or self.scores.get("validation") or {}
        again = "make demo-classify" if "series" in test else "make demo"
        return [
            "",
            "  ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items()),
            f"model         {self.version}, made by label commit {self.commit[:12]}",
            f"test scores   {_describe(test)}",
            f"look          {self.url}",
            f"              user and password: LABEL_STUDIO_USERNAME, LABEL_STUDIO_PASSWORD in {root / '.env'}",
            f"              {root / 'reports/index.html'}",
            f"next          cd {root.name}; . .venv/bin/activate",
            "              change a label in Label Studio, then: labeltrail sync; dvc repro",
            f"              labeltrail trace {self.version}",
            "              labeltrail log says who changed what; labeltrail rollback REV, labeltrail branch NAME",
            f"              labeltrail down stops the servers; {again} starts them again",
        ]


def _describe(test: Mapping[str, Any]) -> str:
    if series := test.get("series"):
        accuracy, f1 = score(series.get("accuracy")), score(series.get("macro_f1"))
        return f"accuracy {accuracy}, macro F1 {f1} of {series.get('count', 0)} recordings"
    points, events = test.get("timepoint", {}), test.get("event", {})
    return (
        f"balanced accuracy {score(points.get('balanced_accuracy'))}, "
        f"event F1 {score(events.get('f1'))} of {events.get('true', 0)} events"
    )


def demo(project: Project, data: Path | None, classify: bool = False) -> DemoResult:
    """Run the whole loop once.

    Args:
        project: this clone.
        data: a folder with `series/*.csv` and `tasks.json`; None: simulated recordings.
        classify: simulated heart beats, one label each, in the place of people at work.

    Raises:
        InputError: the folder is not such a folder, or this clone was made for other data.
    """
    source = _check_source(project, data, classify)
    result = DemoResult()
    with _step(result, "servers"):
        services.up(project.root)
        project.configure_remote()
        git_setup.set_up(project.repository.git)
    if data is None:
        simulated = demo_data.simulate(classify)
        with _step(result, "recordings"):
            folder = _write(project, simulated)
            imported = import_recordings(project, str(folder / "series"), folder / "tasks.json")
        with _step(result, "labels by two people"):
            _label(project, simulated)
    else:
        with _step(result, "recordings and labels"):
            imported = import_recordings(project, str(data / "series"), data / "tasks.json")
    for finding in imported.findings:
        note(f"  {finding.where}: {finding.what}")
    with _step(result, "sync"):
        _set_author(project.repository.git.run)
        sync(project)
    with _step(result, "dvc repro"):
        project.repository.reproduce()
    commit_model(project.repository)
    result.url = imported.url
    _read_results(project, result)
    write_json(project.root / FOLDER / "demo.json", source | {"demo": result.to_json()})
    return result


@contextmanager
def _step(result: DemoResult, name: str) -> Iterator[None]:
    console.rule(f"[bold]{name}", align="left")
    start = time.monotonic()
    yield
    result.seconds[name] = round(time.monotonic() - start, 1)


def _check_source(project: Project, data: Path | None, classify: bool) -> dict[str, Any]:
    """Check and record which data this demo is of: two kinds in one project would fit no label config."""
    if data and classify:
        why = "the task of own recordings follows from their labels"
        cure = f"labeltrail demo --data {argument(data)}"
        raise InputError("--classify goes with no --data", where=str(data), why=why, cure=cure)
    simulated = "simulated beats" if classify else "simulated"
    source = {"version": 1, "data": str(data.resolve()) if data else simulated}
    path = project.root / FOLDER / "demo.json"
    if data and not ((data / "series").is_dir() and (data / "tasks.json").is_file()):
        what = "this folder cannot be demonstrated"
        why = "it needs a folder series/ with CSV files, and tasks.json, a Label Studio export"
        raise InputError(what, where=str(data), why=why, cure="make demo DATA=FOLDER")
    if path.exists():
        known = read_json(path, 1, "make clean-demo; make demo")["data"]
        if known != source["data"]:
            what, cure = "this demo was made with other data", "make clean-demo, then make demo again"
            raise InputError(what, where=str(project.root), why=f"its data are {known}", cure=cure)
    write_json(path, source)
    return source


# -- simulated recordings and people --------------------------------------------------------------


def _write(project: Project, simulated: Simulation) -> Path:
    """Write recordings, tasks and label config as input of an import; returns the folder."""
    folder = project.root / FOLDER
    for recording in simulated.recordings:
        write_bytes(folder / f"series/{recording.series}.csv", recording.to_csv())
    tasks = [{"data": {"csv": f"series/{r.series}.csv", "subject": r.subject}} for r in simulated.recordings]
    write_bytes(folder / "tasks.json", json.dumps(tasks, indent=1).encode())
    config = project.root / label_config.PATH
    if not config.exists():
        write_bytes(config, simulated.label_config.encode())
    return folder


def _label(project: Project, simulated: Simulation) -> None:
    """Label some of the recordings as two people, each with an account, through Label Studio's API."""
    state = project.remote.state()
    if state is None:
        return
    tasks = {str(task.data.get("series")): task for task in project.studio.tasks(state.project)}
    work = [
        (project.studio, tasks[series], result)
        for series, result in simulated.first.items()
        if not tasks[series].annotations
    ]
    second = _second_annotator(project)
    if second:
        for series, result in simulated.second.items():
            if len(tasks[series].annotations) < 2:
                work.append((second, tasks[series], result))
    for studio, task, result in track(work, "labeling", len(work)):
        studio.annotate(task.id, result, lead_time=float(len(result) * 4))


def _second_annotator(project: Project) -> LabelStudio | None:
    """Label Studio with the account of the second person; None where the server is not this clone's."""
    if settings.is_external(project.root, LABEL_STUDIO):
        note("Label Studio is not this clone's own: no second user is made, one person labels")
        return None
    variables = settings.read_env_file(project.root)
    if "LABELTRAIL_DEMO_API_KEY" not in variables:
        password = settings.generated(LABEL_STUDIO, SECOND)["LABEL_STUDIO_PASSWORD"]
        token = project.studio.invite(SECOND, password)
        account = {"LABELTRAIL_DEMO_USERNAME": SECOND, "LABELTRAIL_DEMO_PASSWORD": password}
        settings.write_env_file(project.root, account | {"LABELTRAIL_DEMO_API_KEY": token})
        variables = settings.read_env_file(project.root)
    return LabelStudio(Session(project.settings.label_studio_url, variables["LABELTRAIL_DEMO_API_KEY"]))


# -- git ------------------------------------------------------------------------------------------


def _set_author(git: Callable[..., str]) -> None:
    """Configure an author of commits where git has none."""
    if "user.email" not in git("config", "--list", "--name-only").split():
        git("config", "user.name", "Labeltrail demo")
        git("config", "user.email", "demo@labeltrail.example")


def _read_results(project: Project, result: DemoResult) -> None:
    model = lineage.trace(project.repository, lineage.models(project.repository)[0])
    result.version = model.version
    result.commit = model.commit.commit if model.commit else ""
    result.scores = json.loads((project.root / reports.HEADLINE).read_text(encoding="utf-8"))
