"""`make demo` in a clone that nobody has used, step by step, beside what was aimed at.

    python -m benchmarks.sync.demo            # what this user's caches hold is used
    python -m benchmarks.sync.demo --cold     # as on a new machine: everything is fetched, installed and built

Cold, the caches are empty folders of this run and the PATH holds only the system's programs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.sync.lab import CHECKOUT
from benchmarks.timing import clock
from pipelines.demo.demo import FOLDER
from storage import process
from storage.files import read_json
from storage.settings import SERVICES

CACHES = (
    "LABELTRAIL_CACHE",
    "UV_CACHE_DIR",
    "PIP_CACHE_DIR",
    "XDG_CACHE_HOME",
    "GOPATH",
    "GOCACHE",
    "GOMODCACHE",
)
OURS = {name for service in SERVICES for name in (service.url, service.port, *service.credentials)}
STEPS = (
    "environment",
    "servers",
    "recordings",
    "recordings and labels",
    "labels by two people",
    "sync",
    "dvc repro",
)
AIMS = {"warm": 90, "cold": 8 * 60}  # seconds


def main(words: list[str] | None = None) -> None:
    """Clone, run, print, stop the servers, delete."""
    options = _options(words)
    with tempfile.TemporaryDirectory(prefix="labeltrail-bench-") as folder:
        found = measure(Path(folder), options.cold, options.data)
    if options.json:
        print(json.dumps({"version": 1} | found, indent=1))
        return
    kind = "cold" if options.cold else "warm"
    seconds = found["seconds"]
    rows = [(name, seconds[name]) for name in sorted(seconds, key=STEPS.index)] + [("all", found["total"])]
    print(f"make demo, caches {kind}, {found['cpus']} CPUs; the aim is {AIMS[kind]} s")
    print("| step | seconds |\n|---|---|")
    print("\n".join(f"| {name} | {seconds:.1f} |" for name, seconds in rows))


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="make demo, step by step.")
    parser.add_argument(
        "--cold", action="store_true", help="with empty caches; takes minutes and fetches 2 GB"
    )
    parser.add_argument("--data", type=Path, help="as DATA of make demo: a folder of recordings")
    parser.add_argument("--json", action="store_true", help="print what a program would read")
    return parser.parse_args(words)


def measure(folder: Path, cold: bool, data: Path | None = None) -> dict[str, Any]:
    """Seconds of each step of one `make demo`; `environment` is what goes on before its first step."""
    clone = folder / "clone"
    process.run(["git", "clone", "--quiet", CHECKOUT, clone])
    environment = _environment(folder if cold else None)
    call = ["make", "demo", *([f"DATA={data.resolve()}"] if data else [])]
    print("make demo: this takes some minutes", file=sys.stderr)
    try:
        total = clock(lambda: process.run(call, cwd=clone, env=environment))
        steps = read_json(clone / "demo" / FOLDER / "demo.json", 1, "make demo")["demo"]["seconds"]
    finally:
        process.run(["make", "down"], cwd=clone, env=environment)
    before = {"environment": round(total - sum(steps.values()), 1)}
    return {"cold": cold, "cpus": os.cpu_count(), "total": round(total, 1), "seconds": before | steps}


def _environment(caches: Path | None) -> dict[str, str]:
    """A shell that names no servers; with a folder for `caches`, that of somebody who has just logged in."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS | {"VIRTUAL_ENV"}}
    if caches is None:
        return kept
    # A pip that is told where wheels lie, and everything else of the machine's settings, stays as it is.
    return kept | {"PATH": os.defpath.lstrip(":")} | {name: str(caches / name.lower()) for name in CACHES}


if __name__ == "__main__":
    main()
