"""uv: makes the environments that servers and their build tools live in, apart from the project's own.

Every package is pinned by its hash, what builds a package too; a lock file says which.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from storage import process, settings
from storage.errors import SetupError
from storage.servers import machine_cache

BUILD_TOOLS = Path(__file__).with_name("build-tools.lock.txt")
# A copy of its own: what is linked to uv's cache could be changed there.
INSTALL = ("pip", "install", "--quiet", "--link-mode", "copy", "--require-hashes", "--no-deps")


def command(cache: Path) -> list[str]:
    """How uv is called here: from the PATH, beside this Python, as its module, or from the cache.

    Raises:
        SetupError: it is in none of these places, or others could have changed the one in the cache.
    """
    beside = str(Path(sys.executable).parent)
    for found in (shutil.which("uv"), shutil.which("uv", path=beside)):
        if found:
            return [found]
    if own := shutil.which("uv", path=cache / "uv/bin"):
        machine_cache.require(cache, Path(own).parent, Path(own))
        return [own]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    cure = "`make up`, which brings its own; or python -m pip install --require-hashes -r storage/servers/uv.lock.txt"
    raise SetupError("uv was not found", where=f"PATH, {beside}, {cache / 'uv/bin'}", cure=cure)


def make_environment(cache: Path, folder: Path, lock: Path, sources: Sequence[str] = ()) -> None:
    """Make a virtual environment with this Python and install into it what a lock file names, and nothing else.

    Args:
        lock: pinned packages, each with the hashes of its files.
        sources: those that have no wheel, and are built with the tools of BUILD_TOOLS.

    Raises:
        SetupError: uv is missing.
        ProgramError: a package could not be found, is another than its hash says, or could not be built.
    """
    uv = command(cache)
    env = settings.build_environment()
    process.run([*uv, "venv", "--quiet", "--no-project", "--python", sys.executable, folder], env=env)
    install = [*uv, *INSTALL, "--python", str(folder / "bin/python"), "--only-binary", ":all:"]
    if sources:
        process.run([*install, "--requirements", BUILD_TOOLS], env=env, cwd=cache)
        # What a package asks for to be built would be fetched without a hash; these have it all by now.
        install += ["--no-build-isolation", *(word for name in sources for word in ("--no-binary", name))]
    process.run([*install, "--requirements", lock], env=env, cwd=cache)
    machine_cache.tighten(folder)
