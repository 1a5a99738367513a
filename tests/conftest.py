"""Real servers for the tests: one MinIO and one Label Studio for a whole pytest session.

They never skip: what is not on this machine yet is built or installed, once, into the user's cache.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import botocore.session
import numpy as np
import pytest
from pydantic import SecretStr

from pipelines import services
from pipelines.import_.import_ import import_recordings
from pipelines.sync.result import Options, SyncResult
from pipelines.sync.sync import sync
from storage import process
from storage import settings as project_settings
from storage.label_studio import label_config
from storage.labels import snapshot
from storage.labels.snapshot import Record
from storage.project import Project
from storage.s3.bucket import Bucket
from storage.servers import go_program, machine_cache, supervisor
from storage.servers.go_program import Source
from storage.settings import LABEL_STUDIO, MINIO, SERVICES, Settings
from tests.support.fuzzing import Fuzz


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the tests go on that try things at random: `make test-faults`, `make test-kill`."""
    parser.addoption("--faults", type=int, default=4, help="syncs in each storm")
    parser.addoption("--kills", type=int, default=1, help="kills in each scenario")
    parser.addoption("--kill-seed", type=int, default=0, help="other moments, other labels")
    parser.addoption("--fuzz", type=int, default=0, help="examples of each fuzz target; few if left out")
    parser.addoption("--fuzz-seconds", type=float, default=0, help="go on for so long, all targets together")
    parser.addoption("--fuzz-seed", type=int, default=0, help="other examples")


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> int:
    """How many syncs a storm has."""
    return int(request.config.getoption("--faults"))


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How many kills a scenario has."""
    return int(request.config.getoption("--kills"))


@pytest.fixture
def kill_seed(request: pytest.FixtureRequest) -> int:
    """Which moments are drawn."""
    return int(request.config.getoption("--kill-seed"))


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Iterator[Fuzz]:
    """Draws hostile examples (tests/support/fuzzing.py); what became of them is told at the end of a long run."""
    option, targets = request.config.getoption, [i for i in request.session.items if "fuzz" in i.fixturenames]
    made = Fuzz(option("--fuzz"), option("--fuzz-seconds") / len(targets), option("--fuzz-seed"))
    yield made
    request.node.user_properties.append(("fuzz", made.line()))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """A line for each fuzz target of a long run."""
    if config.getoption("--fuzz") or config.getoption("--fuzz-seconds"):
        for report in [r for found in terminalreporter.stats.values() for r in found if hasattr(r, "when")]:
            for name, line in report.user_properties:
                if name == "fuzz" and report.when == "teardown":
                    terminalreporter.write_line(f"{report.nodeid.partition('::test_')[2]}: {line}")


@pytest.fixture(scope="session", autouse=True)
def bare_environment() -> Iterator[None]:
    """Tests use their own servers, whatever the shell that runs them points at."""
    names = [name for service in SERVICES for name in (service.url, service.port, *service.credentials)]
    with pytest.MonkeyPatch.context() as patch:
        for name in (*names, "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "LABELTRAIL_BUCKET"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def shared_descriptions() -> Iterator[None]:
    """Each S3 client parses botocore's descriptions of Amazon's services (0.1 s); here, all of them together once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session")
