"""Label commits of a project in a real bucket: the first one, and those of ten changes, beside both other ways."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Measure, in_turn
from benchmarks.sync.bare import Bare
from benchmarks.sync.many import Many
from benchmarks.sync.plain import Plain
from storage import process, settings

CHANGES = 10
# Seconds and peak memory in kB of one sync, in a process of its own. Not by `getrusage`: its peak begins with the
# memory of the process that started this one.
FIRST = """
import json, re, time
from pathlib import Path
from pipelines.sync.result import Options
from pipelines.sync.sync import sync
from storage.project import Project
began = time.perf_counter()
sync(Project(Path.cwd()), Options(remote=False))
seconds = time.perf_counter() - began
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(json.dumps([seconds, int(peak)]))
"""


def first(project: Many, bare: Bare) -> Iterator[Measure]:
    """The sync that meets all annotations for the first time."""
    fetched = Measure("LIST and GET of all of them, nothing else")
    fetched.time(bare.first)
    found = Measure("first sync")
    # `-P`: the code that is measured is this checkout's, and not the clone's.
    call = [sys.executable, "-P", "-c", FIRST]
    seconds, kilobytes = json.loads(process.run(call, cwd=project.root, env=settings.stage_environment()))
    found.runs.append(seconds)
    found.facts["times LIST and GET"] = seconds / fetched.seconds
    found.facts["peak memory in MB"] = kilobytes / 1024
    yield found
    yield fetched


def commits(project: Many, bare: Bare, folder: Path, runs: int, plain_runs: int) -> Iterator[Measure]:
    """A label commit of ten changed annotations: by LIST, by their numbers, and as a command."""
    bare.copy(project.root / "data/labels")
    plainly = Measure("`dvc update; git commit`")
    listed = Measure("label commit by LIST"), Measure("bare cost by LIST")
    named = Measure("label commit by numbers"), Measure("bare cost by numbers")
    commands = Measure("`labeltrail sync`"), Measure("`labeltrail sync --annotation ..`")
    numbers: list[int] = []

    def change() -> None:
        numbers[:] = project.change(CHANGES)

    def command(*words: str) -> None:
        process.run(["labeltrail", "sync", *words], cwd=project.root, env=settings.stage_environment())

    def by_numbers() -> None:
        command(*(word for number in numbers for word in ("--annotation", str(number))))

    in_turn(runs, change, [(listed[0], project.sync), (listed[1], bare.by_list)])
    ours = (named[0], lambda: project.sync(annotations=tuple(numbers)))
    in_turn(runs, change, [ours, (named[1], lambda: bare.by_numbers(numbers))])
    command()  # what was committed until now goes into the DVC remote
    in_turn(plain_runs, change, [(commands[0], command)])
    in_turn(plain_runs, change, [(commands[1], by_numbers)])
    if plain_runs:
        plain = Plain(folder / "plain", project.project(), backup=False)
        in_turn(plain_runs, change, [(plainly, plain.update)])
        yield plainly
    beside = plainly if plain_runs else None
    for measures in (listed, named):
        yield measures[0].against(measures[1], beside)
        yield measures[1]
    for measure in commands if plain_runs else ():
        yield measure.against(plain=beside)
