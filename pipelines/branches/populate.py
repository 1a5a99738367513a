"""Populate a Label Studio project with tasks and annotations of a commit: a new branch's, or a restored one.

This is the fastest way in which Label Studio links every task to its object (docs/decisions/0013): task objects
contain the annotations while the source storage is synced; when all tasks exist, the target storage is attached, and
the objects are written again without annotations. A task is created with all its annotations or not at all, so an
interrupted run resumes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.sync.push_labels import CREATABLE
from pipelines.sync.recordings import by_series
from storage.errors import NotFoundError
from storage.files import md5_bytes
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
from storage.s3.keys import key_problem
from storage.settings import Settings

BATCH = 500  # tasks and annotations per sync of the source storage: some ten seconds


@dataclass(frozen=True)
class Content:
    """Labels, tasks and label config of a commit.

    Attributes:
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
    """The populated project.

    Attributes:
        annotations: how many of the commit's annotations it has.
        ids: as in `sync.json`: annotations that were created again for these records.
        missing: record ids that Label Studio did not accept.
        strangers: annotators without an account: their annotations belong to the token's owner there.
        aside: keys of objects that are invalid or in no label commit and were set aside.
    """

    annotations: int
    ids: dict[str, str]
    missing: tuple[str, ...]
    strangers: tuple[str, ...]
    aside: tuple[str, ...]


def describe_strangers(strangers: Iterable[str]) -> str:
    """What becomes of the annotations of annotators without an account."""
    return (
        f"Label Studio does not know {', '.join(strangers)}: there their annotations are the token owner's, in the "
        "label commits they stay theirs"
    )


def read_content(repository: Repository, commit: str) -> Content:
    """Read labels, tasks and label config of a commit.

    Raises:
        NotFoundError: it has no label config, or its labels are neither in the DVC cache nor in the remote.
    """
    config = repository.git.show(commit, str(CONFIG))
    if config is None:
        raise NotFoundError(
            f"{commit[:12]} has no label config, so nothing was ever labeled there",
            cure="labeltrail import RECORDINGS, or name another commit",
        )
    labels, series = (parse_pointer(repository.git.show(commit, f"{path}.dvc")) for path in (LABELS, SERIES))
    found: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(
        records(repository, labels), key=lambda record: (record["created_at"], record["id"])
    ):
        found[record["series"]].append(record)
    text = repository.git.show(commit, str(tasks_file.PATH)) or ""
    known = tasks_file.parse(text, f"{commit[:12]}:{tasks_file.PATH}")
    keys = by_series(repository, series).keys() | found.keys()
    # Somebody else's label commit may name any series; annotations of an invalid key are reported missing.
    tasks = {key: known.get(key, {}) for key in sorted(keys) if not key_problem(key)}
    return Content(commit, labels, series, config, tasks, found)


def fill(remote: Remote, settings: Settings, project: int, content: Content) -> FillResult:
    """Create the tasks and annotations of a commit that the project, in which nobody labels yet, lacks."""
    accounts, projects = _Accounts(remote), remote.studio.projects
    for storage in projects.storages(project)[0]:
        projects.wait_for_source(storage["id"])  # an interrupted run may have started it
    moved = task_objects.set_aside(remote, lambda: content.tasks, project, keep=content.tasks)
    existing = {task.source for task in remote.studio.tasks(project)}
    missing = [series for series in content.tasks if remote.task_key(series) not in existing]
    # A sync of the source storage reads all objects: those without annotations must not be there yet.
    remote.bucket.delete(remote.task_key(series) for series in missing)
    source = 0
    with bar("populating Label Studio", len(missing)) as advance:
        for batch in _batches(missing, content):
            _put_with_annotations(remote, content, batch, accounts)
            source = source or projects.ensure_source(project, settings, remote.tasks_prefix)
            projects.sync_source(source)
            advance(len(batch))
    _put_without_annotations(remote, content)
    if content.tasks and not source:
        projects.ensure_source(project, settings, remote.tasks_prefix)
    aside = [*map(remote.aside_key, moved), *_export(remote, settings, project)]
    remote.annotations.refresh()
    records = [record for found in content.records.values() for record in found]
    ids, missing_records = _match(remote, records, accounts)
    strangers = sorted({record["annotator"] for record in records} - accounts.users.keys())
    count = len(records) - len(missing_records)
    return FillResult(count, ids, tuple(missing_records), tuple(strangers), tuple(aside))


