"""The annotations of an export: matched to recordings and annotators, checked against the label config.

What is left out is reported and counted.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.import_ import import_people
from pipelines.import_.import_people import People, Person
from pipelines.import_.result import ImportResult
from pipelines.sync.push_labels import CREATABLE
from storage.errors import InputError
from storage.label_studio.client import LabelStudio
from storage.label_studio.label_config import LabelConfig
from storage.labels import export
from storage.labels.export import ExportedTask
from storage.labels.export_match import match
from storage.labels.snapshot import parse_time
from storage.printable import shortened

LOOKED_UP = 3  # annotations that are requested from Label Studio
SHOWN = 3  # reasons that an error lists
FLAT = (
    "this form of an export lacks skipped annotations, ground truth, predictions, drafts and ids of regions"
)


@dataclass(frozen=True)
class ImportedAnnotation:
    """An annotation of an export.

    Attributes:
        result: regions and choices.
        fields: other fields that Label Studio accepts: `was_cancelled`, `ground_truth`, `lead_time`.
        person: who made it.
        partial: a flat export lacks parts of it.
        number: of the annotation, where the export is of this Label Studio; else 0.
    """

    result: list[dict[str, Any]]
    fields: dict[str, Any]
    person: Person
    partial: bool = False
    number: int = 0


def people_of(studio: LabelStudio, exported: Sequence[ExportedTask], given: Mapping[str, str]) -> People:
    """The people of an export, with their accounts in this Label Studio."""
    users = studio.users()
    annotations = [annotation for task in exported for annotation in task.annotations]
    is_own = _are_of(studio, annotations)
    known = {str(number): email for number, email in users.items()} if is_own else {}
    known |= import_people.addresses(annotations)
    accounts = {email: number for number, email in users.items()}
    return People(accounts, studio.whoami(), given, known, is_own)


def _are_of(studio: LabelStudio, annotations: Iterable[Mapping[str, Any]]) -> bool:
    """Whether Label Studio has one of the first annotations, created in the same microsecond."""
    dated = (a for a in annotations if a.get("id") and parse_time(a.get("created_at")))
    for annotation in itertools.islice(dated, LOOKED_UP):
        found = studio.annotation(annotation["id"])
        if found and parse_time(found.get("created_at")) == parse_time(annotation["created_at"]):
            return True
    return False


def match_recordings(
    exported: Sequence[ExportedTask], series: Iterable[str], result: ImportResult
) -> dict[str, list[ExportedTask]]:
    """Tasks by series; tasks without a recording, and ambiguous ones, are reported."""
    found = match(exported, series)
    unmatched = [(task, "no recording matches") for task in found.unmatched]
    for task, what in (*unmatched, *found.ambiguous):
        labels = f"; its {len(task.annotations)} annotation(s) were left out" if task.annotations else ""
        cure = "import its recording too, under the last part of its address"
        if task.address == "":
            what = "its data names no recording"
            cure = 'name its key: <TimeSeries value="$KEY"> in the label config'
        elif (task, what) in found.ambiguous:
            cure = "rename the recordings, or put them into folders as in the address, then import again"
        result.add_left_out(task.name, what + labels, cure)
        result.count_left_out("tasks", 1)
        result.count_left_out("annotations", len(task.annotations))
    for tasks in found.series.values():
        for task in tasks:
            _report_unsupported(task, result)
    return found.series


def _report_unsupported(task: ExportedTask, result: ImportResult) -> None:
    """Report what is never imported of a task: predictions, drafts, and what a flat export lacks."""
    if task.predictions:
        what = f"its {task.predictions} prediction(s) were left out: the model makes new ones"
        result.note(task.name, what, "dvc repro")
    if task.drafts:
        what = f"its {task.drafts} draft(s) were left out: nobody has submitted them"
        result.note(task.name, what, "submit them where they are, then export again")
    result.count_left_out("predictions", task.predictions)
    result.count_left_out("drafts", task.drafts)
    for annotation in task.annotations:
        tags = annotation.get("lost") or []
        if tags:
            names = ", ".join(map(shortened, tags))
            what = f"annotation {annotation.get('id')}: the values of {names} were left out"
            result.note(task.name, what, "export the project as JSON")
        result.count_left_out("answers", len(tags))


def annotations_of(
    matched: Mapping[str, list[ExportedTask]], config: LabelConfig, people: People, result: ImportResult
) -> dict[str, list[ImportedAnnotation]]:
    """The annotations that fit the label config, by series."""
    found: dict[str, list[ImportedAnnotation]] = defaultdict(list)
    for series, tasks in sorted(matched.items()):
        for annotation in _in_order(list(_fitting(tasks, config, result))):
            person = people.of(annotation)
            people.count[person] += 1
            fields = {name: annotation[name] for name in CREATABLE if annotation.get(name)}
            partial = bool(annotation.get("lost"))
            number = annotation.get("id") or 0 if people.are_own else 0
            items = annotation.get("result") or []
            found[series].append(ImportedAnnotation(items, fields, person, partial, number))
    return found


def _fitting(
    tasks: Iterable[ExportedTask], config: LabelConfig, result: ImportResult
) -> Iterator[dict[str, Any]]:
    for task in tasks:
        for annotation in task.annotations:
            problems = export.problems(annotation, config)
            if not problems:
                yield annotation
                continue
            where = f"{task.name}, annotation {annotation.get('id')}"
            what = problems[0] if len(problems) == 1 else f"{problems[0]} (and {len(problems) - 1} more)"
            cure = "fix the label config or the export, then import again"
            result.add_left_out(where, what, cure)
            result.count_left_out("annotations", 1)


def _in_order(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The oldest first, where all have a creation time: of one annotator's annotations the newest counts."""
    times = [parse_time(annotation.get("created_at")) for annotation in annotations]
    if not all(times):
        return annotations
    order = sorted(range(len(times)), key=lambda n: times[n])  # type: ignore[arg-type,return-value]
    return [annotations[n] for n in order]


