"""Filling a Label Studio project with what a commit holds: a branch's new project, or one that is made again.

The quickest way that Label Studio has and that links every task to its object (docs/decisions/0013): the task's
object carries the annotations while the source storage is read, the target storage is attached when all are there,
and then the objects are made plain again. A task is made together with all its annotations or not at all, so a run
that was cut off is gone on with by the same call.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.sync.push_labels import CREATABLE
from storage.errors import NotFoundError
from storage.label_studio.label_config import PATH as CONFIG
from storage.labels.label_store import records
from storage.labels.snapshot import Record
from storage.labels.snapshot import content as content_of
from storage.paths import LABELS, SERIES
from storage.progress import bar
from storage.project_files import tasks_file
from storage.remote import task_objects
from storage.remote.remote import Remote
from storage.repo.pointer import parse_pointer
from storage.repo.repository import Repository
from storage.s3.bucket import parallel
from storage.s3.keys import refusal
from storage.settings import Settings

BATCH = 500  # tasks and annotations that one reading of the source storage makes: some ten seconds


@dataclass(frozen=True)
class Content:
    """What a commit holds of a project.

    Attributes:
        commit: the commit.
        labels, series: hashes of the label snapshot and of the recordings.
        config: the label config's text.
        tasks: task data by series: of every recording, and of every series that somebody labeled.
        records: annotations by series, each one's oldest first.
    """

    commit: str
    labels: str
    series: str
    config: str
    tasks: dict[str, dict[str, Any]]
    records: dict[str, list[Record]]


@dataclass(frozen=True)
class FillResult:
    """What Label Studio holds after filling.

    Attributes:
        annotations: how many of the commit's it has now.
        ids: as in `sync.json`: annotations that were made again for these records.
        missing: record ids that Label Studio did not take.
        strangers: annotators whom Label Studio does not know: their annotations belong to the token's owner there.
        aside: keys of objects that say nothing or are in no label commit, moved out of the new project's way.
    """

    annotations: int
    ids: dict[str, str]
    missing: tuple[str, ...]
    strangers: tuple[str, ...]
    aside: tuple[str, ...]


def content(repository: Repository, commit: str) -> Content:
    """Read what a commit holds.

    Raises:
        NotFoundError: it has no label config, or its labels are neither in the DVC cache nor in the remote.
    """
    config = repository.git.show(commit, str(CONFIG))
    if config is None:
        raise NotFoundError(
            f"{commit[:12]} holds no label config, so nothing was ever labeled there",
            cure="labeltrail import RECORDINGS, or name another commit",
        )
    labels, series = (parse_pointer(repository.git.show(commit, f"{path}.dvc")) for path in (LABELS, SERIES))
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records(repository, labels):
        found[record["series"]].append(record)
    for some in found.values():
        some.sort(key=lambda record: (record["created_at"], record["id"]))
    known = tasks_file.parse(
        repository.git.show(commit, str(tasks_file.PATH)) or "", f"{commit[:12]}:{tasks_file.PATH}"
    )
    keys = {name.removesuffix(".csv") for name in repository.folder(series, SERIES)} | found.keys()
    # A label commit of somebody else's may name any series; annotations of one that can be none are reported missing.
    tasks_ = {key: known.get(key, {}) for key in sorted(keys) if not refusal(key)}
    return Content(commit, labels, series, config, tasks_, found)


def fill(remote: Remote, settings: Settings, project: int, held: Content) -> FillResult:
    """Bring a project to hold the tasks and annotations of a commit; what it holds already is left alone.

    Args:
        remote: the branch's place in bucket and Label Studio.
        settings: how Label Studio reaches the bucket.
        project: the branch's project; nobody labels in it yet.
        held: what to fill it with.
    """
    people = _People(remote)
    for storage in remote.studio.projects.storages(project)[0]:
        remote.studio.projects.let_source_end(storage["id"])  # a run that was cut off may have begun it
    moved = task_objects.set_aside(remote, lambda: held.tasks, project, keep=held.tasks)
    missing = _without_task(remote, project, held)
    # A reading of the source storage takes all that it finds: what is to come with annotations must not lie there.
    remote.bucket.delete(remote.task_key(series) for series in missing)
    source = 0
    with bar("filling Label Studio", len(missing)) as advance:
        for batch in _batches(missing, held):
            _put(remote, held, batch, people)
            source = source or remote.studio.projects.ensure_source(project, settings, remote.tasks_prefix)
            remote.studio.projects.sync_source(source)
            advance(len(batch))
    _make_plain(remote, held)
    if held.tasks and not source:
        remote.studio.projects.ensure_source(project, settings, remote.tasks_prefix)
    aside = [*map(remote.aside_key, moved), *_export(remote, settings, project)]
    remote.annotations.refresh()
    ids, lost = _recognise(remote, held, people)
    count = sum(map(len, held.records.values()))
    return FillResult(count - len(lost), ids, tuple(lost), people.strangers(held), tuple(aside))


class _People:
    """Who may own an annotation in this Label Studio."""

    def __init__(self, remote: Remote) -> None:
        self.users = {email: user for user, email in remote.studio.users().items()}
        self.owner = remote.studio.whoami()

    def of(self, record: Record) -> str:
        """E-mail address of whoever will own the annotation."""
        return record["annotator"] if record["annotator"] in self.users else self.owner

    def strangers(self, held: Content) -> tuple[str, ...]:
        everybody = {record["annotator"] for found in held.records.values() for record in found}
        return tuple(sorted(everybody - self.users.keys()))

    def annotation(self, record: Record) -> dict[str, Any]:
        """An annotation as a task's object carries it."""
        fields = {key: record[key] for key in CREATABLE if key in record}
        return fields | {"result": record["result"], "completed_by": self.users[self.of(record)]}