def services_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a project that has servers; they are stopped when the session ends."""
    root = tmp_path_factory.mktemp("services")
    yield root
    services.down(root)


@pytest.fixture(scope="session")
def minio(services_root: Path) -> Settings:
    """A running MinIO; the bucket is not made yet."""
    services.up(services_root, only=[MINIO])
    return project_settings.load(services_root)


@pytest.fixture(scope="session")
def label_studio(services_root: Path, minio: Settings) -> Settings:
    """A running Label Studio beside the MinIO that it may reach."""
    services.up(services_root, only=[LABEL_STUDIO])
    return minio


@pytest.fixture(scope="session")
def settings(label_studio: Settings) -> Settings:
    """Addresses and credentials of both running servers."""
    return label_studio


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A running versitygw over a folder; it is built once a machine."""
    cache = machine_cache.ready(project_settings.cache_folder())
    # An earlier checkout made a folder of the plain name.
    program = cache / f"versitygw-built-{VERSITYGW_SOURCE.version}"
    if not go_program.is_recorded(program):
        with tempfile.TemporaryDirectory(dir=cache) as building:
            go_program.keep(go_program.build(VERSITYGW_SOURCE, cache, Path(building)), program)
    go_program.require_built(program, VERSITYGW_SOURCE.title)
    folder, port = tmp_path_factory.mktemp("versitygw"), supervisor.free_port()
    words = [
        "--access",
        VERSITYGW,
        "--secret",
        "a-long-secret",
        "--port",
        f"127.0.0.1:{port}",
        "posix",
        folder,
    ]
    settings = Settings(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        AWS_ACCESS_KEY_ID=VERSITYGW,
        AWS_SECRET_ACCESS_KEY=SecretStr("a-long-secret"),
        LABEL_STUDIO_URL="http://127.0.0.1:9",
        LABEL_STUDIO_API_KEY=SecretStr("none"),
    )
    with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as running:
        while supervisor.http_status(settings.s3_endpoint) is None:
            assert running.poll() is None
            time.sleep(0.05)
        yield settings
        running.terminate()


@pytest.fixture(params=["minio", pytest.param("versitygw", marks=pytest.mark.slow)])
def s3(request: pytest.FixtureRequest) -> Settings:
    """Each server in turn, with the name of a bucket that is not there yet."""
    server: Settings = request.getfixturevalue(request.param)
    return server.model_copy(update={"bucket": f"test-{uuid4().hex[:12]}"})


@pytest.fixture
def bucket(s3: Settings) -> Bucket:
    """An empty bucket."""
    made = Bucket(s3)
    assert made.create()
    return made


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a shell script on the PATH in a program's place, to fail in a chosen way; the cache is empty."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("LABELTRAIL_CACHE", str(tmp_path / "cache"))

    def write(name: str, script: str) -> Path:
        path = folder / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        return path

    return write


VERSITYGW = "tester"  # its access key
VERSITYGW_SOURCE = Source(
    title="versitygw",
    module="github.com/versity/versitygw",
    version="v1.8.0",
    sum="h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc=",
    go=(1, 25),
    package="cmd/versitygw",
)
CHECKOUT = Path(__file__).parent.parent
CONFIG = label_config.render(("acc_x", "acc_y"), ("walk", "run", "knock"), "time")


@dataclass
class Lab:
    """A project of three short recordings on the real servers, in a clone and a bucket of its own."""

    project: Project
    number: int

    def tasks(self) -> dict[str, int]:
        """Label Studio's task ids by series."""
        return {str(task.data["series"]): task.id for task in self.project.studio.tasks(self.number)}

    def annotate(self, series: str, *regions: tuple[float, float, str], **fields: Any) -> int:
        """Submit an annotation as a person would, with regions named a, b, c, ..."""
        return self.project.studio.annotate(self.tasks()[series], result(*regions), **fields)

    def sync(self, **options: Any) -> SyncResult:
        """One sync, as a new process would run it."""
        self.project = Project(self.project.root)
        return sync(self.project, Options(**options))

    def labels(self) -> dict[str, list[Record]]:
        """The label snapshot of the work tree, in the order in which annotations were made.

        A snapshot has the order of ids as texts, which is another one from the tenth annotation of a server on.
        """
        found = snapshot.read(self.project.root / "data/labels")
        return {
            key: sorted(held, key=lambda record: int(record["id"].partition("-")[0]))
            for key, held in found.items()
        }

    def subjects(self) -> list[str]:
        """Subjects of the label commits, newest first."""
        return [commit.subject for commit in self.project.repository.git.label_commits()]


