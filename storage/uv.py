"""uv: makes the environments that servers and their build tools live in, apart from the project's own."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from storage import process, settings
from storage.errors import SetupError


def command(cache: Path) -> list[str]:
    """How uv is called here: from the PATH, beside this Python, as its module, or from the cache.

    Raises:
        SetupError: it is in none of these places.
    """
    beside = str(Path(sys.executable).parent)
    for found in (
        shutil.which("uv"),
        shutil.which("uv", path=beside),
        shutil.which("uv", path=cache / "uv/bin"),
    ):
        if found:
            return [found]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    cure = "pip install uv, or run `make up`, which brings its own"
    raise SetupError("uv was not found", where=f"PATH, {beside}, {cache / 'uv/bin'}", cure=cure)


def make_environment(cache: Path, folder: Path, *requirements: str) -> None:
    """Make a virtual environment with this Python and install into it.

    Args:
        requirements: arguments of `uv pip install`: pinned packages, or `--requirements FILE`.

    Raises:
        SetupError: uv is missing.
        ProgramError: a package could not be found or installed.
    """
    uv = command(cache)
    env = settings.build_environment()
    process.run([*uv, "venv", "--quiet", "--no-project", "--python", sys.executable, folder], env=env)
    install: list[process.Argument] = [
        *uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        folder / "bin/python",
        *requirements,
    ]
    process.run(install, env=env, cwd=cache)
