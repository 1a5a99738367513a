"""Label changes of the work tree on their way into Label Studio, which writes them to the bucket.

What a rollback, a merge or a plain `git checkout` of `data/labels.dvc` changed: edited annotations are changed
in place, deleted ones are made again, later ones are deleted. Label Studio gives an annotation that is made
again a new id; the record keeps its own, and the pair is remembered in `sync.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from storage.errors import NotFoundError
from storage.labelstudio import LabelStudio
from storage.merge import Change
from storage.progress import track
from storage.snapshot import Record, annotation_id

# What Label Studio takes when an annotation is made; the rest it decides by itself.
CREATABLE = ("was_cancelled", "ground_truth", "lead_time")
CHANGEABLE = ("was_cancelled", "ground_truth")


def push(
    studio: LabelStudio, project: int, changes: Iterable[Change[Record]], ids: Mapping[str, str]
) -> dict[str, str]:
    """Bring Label Studio to the records that the changes end in.

    Args:
        studio: where to.
        project: the branch's project.
        changes: from what Label Studio has (`before`) to what it should have (`after`).
        ids: record ids of annotations that were made again before, by their id in Label Studio.

    Returns:
        `ids`, with the annotations that were made now.

    Raises:
        NotFoundError: an annotation has to be made on a series that has no task; nothing was changed.
    """
    outgoing = list(changes)
    known = dict(ids)
    current = {record: int(annotation) for annotation, record in known.items()}
    tasks: dict[str, int] = {}
    users: dict[str, int] = {}
    if any(change.before is None for change in outgoing):
        tasks = {str(task.data.get("series")): task.id for task in studio.tasks(project)}
        users = {email: user for user, email in studio.users().items()}
    homeless = sorted({c.after["series"] for c in outgoing if c.before is None and c.after} - tasks.keys())
    if homeless:
        raise NotFoundError(
            "labels of these series cannot go back into Label Studio: it has no task for them",
            where=", ".join(homeless),
            why="the task, or the recording in the bucket, is gone",
            cure="bring the recordings back (labeltrail import), then labeltrail sync",
        )
    for change in track(outgoing, "writing to Label Studio"):
        annotation = current.get(change.name) or annotation_id(change.name)
        if change.after is None:
            studio.delete_annotation(annotation)
            known.pop(str(annotation), None)
        elif change.before is not None:
            studio.update_annotation(
                annotation, result=change.after["result"], **{key: change.after[key] for key in CHANGEABLE}
            )
        else:
            fields: dict[str, Any] = {key: change.after[key] for key in CREATABLE if key in change.after}
            if change.after["annotator"] in users:
                fields["completed_by"] = users[change.after["annotator"]]
            made = studio.annotate(tasks[change.after["series"]], change.after["result"], **fields)
            known[str(made)] = change.name
    return known


def adopt(ours: Mapping[str, Record], theirs: Mapping[str, Record]) -> dict[str, str]:
    """Recognise annotations that were made again but not remembered, because the push was cut off.

    Returns:
        The record id that an unknown record of `theirs` should keep, by the id it has now.
    """
    lost = {_content(record): name for name, record in ours.items() if name not in theirs}
    found = {}
    for name in sorted(theirs.keys() - ours.keys()):
        keeps = lost.pop(_content(theirs[name]), None)
        if keeps:
            found[name] = keeps
    return found


def _content(record: Record) -> str:
    facts = {key: record[key] for key in ("series", "annotator", "result", "was_cancelled", "ground_truth")}
    return json.dumps(facts, sort_keys=True)
