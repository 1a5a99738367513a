"""`make bench`: sync and `dvc repro` against the plain command line, on the same servers, bucket and annotations.

    python -m benchmarks.sync.sync --tasks 200 --runs 9 --json

Medians and ratios of both ways, run in turn. What each row means stands in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.sync.lab import CHECKOUT, Lab, make, make_with, program, running
from benchmarks.sync.plain import Plain, one_stage
from benchmarks.timing import HEADER, Figure, compare
from pipelines.sync.sync import sync
from storage import process, settings
from storage.files import write_bytes
from storage.project import Project


def main(words: list[str] | None = None) -> None:
    """Make the project, measure, print."""
    options = _options(words)
    with (
        tempfile.TemporaryDirectory(prefix="labeltrail-bench-") as folder,
        running(Path(folder) / "up") as given,
    ):
        lab = make(Path(folder), given, options.tasks)
        sync(lab.project)
        if options.before:
            figures = [_before(lab, make_with(options.before, Path(folder), given), options)]
        else:
            plain = Plain(Path(folder) / "plain", lab.project)
            figures = list(_syncs(lab, plain, options.runs, options.changes))
        if options.repro and not options.before:
            figures.append(_repro(lab, Path(folder) / "one-stage", options.runs))
    facts = {
        "tasks": options.tasks,
        "annotations": 2 * options.tasks,
        "changes": options.changes,
        "runs": options.runs,
        "cpus": os.cpu_count(),
    }
    if options.json:
        print(json.dumps({"version": 1, **facts, "figures": [f.to_json() for f in figures]}, indent=1))
    else:
        print(", ".join(f"{name} {value}" for name, value in facts.items()))
        print("\n".join([HEADER, *(figure.line() for figure in figures)]))


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Sync and dvc repro against the plain command line.")
    parser.add_argument("--tasks", type=int, default=50, help="recordings; each has two annotations")
    parser.add_argument("--changes", type=int, default=10, help="annotations changed before a sync")
    parser.add_argument("--runs", type=int, default=5, help="of each figure; the median counts")
    parser.add_argument(
        "--no-repro", dest="repro", action="store_false", help="leave dvc repro out: no training"
    )
    parser.add_argument("--before", type=Path, help="only compare with this checkout of another commit")
    parser.add_argument("--json", action="store_true", help="print what a program would read")
    return parser.parse_args(words)


def _syncs(lab: Lab, plain: Plain, runs: int, changes: int) -> Iterator[Figure]:
    root = lab.project.root

    def ours() -> None:
        process.run(["labeltrail", "sync"], cwd=root, env=settings.stage_environment())

    def ours_here() -> None:
        sync(Project(root))

    def all_of_it() -> None:
        plain.update()
        plain.push()

    def change() -> None:
        lab.change(changes)

    yield compare("nothing changed", "`dvc update`", runs, ours, plain.update)
    yield compare("nothing changed, in a warm Python", "`Repo.update`", runs, ours_here, plain.update_here)
    yield compare(f"{changes} changed", "`dvc update; git commit`", runs, ours, plain.update, change)
    way = "`dvc update; git commit; dvc push`"
    yield compare(f"{changes} changed, to the DVC remote", way, runs, ours, all_of_it, change)
    yield compare(
        f"{changes} changed, in a warm Python", "`Repo.update`", runs, ours_here, plain.update_here, change
    )


def _before(lab: Lab, other: Path, options: argparse.Namespace) -> Figure:
    """A sync with nothing to do by the code of this checkout, and by that of another one."""

    def run(labeltrail: Path, root: Path) -> None:
        process.run([labeltrail, "sync"], cwd=root, env=settings.stage_environment())

    return compare(
        "nothing changed",
        f"`labeltrail sync` of {process.run(['git', 'rev-parse', '--short', 'HEAD'], cwd=options.before).strip()}",
        options.runs,
        lambda: run(program(CHECKOUT), lab.project.root),
        lambda: run(program(options.before), other),
    )


def _repro(lab: Lab, small: Path, runs: int) -> Figure:
    """`dvc repro` with nothing to do: our stages, trained for one epoch, against one that copies a line."""
    params = lab.project.root / "params.yaml"
    text = re.sub(r"(?m)^(  epochs:) \d+", r"\1 1", params.read_text(encoding="utf-8"))
    write_bytes(params, text.encode())
    one_stage(small)

    def repro(root: Path) -> None:
        process.run(["dvc", "repro"], cwd=root, env=settings.stage_environment())

    repro(lab.project.root)
    name, way = "`dvc repro`, nothing to do", "a `dvc.yaml` of one stage"
    return compare(name, way, runs, lambda: repro(lab.project.root), lambda: repro(small))


if __name__ == "__main__":
    main()
