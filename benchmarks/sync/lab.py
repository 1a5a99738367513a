"""A project to measure on: a clone on real servers, its recordings simulated and labeled through Label Studio's API.

The servers are those that the environment names (AWS_ENDPOINT_URL, LABEL_STUDIO_URL, with their credentials), or
are started for the run and stopped after it. Clone and bucket are new each time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipelines import services
from pipelines.demo import accelerometer
from pipelines.demo.accelerometer import Recording
from pipelines.import_.import_ import import_recordings
from storage import process
from storage import settings as project_settings
from storage.files import write_bytes
from storage.label_studio import label_config
from storage.project import Project
from storage.settings import SERVICES, Settings

CHECKOUT = Path(__file__).resolve().parents[2]
ROWS = 3000  # timepoints of a recording: a minute, for neither side of a comparison reads what is in it
SUBJECTS = 8


@dataclass(frozen=True)
class Lab:
    """A project whose recordings all have two annotations.

    Attributes:
        project: the clone.
        number: its project in Label Studio.
    """

    project: Project
    number: int

    def change(self, count: int) -> None:
        """Change annotations as a person would who drags a region: one in each of so many tasks."""
        tasks = [task for task in self.project.studio.tasks(self.number) if task.annotations]
        for task in tasks[:count]:
            annotation = self.project.studio.annotations(task.id)[0]
            value = annotation["result"][0]["value"]
            value |= {edge: round(value[edge] + 0.02, 2) for edge in ("start", "end")}
            self.project.studio.update_annotation(annotation["id"], result=annotation["result"])


@contextmanager
def running(folder: Path) -> Iterator[Settings]:
    """Both servers for a while; those that were running already go on running."""
    folder.mkdir(parents=True)
    try:
        services.up(folder)
        yield project_settings.load(folder)
    finally:
        services.down(folder)


@contextmanager
def unnamed() -> Iterator[None]:
    """An environment that names no servers, so that each clone's `.env` says which are its own."""
    names = {name for service in SERVICES for name in (service.url, service.port, *service.credentials)}
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def clone(root: Path, settings: Settings, checkout: Path = CHECKOUT) -> Project:
    """A clone of a checkout's last commit, with a bucket of its own."""
    process.run(["git", "clone", "--quiet", checkout, root])
    process.run(["git", "checkout", "--quiet", "-B", "main"], cwd=root)  # whatever is checked out there
    identify(root)
    variables = {
        "AWS_ENDPOINT_URL": settings.s3_endpoint,
        "AWS_ACCESS_KEY_ID": settings.access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.secret_access_key.get_secret_value(),
        "LABEL_STUDIO_URL": settings.label_studio_url,
        "LABEL_STUDIO_API_KEY": settings.label_studio_api_key.get_secret_value(),
        "LABELTRAIL_BUCKET": f"bench-{uuid4().hex[:12]}",
    }
    project_settings.write_env_file(root, variables)
    project = Project(root)
    project.configure_remote()
    return project


def identify(root: Path) -> None:
    """Say who commits in this repository."""
    process.run(["git", "config", "user.name", "Benchmark"], cwd=root)
    process.run(["git", "config", "user.email", "benchmark@labeltrail.example"], cwd=root)


def make(folder: Path, settings: Settings, tasks: int) -> Lab:
    """A project of so many recordings, each with two annotations that somebody submitted."""
    project = clone(folder / "clone", settings)
    source = folder / "recordings"
    exported = [_bring(source, recording, seed) for seed, recording in enumerate(_recordings(tasks))]
    write_bytes(folder / "tasks.json", json.dumps(exported).encode())
    config = label_config.render(accelerometer.CHANNELS, accelerometer.LABELS, "time")
    write_bytes(folder / "label_config.xml", config.encode())
    import_recordings(project, str(source), folder / "tasks.json", folder / "label_config.xml")
    state = project.remote.state()
    assert state is not None
    return Lab(project, state.project)


def make_with(checkout: Path, folder: Path, settings: Settings) -> Path:
    """The project of `make` once more, imported and synced by the code of another checkout, which has been set up
    (`uv sync --frozen`); returns the clone."""
    root = folder / "other"
    clone(root, settings, checkout)
    files = ("--labels", folder / "tasks.json", "--label-config", folder / "label_config.xml")
    for words in (("import", folder / "recordings", *files), ("sync",)):
        process.run([program(checkout), *words], cwd=root, env=project_settings.stage_environment())
    return root


def program(checkout: Path) -> Path:
    """The command of a checkout."""
    return checkout.resolve() / ".venv" / "bin" / "labeltrail"


def _recordings(count: int) -> Iterator[Recording]:
    for whole in accelerometer.simulate(count, SUBJECTS):
        regions = tuple(region for region in whole.regions if region.end < ROWS)
        yield replace(whole, times=whole.times[:ROWS], values=whole.values[:ROWS], regions=regions)


def _bring(folder: Path, recording: Recording, seed: int) -> dict[str, Any]:
    """Write a recording; returns its task as a Label Studio export has it."""
    write_bytes(folder / f"{recording.series}.csv", recording.to_csv())
    seen = (recording.regions, accelerometer.disagree(recording.regions, len(recording.times), seed))
    return {
        "data": {"csv": f"{recording.series}.csv", "subject": recording.subject},
        "annotations": [{"result": recording.result(who)} for who in seen],
    }