def check_usable(
    exported: Sequence[ExportedTask], annotations: Mapping[str, Any], path: Path, result: ImportResult
) -> None:
    """InputError for an export with labels of which none can be used: a wrong export, or wrong recordings."""
    count = sum(len(task.annotations) for task in exported)
    if count and not annotations:
        fatal = [finding for finding in result.findings if finding.fatal]
        shown = [finding for finding in fatal if "annotation" in f"{finding.where}{finding.what}"] or fatal
        raise InputError(
            f"none of the {count} annotation(s) of the export can be used; nothing was changed",
            where=str(path),
            why=[f"{finding.where}: {finding.what}" for finding in shown[:SHOWN]],
            cure=shown[0].cure,
        )


def note_flat(exported: Sequence[ExportedTask], path: Path, result: ImportResult) -> None:
    """Report what a flat form of an export lacks."""
    if any(task.is_flat for task in exported):
        cure = "nothing, if there are none; else export the project as JSON"
        result.note(str(path), FLAT, cure)


def note_people(people: People, path: Path | None, result: ImportResult) -> None:
    """Report annotators without an account here, and entries of the map that the export lacks."""
    for person in people.strangers():
        annotations = f"{people.count[person]} annotation(s) of somebody without an account here"
        what = (
            f"{annotations}: kept apart under this name, though Label Studio shows them as {people.owner}'s"
        )
        who = next(iter(sorted(person.earlier)), person.name)
        number = who.removeprefix("annotator-").removesuffix("@export")
        cure = f"nothing; or say who it is: --annotators FILE with the line {shortened(number, 60)},EMAIL"
        result.note(person.name, what, cure)
    for name in people.unused():
        what = f"nobody in the export is {shortened(name, 60)}"
        result.note(str(path), what, "check the number or address")
    counts = {person.name: count for person, count in people.count.items()}
    result.annotators = dict(sorted(counts.items()))
