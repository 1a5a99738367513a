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
from storage.remote import identity
from storage.remote.remote import Remote
from storage.remote.sync_state import State
from storage.repo.repository import Repository

FLAT_TYPES = ("timeserieslabels", "choices")
WRITERS = 4  # parallel requests; more gain nothing on Label Studio's SQLite


@dataclass(frozen=True)
class ExistingAnnotation:
    """An annotation in Label Studio."""

    number: int
    annotator: str
    result: list[dict[str, Any]]
    cancelled: bool

    def is_of(self, wanted: ImportedAnnotation) -> bool:
        """Whether it is of the same person, or the same annotation of this Label Studio."""
        return self.annotator == wanted.person.name or self.number == wanted.number

    def matches(self, wanted: ImportedAnnotation) -> bool:
        """Whether it has the same content; of a flat export, only the types that this contains."""
        items = [item for item in self.result if not wanted.partial or item.get("type") in FLAT_TYPES]
        same_items = _contents(items) == _contents(wanted.result)
        return same_items and self.cancelled == bool(wanted.fields.get("was_cancelled"))


@dataclass
class AnnotationPlan:
    """Changes of annotations of an import.

    Attributes:
        new: annotations to create, by series.
        reassigned: numbers of existing ones to reassign, with their annotator.
        known: how many exist already.
    """

    new: dict[str, list[ImportedAnnotation]]
    reassigned: list[tuple[int, Person]]
    known: int = 0


def compare(plan: Plan, remote: Remote, state: State | None) -> AnnotationPlan:
    """Compare the export's annotations with those in the bucket at the last refresh."""
    existing = _existing(remote, state)
    steps = AnnotationPlan(defaultdict(list), [])
    for series, wanted in plan.annotations.items():
        candidates, unmatched = existing.get(series, []), []
        for annotation in wanted:  # first those of the same person
            same = next((f for f in candidates if f.is_of(annotation) and f.matches(annotation)), None)
            if same is None:
                unmatched.append(annotation)
            else:
                candidates.remove(same)
                steps.known += 1
        for annotation in unmatched:
            other = next((f for f in candidates if _is_misassigned(f, annotation, plan.people)), None)
            if other is None:
                steps.new[series].append(annotation)
            else:
                candidates.remove(other)
                steps.reassigned.append((other.number, annotation.person))
    return steps


def _existing(remote: Remote, state: State | None) -> dict[str, list[ExistingAnnotation]]:
    """The existing annotations, by series."""
    found: dict[str, list[ExistingAnnotation]] = defaultdict(list)
    if state is None:
        return found
    for row in remote.annotations.rows():
        if row.value is not None:
            record: Record = row.value["record"]
            who = identity.annotator(state.annotators, row.value.get("import_id"), record["annotator"])
            annotation = ExistingAnnotation(
                row.value["annotation"], who, record["result"], record["was_cancelled"]
            )
            found[record["series"]].append(annotation)
    return found


def _is_misassigned(existing: ExistingAnnotation, wanted: ImportedAnnotation, people: People | None) -> bool:
    """Whether an annotation has the same content and is this person's, but an earlier import assigned it to another.

    Region ids are random, so equal ones come from the same export; empty annotations of two people look the same.
    """
    if not existing.matches(wanted):
        return False
    if existing.annotator in wanted.person.earlier:
        return True
    same = existing.result == wanted.result and bool(wanted.result)
    return same and people is not None and existing.annotator == people.owner


def _contents(result: list[dict[str, Any]]) -> list[str]:
    """Content of regions and choices, without ids."""
    values = ([item.get(name) for name in ("from_name", "type", "value")] for item in result)
    return sorted(json.dumps(value, sort_keys=True) for value in values)


def submit(repository: Repository, remote: Remote, plan: Plan, state: State, result: ImportResult) -> None:
    """Create missing annotations, and reassign existing ones to their annotators.

    Raises:
        NotFoundError: Label Studio has no task for one of these series; none was created.
    """
    studio = remote.studio
    fetch(repository, remote, state)
    steps = compare(plan, remote, state)
    tasks = tasks_of(studio, state.project, steps.new.keys())
    result.known = steps.known + len(steps.reassigned)
    people = {annotation.person for annotations in steps.new.values() for annotation in annotations}
    people |= {person for _, person in steps.reassigned}
    strangers = {str(identity.number_for(who.name)): who.name for who in people if who.account is None}
    if strangers.items() - state.annotators.items():
        remote.write_state(replace(state, annotators=state.annotators | strangers))
    for number, person in track(steps.reassigned, "reassigning annotations", len(steps.reassigned)):
        token_owner = plan.people.users.get(plan.people.owner) if plan.people else None
        studio.update_annotation(number, **{"completed_by": token_owner, "import_id": None} | _owner(person))
    result.reassigned = len(steps.reassigned)

    def create(series: str) -> int:
        for annotation in steps.new[series]:  # in order: of one annotator's annotations the newest counts
            owner = _owner(annotation.person)
            studio.annotate(tasks[series], annotation.result, **annotation.fields, **owner)
        return len(steps.new[series])

    with ThreadPoolExecutor(WRITERS) as pool:
        counts = track(pool.map(create, list(steps.new)), "submitting annotations", len(steps.new))
        result.annotations = sum(counts)


def _owner(person: Person) -> dict[str, Any]:
    """The fields that set the annotator in Label Studio."""
    if person.account is not None:
        return {"completed_by": person.account}
    return {"import_id": identity.number_for(person.name)}