# -- tasks ----------------------------------------------------------------------------------------


def _without_task(remote: Remote, project: int, held: Content) -> list[str]:
    made = {task.source for task in remote.studio.tasks(project)}
    return [series for series in held.tasks if remote.task_key(series) not in made]


def _batches(series: Sequence[str], held: Content) -> Iterator[list[str]]:
    """Series in portions of so many tasks and annotations."""
    batch: list[str] = []
    size = 0
    for key in series:
        weight = 1 + len(held.records.get(key, ()))
        if batch and size + weight > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += weight
    if batch:
        yield batch


def _put(remote: Remote, held: Content, batch: Iterable[str], people: _People) -> None:
    def put(series: str) -> None:
        annotations = [people.annotation(record) for record in held.records.get(series, ())]
        remote.put_task(series, held.tasks[series], annotations)

    for _ in parallel(put, batch):
        pass


def _make_plain(remote: Remote, held: Content) -> None:
    """Tasks' objects without annotations: one that Label Studio reads again must not bring old ones back."""
    there = {item.key: item.etag for item in remote.bucket.objects(remote.tasks_prefix)}
    wanted = {}
    for series, data in held.tasks.items():
        plain = remote.task_object(series, data)
        if there.get(remote.task_key(series)) != hashlib.md5(plain, usedforsecurity=False).hexdigest():
            wanted[series] = data
    for _ in parallel(lambda series: remote.put_task(series, wanted[series]), wanted):
        pass


# -- annotations ----------------------------------------------------------------------------------


def _export(remote: Remote, settings: Settings, project: int) -> list[str]:
    """Attach the target storage, which writes what is there; again where an earlier time was cut off.

    Returns:
        Keys of the objects that were moved out of its way.
    """
    studio = remote.studio
    aside = []
    if not studio.projects.storages(project)[1]:
        aside = _set_aside(remote)
        remote.bucket.delete_prefix(remote.annotations_prefix)
    target = studio.projects.ensure_target(project, settings, remote.annotations_prefix)
    facts = studio.projects.get(project)
    total = facts["total_annotations_number"] + facts["skipped_annotations_number"]
    if sum(1 for _ in remote.bucket.objects(remote.annotations_prefix)) < total:
        studio.projects.sync_target(target)
    return aside


def _set_aside(remote: Remote) -> list[str]:
    """Copy what is in no label commit: the new project gives the same numbers again, so it would be overwritten."""
    remote.annotations.refresh()
    copied = []
    for row in remote.mirror.aside(remote.annotations_prefix):
        copied.append(remote.aside_key(row))
        remote.bucket.copy(row.key, copied[-1])
    return copied


def _recognise(remote: Remote, held: Content, people: _People) -> tuple[dict[str, str], list[str]]:
    """The records that annotations in the bucket stand for, by what they say; and the records without one."""
    names = {record["id"] for found in held.records.values() for record in found}
    made: dict[str, list[str]] = defaultdict(list)
    for row in sorted(
        (row for row in remote.mirror.rows(remote.annotations_prefix) if row.value is not None),
        key=lambda row: int(row.value["annotation"]),
    ):
        record = row.value["record"]
        if record["id"] in names:
            names.remove(record["id"])
        else:
            made[content_of(record)].append(record["id"])
    ids, lost = {}, []
    for record in (record for found in held.records.values() for record in found if record["id"] in names):
        same = made[content_of(record, people.of(record))]
        if same:
            ids[same.pop(0)] = record["id"]
        else:
            lost.append(record["id"])
    return ids, lost
