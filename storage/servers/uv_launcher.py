"""Runs uv for `make`, before there is an environment: `python3 -m storage.servers.uv_launcher ARGUMENTS`.

It is the one on the PATH, else one in the cache, pinned by storage/servers/uv.lock.txt. This needs Python 3.9 or
newer and the standard library only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from storage.servers import machine_cache

LOCK = Path(__file__).with_name("uv.lock.txt")


def main() -> None:
    """Replace this process by uv."""
    uv = shutil.which("uv") or str(installed(cache_folder()))
    os.execv(uv, [uv, *sys.argv[1:]])  # noqa: S606 -- no shell


def installed(cache: Path) -> Path:
    """The uv of the cache, installed where it is missing or has another version."""
    folder = cache / "uv"
    uv = folder / "bin/uv"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (cache, folder, folder / "bin", uv):
        if path.exists() and (why := machine_cache.fault(path)):
            cure = f"LABELTRAIL_CACHE=ANOTHER_FOLDER, or delete {cache} after a look at what is in it"
            sys.exit(
                f"what others could have changed is not run\n  where: {path}\n  why: {why}\n  next: {cure}"
            )
    if not uv.exists() or not any(folder.glob(f"lib/python3*/site-packages/uv-{version()}.dist-info")):
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pins = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(LOCK)]
        subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", *pins], check=True)
        machine_cache.tighten(folder)
    return uv


def version() -> str:
    """The pinned version."""
    match = re.search(r"^uv==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else ""


def cache_folder() -> Path:
    """As `settings.cache_folder`, which needs packages."""
    if os.environ.get("LABELTRAIL_CACHE"):
        return Path(os.environ["LABELTRAIL_CACHE"]).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "labeltrail"


if __name__ == "__main__":
    main()
