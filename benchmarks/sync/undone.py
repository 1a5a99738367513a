"""A rollback of many annotations: files and bucket by themselves, and with the real Label Studio."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measure import Measure, in_turn
from benchmarks.sync.lab import Lab
from benchmarks.sync.many import Many
from benchmarks.sync.standin import PROJECT
from pipelines.rollback.rollback import rollback
from pipelines.sync.sync import sync
from storage.project import Project


def files_and_bucket(many: Many, count: int) -> Iterator[Measure]:
    """Go back before a sync of so many changed annotations; what stands in for Label Studio answers at once."""
    many.change(count)
    many.sync()
    found = Measure(f"rollback of {count:,} annotations, files and bucket")
    found.time(lambda: rollback(many.project(), "HEAD^"))
    found.facts["annotations a second"] = count / found.seconds
    yield found


def with_label_studio(lab: Lab, count: int) -> Iterator[Measure]:
    """The same with the real one, beside its own rate: asking for an annotation and changing it, one by one."""
    sync(lab.project)
    lab.change(count)
    sync(Project(lab.project.root))
    found = Measure(f"rollback of {count:,} annotations, Label Studio too")
    found.time(lambda: rollback(Project(lab.project.root), "HEAD^"))
    own = Measure(f"Label Studio's own rate: {count:,} annotations asked for and changed, one by one")
    own.time(lambda: lab.change(count))
    own.facts["annotations a second"] = count / own.seconds
    found.facts["times Label Studio's own"] = found.seconds / own.seconds
    yield found
    yield own


def change_requests(lab: Lab, many: Many, runs: int) -> Iterator[Measure]:
    """The requests of a sync to Label Studio: the project, and the tasks that changed lately."""
    real, standin = Measure("Label Studio's two answers"), Measure("the stand-in's")

    def request(project: Project, number: int) -> None:
        project.studio.projects.get(number)
        newest = max(task.updated_at for task in project.studio.tasks(number))
        list(project.studio.tasks(number, newest))

    there = many.project()
    in_turn(
        runs,
        lambda: None,
        [(real, lambda: request(lab.project, lab.number)), (standin, lambda: request(there, PROJECT))],
    )
    yield real
    yield standin
