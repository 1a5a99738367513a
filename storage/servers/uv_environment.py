"""Makes virtual environments for servers and build tools with uv.

Every package, build dependencies included, is pinned by hash in a lock file.
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
# Copies: files that are linked to uv's cache could be changed there.
INSTALL = ("pip", "install", "--quiet", "--link-mode", "copy", "--require-hashes", "--no-deps")


def command(cache: Path) -> list[str]:
    """The command for uv: from the PATH, beside this Python, from the cache, or as a module.

    Raises:
        SetupError: it is in none of these places, or others could have changed the one in the cache.
    """
    beside = str(Path(sys.executable).parent)
    for path in (shutil.which("uv"), shutil.which("uv", path=beside)):
        if path:
            return [path]
    if own := shutil.which("uv", path=cache / "uv/bin"):
        machine_cache.require(cache, Path(own).parent, Path(own))
        return [own]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    cure = "`make up`, which brings its own; or python -m pip install --require-hashes -r storage/servers/uv.lock.txt"
    raise SetupError("uv was not found", where=f"PATH, {beside}, {cache / 'uv/bin'}", cure=cure)


def make_environment(cache: Path, folder: Path, lock: Path, sources: Sequence[str] = ()) -> None:
    """Make a virtual environment with this Python and the packages of a lock file.

    Args:
        lock: pinned packages with hashes.
        sources: packages without a wheel, which are built with BUILD_TOOLS.

    Raises:
        SetupError: uv is missing.
        ProgramError: a package could not be found, does not match its hash, or could not be built.
    """
    uv = command(cache)
    env = settings.build_environment()
    process.run([*uv, "venv", "--quiet", "--no-project", "--python", sys.executable, folder], env=env)
    install = [*uv, *INSTALL, "--python", str(folder / "bin/python"), "--only-binary", ":all:"]
    if sources:
        process.run([*install, "--requirements", BUILD_TOOLS], env=env, cwd=cache)
        # Build isolation would fetch build dependencies without hashes; they are installed already.
        install += ["--no-build-isolation", *(word for name in sources for word in ("--no-binary", name))]
    process.run([*install, "--requirements", lock], env=env, cwd=cache)
    machine_cache.tighten(folder)
