"""Submit the annotations of an export that Label Studio lacks, each with its annotator.

In Label Studio an annotator is an account. An annotation of somebody without one belongs to the token's owner there
and has an `import_id`, a number for each person, whose names are in `sync.json` (storage/remote/identity.py). It is
set on creation, so an interrupted import resumes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from pipelines.import_.import_labels import ImportedAnnotation
from pipelines.import_.import_people import People, Person
from pipelines.import_.import_plan import Plan
from pipelines.import_.result import ImportResult
from pipelines.sync.fetch import fetch
from pipelines.sync.push_labels import tasks_of
from storage.labels.snapshot import Record
from storage.progress import track
from storage.project import Project
from storage.remote import identity
from storage.remote.remote import Remote
from storage.remote.sync_state import State

FLAT_TYPES = ("timeserieslabels", "choices")
WRITERS = 4  # parallel requests; more gain nothing on Label Studio's SQLite


@dataclass(frozen=True)
class ExistingAnnotation:
    """An annotation in Label Studio."""

    number: int
    annotator: str
    result: list[dict[str, Any]]
    cancelled: bool

    def matches(self, wanted: ImportedAnnotation) -> bool:
        """Whether it has the same content; of a flat export, only the types that this contains."""
        others = [item for item in self.result if not wanted.partial or item.get("type") in FLAT_TYPES]
        return self.cancelled == bool(wanted.fields.get("was_cancelled")) and _said(others) == _said(
            wanted.result
        )


@dataclass
class AnnotationPlan:
    """Changes of annotations of an import.

    Attributes:
        new: annotations to create, by series.
        given: numbers of existing ones to reassign, with their annotator.
        known: how many exist already.
    """

    new: dict[str, list[ImportedAnnotation]]
    given: list[tuple[int, Person]]
    known: int = 0


def compare(plan: Plan, remote: Remote, state: State | None) -> AnnotationPlan:
    """Compare the export's annotations with those in the bucket at the last refresh."""
    there = _there(remote, state)
    steps = AnnotationPlan(defaultdict(list), [])
    for series, wanted in plan.annotations.items():
        held, left = there.get(series, []), []
        for one in wanted:  # those of the same person first
            same = next(
                (
                    h
                    for h in held
                    if h.matches(one) and (h.annotator == one.person.name or h.number == one.number)
                ),
                None,
            )
            if same is None:
                left.append(one)
            else:
                held.remove(same)
                steps.known += 1
        for one in left:
            other = next((h for h in held if h.matches(one) and _may_be(h, one, plan.people)), None)
            if other is None:
                steps.new[series].append(one)
            else:
                held.remove(other)
                steps.given.append((other.number, one.person))
    return steps


def _there(remote: Remote, state: State | None) -> dict[str, list[ExistingAnnotation]]:
    """The existing annotations, by series."""
    found: dict[str, list[ExistingAnnotation]] = defaultdict(list)
    names = state.annotators if state else {}
    for row in remote.annotations.rows() if state else ():
        if row.value is not None:
            record: Record = row.value["record"]
            who = identity.annotator(names, row.value.get("import_id"), record["annotator"])
            held = ExistingAnnotation(row.value["annotation"], who, record["result"], record["was_cancelled"])
            found[record["series"]].append(held)
    return found


def _may_be(held: ExistingAnnotation, wanted: ImportedAnnotation, people: People | None) -> bool:
    """Whether an annotation with the same content is this person's, but an earlier import gave it to another.

    Region ids are random, so equal ones come from the same export; empty annotations of two people look the same.
    """
    if held.annotator in wanted.person.earlier:
        return True
    same = held.result == wanted.result and bool(wanted.result)
    return same and people is not None and held.annotator == people.owner


def _said(result: list[dict[str, Any]]) -> list[str]:
    """Content of regions and choices, without ids."""
    return sorted(
        json.dumps([i.get("from_name"), i.get("type"), i.get("value")], sort_keys=True) for i in result
    )


def submit(project: Project, plan: Plan, state: State, done: ImportResult) -> None:
    """Create missing annotations, and reassign existing ones to their annotators.

    Raises:
        NotFoundError: Label Studio has no task for one of these series; none was created.
    """
    remote, studio = project.remote, project.studio
    fetch(project.repository, remote, state)
    steps = compare(plan, remote, state)
    ids = tasks_of(studio, state.project, steps.new.keys())
    done.known = steps.known + len(steps.given)
    people = {one.person for some in steps.new.values() for one in some} | {who for _, who in steps.given}
    strangers = {str(identity.number_for(who.name)): who.name for who in people if who.account is None}
    if strangers.items() - state.annotators.items():
        remote.write_state(replace(state, annotators=state.annotators | strangers))
    for number, person in track(steps.given, "reassigning annotations", len(steps.given)):
        owner = _owner(person)
        known = plan.people.users.get(plan.people.owner) if plan.people else None
        studio.update_annotation(number, **{"completed_by": known, "import_id": None} | owner)
    done.reassigned = len(steps.given)

    def make(series: str) -> int:
        for one in steps.new[series]:  # in order: of one annotator's the newest counts
            studio.annotate(ids[series], one.result, **one.fields, **_owner(one.person))
        return len(steps.new[series])

    with ThreadPoolExecutor(WRITERS) as pool:
        made = track(pool.map(make, list(steps.new)), "submitting annotations", len(steps.new))
        done.annotations = sum(made)


def _owner(person: Person) -> dict[str, Any]:
    """The fields that set the annotator in Label Studio."""
    if person.account is not None:
        return {"completed_by": person.account}
    return {"import_id": identity.number_for(person.name)}