def result(*regions: tuple[float, float, str]) -> list[dict[str, Any]]:
    """Label Studio's form of regions (start, end, label)."""
    return [
        {
            "id": "abcdefghij"[number],
            "from_name": "label",
            "to_name": "ts",
            "type": "timeserieslabels",
            "value": {"start": start, "end": end, "instant": start == end, "timeserieslabels": [label]},
        }
        for number, (start, end, label) in enumerate(regions)
    ]


def recording(rows: int = 100, seed: int = 0) -> bytes:
    """A short recording at 50 Hz with the channels of CONFIG."""
    values = np.random.default_rng(seed).normal(size=(rows, 2))
    lines = [f"{row / 50:.2f},{x:.4f},{y:.4f}" for row, (x, y) in enumerate(values)]
    return ("\n".join(["time,acc_x,acc_y", *lines]) + "\n").encode()


@functools.cache
def _checkout_without_history() -> Path:
    """A bare repository of what this checkout has committed, in one commit of `main`: quick to clone and to check."""
    root = Path(tempfile.mkdtemp(prefix="labeltrail-checkout-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    process.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", root])
    process.run(["git", "fetch", "--quiet", "--depth=1", CHECKOUT.as_uri(), "HEAD"], cwd=root)
    person = [f"user.{name}=Tester" for name in ("name", "email")]
    options = [word for setting in person for word in ("-c", setting)]
    words = ["git", *options, "commit-tree", "-m", "code", "FETCH_HEAD^{tree}"]
    commit = process.run(words, cwd=root).strip()
    process.run(["git", "update-ref", "refs/heads/main", commit], cwd=root)
    (root / "shallow").unlink()
    return root


def cloned(root: Path) -> None:
    """A clone of this checkout whose one branch is `main`, whatever is checked out here; without its history."""
    process.run(["git", "clone", "--quiet", "--no-hardlinks", _checkout_without_history(), root])


def clone(root: Path, settings: Settings, bucket: str) -> Project:
    """A clone of this checkout, wired to the given servers and a bucket of its own."""
    cloned(root)
    for name, value in (("user.name", "Tester"), ("user.email", "tester@example.com")):
        process.run(["git", "config", name, value], cwd=root)
    server_settings(root, settings, bucket)
    project = Project(root)
    project.configure_remote()
    return project


def server_settings(root: Path, settings: Settings, bucket: str) -> None:
    """Write addresses and credentials of the servers into a clone's `.env`."""
    names = {
        "AWS_ENDPOINT_URL": settings.s3_endpoint,
        "AWS_ACCESS_KEY_ID": settings.access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.secret_access_key.get_secret_value(),
        "LABEL_STUDIO_URL": settings.label_studio_url,
        "LABEL_STUDIO_API_KEY": settings.label_studio_api_key.get_secret_value(),
        "LABELTRAIL_BUCKET": bucket,
    }
    project_settings.write_env_file(root, names)


@pytest.fixture
def empty(settings: Settings, tmp_path: Path) -> Project:
    """A clone with servers and an empty bucket."""
    return clone(tmp_path / "clone", settings, f"lab-{uuid4().hex[:12]}")


@pytest.fixture
def lab(empty: Project, tmp_path: Path) -> Lab:
    """Three recordings, imported; nobody has labeled yet."""
    return imported(empty, tmp_path)


def imported(empty: Project, tmp_path: Path) -> Lab:
    """Import three recordings, whose files are made in a folder, into an empty project."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number, name in enumerate(("one", "two", "three")):
        (folder / f"{name}.csv").write_bytes(recording(seed=number))
    (tmp_path / "config.xml").write_text(CONFIG, encoding="utf-8")
    import_recordings(empty, str(folder), config_file=tmp_path / "config.xml")
    state = empty.remote.state()
    assert state is not None
    return Lab(empty, state.project)
