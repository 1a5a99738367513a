"""MinIO, the S3 server of a clone.

There are no binaries of it any more: one on the PATH is used if its version is known to work; else the last commit of
its source is built, once on a machine, into the user's cache.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from storage import process, settings
from storage.process import ProgramError
from storage.progress import note
from storage.servers import go_program, machine_cache
from storage.servers.go_program import Source
from storage.servers.supervisor import Launch, free_port
from storage.settings import HOST, MINIO, Settings

SOURCE = Source(
    title="MinIO",
    module="github.com/minio/minio",
    version="v0.0.0-20260212201848-7aac2a2c5b7c",
    sum="h1:/qdoYujxF5MBLDMVLeiYJ/7fBa1HikX39Dvzb9Ji8pA=",
    go=(1, 24),  # the `go` line of its go.mod
)
# Releases on which tests/storage/s3/test_bucket.py and tests/storage/repo/test_store.py pass, beside what is built
# from SOURCE.
RELEASES = ("RELEASE.2025-09-07T16-13-09Z",)
BUILD = "minio-build-"
VERSION_TIMEOUT_S = 20.0  # for `minio --version`


def find(cache: Path) -> Path | None:
    """A MinIO that is ready: on the PATH, in a version that is known to work, or built before.

    Raises:
        SetupError: the program in the cache was changed, or could have been.
    """
    return _on_path() or _in_cache(cache)


def prepare(cache: Path) -> Path:
    """Find MinIO, or build it.

    It is built in a temporary folder and moved into the cache in one step; left-overs of interrupted builds are
    removed.

    Raises:
        SetupError: there is no Go, the source does not match its checksum, or the cache is not trusted.
        ProgramError: the source could not be fetched or built.
    """
    if found := _on_path():
        return found
    machine_cache.ready(cache)
    if found := _in_cache(cache):
        return found
    with process.lock(cache / "minio.lock", lambda: note("MinIO: another labeltrail builds it; waiting")):
        if found := _in_cache(cache):
            return found
        for left in cache.glob(BUILD + "*"):
            note(f"MinIO: removing a half-finished build, {left}")
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=BUILD, dir=cache) as folder:
            note("MinIO: building it from source; once a machine, some three minutes")
            go_program.keep(go_program.build(SOURCE, cache, Path(folder)), _built(cache))
            note("MinIO: built")
    return _built(cache)


def _on_path() -> Path | None:
    program = shutil.which("minio")
    if program is None:
        return None
    try:
        env = settings.server_environment()
        output = process.run([program, "--version"], env=env, timeout=VERSION_TIMEOUT_S)
    except ProgramError:
        output = ""
    version = re.search(r" version (\S+)", output)
    if (version and version[1] in RELEASES) or go_program.built_from(Path(program), SOURCE):
        return Path(program)
    why = f"it is {version[1]}" if version else "it does not say its version"
    note(f"MinIO: {program} is passed over: {why}; known to work: {', '.join(RELEASES)}")
    return None


def _in_cache(cache: Path) -> Path | None:
    program = _built(cache)
    if not program.exists():
        return None
    machine_cache.require(cache, program)
    if not go_program.is_recorded(program):
        # An earlier Labeltrail wrote no record; one cut off between two renames leaves none either.
        if not go_program.built_from(program, SOURCE):
            note(f"MinIO: {program} has no record of what it was built from; building it anew")
            return None
        go_program.record(program, program)
    go_program.require_built(program, SOURCE.title)
    return program


def _built(cache: Path) -> Path:
    return cache / f"minio-{SOURCE.version}"


def variables(root: Path, values: Settings) -> dict[str, str]:
    """The environment variables of the server."""
    return {
        "MINIO_ROOT_USER": values.access_key_id,
        "MINIO_ROOT_PASSWORD": values.secret_access_key.get_secret_value(),
        "MINIO_VOLUMES": str(data_folder(root)),
        "MINIO_UPDATE": "off",
    }


def data_folder(root: Path) -> Path:
    """The folder of this project's buckets."""
    return root / ".labeltrail/data/minio"


def launch(root: Path, program: Path, values: Settings, port: int) -> Launch:
    """How to start MinIO for the project at `root`, with its data in `.labeltrail/data/minio`."""
    console = free_port()
    address = ("--address", f"{HOST}:{port}", "--console-address", f"{HOST}:{console}")
    return Launch(
        service=MINIO,
        args=(str(program), "server", "--quiet", *address),
        variables=variables(root, values),
        data=data_folder(root),
        ports=(port, console),
        start_timeout=60,
    )
