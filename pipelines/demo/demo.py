"""`labeltrail demo`: the whole loop in this clone, with the pipelines of the commands that a person would type.

Servers up, recordings in, labeled by two people through Label Studio's API, synced, trained, published. The
recordings are simulated (people at work, or heart beats to be classified), or those of a folder of one's own. Each
step is skipped where it has been done, so an interrupted demo resumes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipelines import services
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
from storage.labels import git_drivers
from storage.printable import argument
from storage.progress import console, note, track
from storage.project import Project
from storage.repo import git_hooks
from storage.settings import LABEL_STUDIO

FOLDER = Path(".labeltrail/demo")
SECOND = "ben@labeltrail.example"


@dataclass
class DemoResult:
    """What the demo did: seconds by step, and where to look.

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
        """For the person who waited: what there is now, where to look, what to type next."""
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
    if whole := test.get("series"):
        accuracy, f1 = score(whole.get("accuracy")), score(whole.get("macro_f1"))
        return f"accuracy {accuracy}, macro F1 {f1} of {whole.get('count', 0)} recordings"
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
    source = _source(project, data, classify)
    done = DemoResult()
    with _step(done, "servers"):
        services.up(project.root)
        project.configure_remote()
        git_hooks.install(project.repository.git)
        git_drivers.configure(project.repository.git)
    if data is None:
        simulated = demo_data.simulate(classify)
        with _step(done, "recordings"):
            folder = _write(project, simulated)
            imported = import_recordings(project, str(folder / "series"), folder / "tasks.json")
        with _step(done, "labels by two people"):
            _label(project, simulated)
    else:
        with _step(done, "recordings and labels"):
            imported = import_recordings(project, str(data / "series"), data / "tasks.json")
    for finding in imported.findings:
        note(f"  {finding.where}: {finding.what}")
    with _step(done, "sync"):
        _identify(project)
        sync(project)
    with _step(done, "dvc repro"):
        project.repository.reproduce()
    commit_model(project.repository)
    done.url = imported.url
    _conclude(project, done)
    write_json(project.root / FOLDER / "demo.json", source | {"demo": done.to_json()})
    return done


@contextmanager
def _step(done: DemoResult, name: str) -> Iterator[None]:
    console.rule(f"[bold]{name}", align="left")
    start = time.monotonic()
    yield
    done.seconds[name] = round(time.monotonic() - start, 1)


def _source(project: Project, data: Path | None, classify: bool) -> dict[str, Any]:
    """Remember which data this demo is of; two kinds in one project would fit no label config."""
    if data and classify:
        why = "the task of own recordings follows from their labels"
        cure = f"labeltrail demo --data {argument(data)}"
        raise InputError("--classify goes with no --data", where=str(data), why=why, cure=cure)
    simulated = "simulated beats" if classify else "simulated"
    source = {"version": 1, "data": str(data.resolve()) if data else simulated}
    path = project.root / FOLDER / "demo.json"
    if data and not ((data / "series").is_dir() and (data / "tasks.json").is_file()):
        why = "it needs a folder series/ with CSV files, and tasks.json, a Label Studio export"
        raise InputError(
            "this folder cannot be demonstrated", where=str(data), why=why, cure="make demo DATA=FOLDER"
        )
    if path.exists():
        known = read_json(path, 1, "make clean-demo; make demo")["data"]
        if known != source["data"]:
            why = f"it holds {known}"
            cure = "make clean-demo, then make demo again"
            raise InputError(
                "this demo was made with other data", where=str(project.root), why=why, cure=cure
            )
    write_json(path, source)
    return source


# -- simulated recordings and people --------------------------------------------------------------


def _write(project: Project, simulated: Simulation) -> Path:
    """Write recordings, tasks and label config as a person would have them; returns the folder."""
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
    """Two people label a part of the recordings, each with an account, through Label Studio's API."""
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
    """The second person, with an account of their own; none on a Label Studio that is not this clone's."""
    if settings.is_external(project.root, LABEL_STUDIO):
        note("Label Studio is not this clone's own: no second user is made, one person labels")
        return None
    kept = settings.read_env_file(project.root)
    if "LABELTRAIL_DEMO_API_KEY" not in kept:
        password = settings.generated(LABEL_STUDIO, SECOND)["LABEL_STUDIO_PASSWORD"]
        token = project.studio.invite(SECOND, password)
        account = {"LABELTRAIL_DEMO_USERNAME": SECOND, "LABELTRAIL_DEMO_PASSWORD": password}
        settings.write_env_file(project.root, account | {"LABELTRAIL_DEMO_API_KEY": token})
        kept = settings.read_env_file(project.root)
    return LabelStudio(Session(project.settings.label_studio_url, kept["LABELTRAIL_DEMO_API_KEY"]))


# -- git ------------------------------------------------------------------------------------------


def _identify(project: Project) -> None:
    """Commits in the demo need an author, also where git has not been told one yet."""
    git = project.repository.git.run
    if "user.email" not in git("config", "--list", "--name-only").split():
        git("config", "user.name", "Labeltrail demo")
        git("config", "user.email", "demo@labeltrail.example")


def _conclude(project: Project, done: DemoResult) -> None:
    model = lineage.trace(project.repository, lineage.models(project.repository)[0])
    done.version = model.version
    done.commit = model.commit.commit if model.commit else ""
    done.scores = json.loads((project.root / reports.HEADLINE).read_text(encoding="utf-8"))
