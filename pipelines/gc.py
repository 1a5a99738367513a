"""`labeltrail gc`: delete models and other outputs that no branch or tag refers to, and never a label.

It keeps all label snapshots and recordings of the history, also those of unknown clones, and the outputs in
`dvc.lock` of every branch, every tag and the work tree. `dvc gc -w` would delete all labels but the newest. From the
local cache only objects that the remote has are deleted; from the remote nothing that was written within a day of its
newest object, for another clone may be about to commit it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pipelines.fsck import size_text
from pipelines.sync import locks
from storage.artifacts import lineage
from storage.errors import DamagedError, NotFoundError
from storage.files import md5_bytes
from storage.labels import references
from storage.labels.label_changes import plural
from storage.project import Project
from storage.repo import dvc_listing
from storage.repo.git import Git
from storage.repo.object_errors import describe
from storage.repo.repository import Repository
from storage.s3.bucket import parallel
from storage.s3.keys import DVC_OBJECTS, dvc_object

DAY = 24.0


@dataclass(frozen=True)
class ObjectSizes:
    """Objects of one kind: bytes by hash."""

    sizes: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, int]:
        return {"objects": len(self.sizes), "bytes": sum(self.sizes.values())}

    def __str__(self) -> str:
        return f"{plural(len(self.sizes), 'object')}, {size_text(sum(self.sizes.values()))}"


@dataclass(frozen=True)
class GcResult:
    """Objects to delete and to keep.

    Attributes:
        local, remote: to delete from the cache and from the DVC remote.
        local_stays, remote_stays: kept in them.
        unpushed: kept in the cache: unreferenced, but in no other place.
        foreign: kept in the remote: labels and recordings that this clone does not know.
        young: kept in the remote: unreferenced here, but too new to be sure.
        labels: how many label commits are kept.
        models: commits whose best model is deleted.
        missing: referenced objects that are missing everywhere, in words.
        deleted: whether it was done.
    """

    local: ObjectSizes
    remote: ObjectSizes
    local_stays: ObjectSizes
    remote_stays: ObjectSizes
    unpushed: ObjectSizes
    foreign: ObjectSizes
    young: ObjectSizes
    labels: int
    models: list[str]
    missing: list[str]
    deleted: bool = False

    def to_json(self) -> dict[str, Any]:
        names = ("local", "remote", "local_stays", "remote_stays", "unpushed", "foreign", "young")
        facts = {"label_commits": self.labels, "models_going": self.models, "missing": self.missing}
        return facts | {"deleted": self.deleted} | {name: getattr(self, name).to_json() for name in names}

    def lines(self) -> list[str]:
        verb = "deleted" if self.deleted else "would go"
        text = [f"missing everywhere: {what}" for what in self.missing]
        text += [
            f"local cache   {verb}: {self.local}; stays: {self.local_stays}",
            f"DVC remote    {verb}: {self.remote}; stays: {self.remote_stays}",
            f"kept          {plural(self.labels, 'label commit')}, and the models of all branches and tags",
        ]
        notes = (
            (self.unpushed, "named by no commit, and in the local cache only"),
            (self.foreign, "labels or recordings that no commit here names: another clone's"),
            (self.young, "named by no commit here, and younger than a day"),
        )
        text += [f"kept too      {objects}: {why}" for objects, why in notes if objects.sizes]
        if self.models:
            text.append(
                f"models        {', '.join(c[:7] for c in self.models)}: {verb}, for no branch or tag ends there "
                "(labeltrail tag NAME keeps one); dvc repro trains one again"
            )
        return text


def gc(project: Project, *, yes: bool = False, hours: float = DAY) -> GcResult:
    """Find unreferenced objects in cache and remote, and with `yes` delete them.

    Args:
        project: the clone.
        yes: delete.
        hours: keep what was written to the remote within so many hours before its newest object.

    Raises:
        NotFoundError: the listing of a label snapshot is missing, so its objects are unknown.
        InputError: this is a shallow clone, which lacks earlier commits.
    """
    if not yes:
        return _find_unreferenced(project.dry(), hours)
    with locks.clone_lock(project):
        found = _find_unreferenced(project, hours)
        project.repository.cache.forget(found.local.sizes)
        keys = [
            dvc_object(md5) for md5 in sorted(found.remote.sizes, key=lambda md5: not md5.endswith(".dir"))
        ]
        project.bucket.delete(keys)
        project.repository.forget_remote()
        return replace(found, deleted=True)


def _find_unreferenced(project: Project, hours: float) -> GcResult:
    repository = project.repository
    repository.git.require_whole_history()
    cached = repository.cache.sizes()
    sizes: dict[str, int] = {}
    times: dict[str, datetime] = {}
    for item in project.bucket.objects(DVC_OBJECTS):
        name = item.key.removeprefix(DVC_OBJECTS)
        if references.OBJECT_KEY.fullmatch(name):
            md5 = name.replace("/", "")
            sizes[md5], times[md5] = item.size, datetime.fromisoformat(item.modified)
    referenced = _referenced(project)
    used = set().union(*referenced.values())
    foreign = _foreign(project, sizes.keys() - used)
    newest, age = max(times.values(), default=datetime.min), timedelta(hours=hours)
    young = {md5 for md5 in sizes.keys() - used - foreign if newest - times[md5] < age}
    stays = used | foreign | young
    local = {md5 for md5 in cached.keys() - used if md5 in sizes}
    return GcResult(
        local=_sizes(cached, local),
        remote=_sizes(sizes, sizes.keys() - stays),
        local_stays=_sizes(cached, cached.keys() - local),
        remote_stays=_sizes(sizes, stays & sizes.keys()),
        unpushed=_sizes(cached, cached.keys() - used - sizes.keys()),
        foreign=_sizes(sizes, foreign),
        young=_sizes(sizes, young),
        labels=sum(1 for _ in repository.git.label_commits()),
        models=_models(repository.git, used),
        missing=_missing(repository, used - cached.keys() - sizes.keys()),
    )


def _referenced(project: Project) -> dict[str, set[str]]:
    """Every hash that a commit, branch, tag or the work tree refers to, with the files of its folder."""
    repository = project.repository
    labels = references.pointer_hashes(repository.git) | _synced(project)
    found = dict(references.with_files(repository, labels))
    dvc_locks = references.dvc_locks(repository.git).values()
    outputs = {md5 for lock in dvc_locks for md5 in lock.outputs().values()}
    for md5 in sorted(outputs - found.keys()):
        try:
            found |= dict(references.with_files(repository, [md5]))
        except NotFoundError:
            found[md5] = {md5}  # deleted by an earlier gc: `dvc repro` makes it again
    return found


def _synced(project: Project) -> set[str]:
    """Hashes in `sync.json` of any branch in the bucket: labels of clones that have not pushed their git yet."""
    found: set[str] = set()
    for prefix in project.bucket.folders():
        state = project.remote_at(prefix).state()
        for entry in (state.entry, *state.history) if state else ():
            found |= {entry.labels, entry.series}
    return {md5 for md5 in found - {""} if project.repository.has(md5)}


def _foreign(project: Project, unknown: Iterable[str]) -> set[str]:
    """Labels and recordings in the remote that no commit here refers to, and their files."""
    folders = sorted(md5 for md5 in unknown if md5.endswith(".dir"))

    def read(md5: str) -> tuple[str, dict[str, str] | None]:
        data = project.bucket.get(dvc_object(md5))[0]
        try:
            return md5, dvc_listing.parse(data, md5) if md5_bytes(data) + ".dir" == md5 else None
        except DamagedError:
            return md5, None

    found: set[str] = set()
    for md5, files in parallel(read, folders):
        if files is None:
            found.add(md5)  # damaged: its files are unknown; fsck reports it
        elif references.is_labels_or_recordings(files):
            found |= {md5, *files.values()}
    return found & set(unknown)


def _models(git: Git, used: set[str]) -> list[str]:
    """The newest commit of each unreferenced best model."""
    found: dict[str, str] = {}
    for commit, lock in lineage.locks(git, "--all"):
        if lock.best and lock.best not in used:
            found.setdefault(lock.best, commit)
    return list(found.values())


def _missing(repository: Repository, hashes: Iterable[str]) -> list[str]:
    """What these missing objects are."""
    described = (describe(repository.git, repository.cache, md5) for md5 in sorted(hashes))
    return [text for text in described if text]


def _sizes(sizes: dict[str, int], hashes: Iterable[str]) -> ObjectSizes:
    return ObjectSizes({md5: sizes[md5] for md5 in sorted(hashes)})
