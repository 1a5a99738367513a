"""`make bench-labels`: what label commits cost, and how that grows with the number of annotations.

    python -m benchmarks.sync.labels --records 100000 --only first commits --runs 5 --json

What each row means, and what was measured, stands in docs/scaling.md.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import HEADER, Measure
from benchmarks.sync import commits, direct, undone
from benchmarks.sync.bare import Bare
from benchmarks.sync.lab import make, running, unnamed
from benchmarks.sync.many import many
from storage.settings import Settings

PARTS = ("first", "commits", "rollback", "direct", "studio")


def main(words: list[str] | None = None) -> None:
    """Make the projects, measure, print."""
    options = _options(words)
    with (
        tempfile.TemporaryDirectory(prefix="labeltrail-bench-") as folder,
        running(Path(folder) / "up") as given,
        unnamed(),
    ):
        found = list(measure(Path(folder), given, options))
    facts = {"records": options.records, "runs": options.runs, "cpus": os.cpu_count()}
    if options.json:
        print(json.dumps({"version": 1, **facts, "measures": [m.to_json() for m in found]}, indent=1))
    else:
        print(", ".join(f"{name} {value:,}" for name, value in facts.items()))
        print("\n".join([HEADER, *(m.line() for m in found)]))


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What label commits cost, and how that grows.")
    parser.add_argument("--records", type=int, default=10_000, help="annotations in the bucket")
    parser.add_argument("--direct", type=int, default=1_000_000, help="records of a snapshot made directly")
    parser.add_argument("--undone", type=int, default=1000, help="annotations that are rolled back")
    parser.add_argument("--tasks", type=int, default=100, help="of the project in the real Label Studio")
    parser.add_argument("--runs", type=int, default=5, help="of each figure; the median counts")
    parser.add_argument("--plain-runs", type=int, default=3, help="of dvc update and the commands; 0: none")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts; default: all")
    parser.add_argument("--json", action="store_true", help="print what a program would read")
    return parser.parse_args(words)


def measure(folder: Path, given: Settings, options: argparse.Namespace) -> Iterator[Measure]:
    """The parts that were asked for, in their order; later ones build on what the earlier ones made."""
    parts = set(options.only)
    with ExitStack() as stack:
        if parts - {"direct"}:
            bucketful = stack.enter_context(many(folder / "many", given, options.records))
            bucketful.fill()
            bare = Bare(folder / "bare", bucketful.project().bucket)
            yield from commits.first(bucketful, bare)
            if "commits" in parts:
                yield from commits.commits(bucketful, bare, folder, options.runs, options.plain_runs)
            if "rollback" in parts:
                yield from undone.files_and_bucket(bucketful, min(options.undone, options.records))
            if "studio" in parts:
                lab = make(folder / "lab", given, options.tasks)
                yield from undone.with_label_studio(lab, options.tasks)
                yield from undone.change_requests(lab, bucketful, options.runs)
    if "direct" in parts:
        small = many(folder / "small", given, options.direct // 100)
        with small as few, many(folder / "large", given, options.direct) as lots:
            for made in (few, lots):
                direct.fill(made)
            yield from direct.named(few, lots, options.runs)
            for made in (few, lots):
                yield from direct.grown(made)


if __name__ == "__main__":
    main()