class _Accounts:
    """Accounts in this Label Studio."""

    def __init__(self, remote: Remote) -> None:
        self.users = {email: user for user, email in remote.studio.users().items()}
        self.token_owner = remote.studio.whoami()

    def owner(self, record: Record) -> str:
        """E-mail address of the account that will own the annotation."""
        return record["annotator"] if record["annotator"] in self.users else self.token_owner

    def annotation(self, record: Record) -> dict[str, Any]:
        """An annotation as a task's object contains it."""
        fields = {key: record[key] for key in CREATABLE if key in record}
        return fields | {"result": record["result"], "completed_by": self.users[self.owner(record)]}


# -- tasks ----------------------------------------------------------------------------------------


def _batches(series: Sequence[str], content: Content) -> Iterator[list[str]]:
    """Series in batches of about BATCH tasks and annotations."""
    batch: list[str] = []
    size = 0
    for key in series:
        weight = 1 + len(content.records.get(key, ()))
        if batch and size + weight > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += weight
    if batch:
        yield batch


def _put_with_annotations(
    remote: Remote, content: Content, batch: Iterable[str], accounts: _Accounts
) -> None:
    def put(series: str) -> None:
        annotations = [accounts.annotation(record) for record in content.records.get(series, ())]
        remote.put_task(series, content.tasks[series], annotations)

    for _ in parallel(put, batch):
        pass


def _put_without_annotations(remote: Remote, content: Content) -> None:
    """Write task objects without annotations: one that Label Studio reads again must not restore old ones."""
    etags = {item.key: item.etag for item in remote.bucket.objects(remote.tasks_prefix)}
    outdated = {
        series: data
        for series, data in content.tasks.items()
        if etags.get(remote.task_key(series)) != md5_bytes(remote.task_object(series, data))
    }
    for _ in parallel(lambda series: remote.put_task(series, outdated[series]), outdated):
        pass


# -- annotations ----------------------------------------------------------------------------------


def _export(remote: Remote, settings: Settings, project: int) -> list[str]:
    """Attach the target storage, which exports all annotations; returns keys of objects that were set aside."""
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
    """Copy objects that are in no label commit: the new project reuses their numbers and would overwrite them."""
    remote.annotations.refresh()
    copies = {row.key: remote.aside_key(row) for row in remote.mirror.invalid(remote.annotations_prefix)}
    for key, copy in copies.items():
        remote.bucket.copy(key, copy)
    return list(copies.values())


def _match(
    remote: Remote, records: Sequence[Record], accounts: _Accounts
) -> tuple[dict[str, str], list[str]]:
    """Match the annotations in the bucket with records, by id or content.

    Returns:
        `ids` of `sync.json`, and the ids of the records without an annotation.
    """
    unmatched = {record["id"] for record in records}
    new: dict[str, list[str]] = defaultdict(list)
    rows = [row for row in remote.annotations.rows() if row.value is not None]
    for row in sorted(rows, key=lambda row: int(row.value["annotation"])):
        record = row.value["record"]
        if record["id"] in unmatched:
            unmatched.remove(record["id"])
        else:
            new[content_of(record)].append(record["id"])
    ids, missing = {}, []
    for record in records:
        if record["id"] in unmatched:
            same = new[content_of(record, accounts.owner(record))]
            if same:
                ids[same.pop(0)] = record["id"]
            else:
                missing.append(record["id"])
    return ids, missing
