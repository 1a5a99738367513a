"""`labeltrail fsck`: check that every label commit can be restored, to the byte, and repair what cannot.

Everything that branches and tags of this clone refer to is read from the DVC remote and hashed: listings, shards of
labels, recordings, best models; so is every object of the local cache. Either is repaired from the other, or from the
work tree. No note and no ETag is trusted.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from storage.errors import CheckError, DamagedError, InputError, LabeltrailError
from storage.labels import references, snapshot
from storage.labels.label_changes import plural
from storage.paths import BEST, LABELS, SERIES
from storage.progress import track
from storage.project import Project
from storage.repo import dvc_listing
from storage.repo.dvc_cache import Condition
from storage.repo.repository import THREADS, Repository
from storage.s3.keys import MD5

UNITS = ("B", "KB", "MB", "GB", "TB")
SHOWN = 20


@dataclass(frozen=True)
class ReferencedObject:
    """An object that history refers to.

    Attributes:
        md5: its hash; of a folder's listing it ends in `.dir`.
        kind: labels, recordings or models.
        path: file or folder that it is.
        of: the commit, branch or tag that refers to it, in words.
    """

    md5: str
    kind: str
    path: str
    of: str


@dataclass(frozen=True)
class Trouble:
    """A missing or damaged object.

    Attributes:
        md5: its hash.
        kind: labels, recordings, models; "cache" for unreferenced ones.
        where: the file, and what refers to it.
        remote, cache: its condition there: sound, missing or damaged.
        why: another defect: a listing with paths out of its folder, a shard that cannot be parsed.
        healed: from where it was repaired; "" where it was not.
    """

    md5: str
    kind: str
    where: str
    remote: Condition
    cache: Condition
    why: str = ""
    healed: str = ""

    @property
    def is_lost(self) -> bool:
        """Sound in neither place."""
        return self.kind != "cache" and "sound" not in (self.remote, self.cache)

    def line(self) -> str:
        state = self.why or f"{self.remote} in the DVC remote, {self.cache} in the cache"
        if self.kind == "cache":
            state = "damaged in the cache; no commit names it"
        end = f": healed from the {self.healed}" if self.healed else ": LOST" if self.is_lost else ""
        return f"{self.md5}  {self.where}: {state}{end}"


@dataclass(frozen=True)
class FsckResult:
    """Result of a check.

    Attributes:
        label_commits: how many have labels or recordings.
        objects, bytes: number and total size in the remote, by kind.
        cached: objects of the local cache that were read.
        troubles: missing and damaged objects.
    """

    label_commits: int
    objects: dict[str, int]
    bytes: dict[str, int]
    cached: int
    troubles: list[Trouble] = field(default_factory=list)

    @property
    def wrong(self) -> list[Trouble]:
        """Troubles that were not repaired."""
        return [trouble for trouble in self.troubles if not trouble.healed]

    def to_json(self) -> dict[str, Any]:
        facts = {"label_commits": self.label_commits, "objects": self.objects, "bytes": self.bytes}
        found = [asdict(trouble) | {"lost": trouble.is_lost} for trouble in self.troubles]
        return facts | {"cached": self.cached, "ok": not self.wrong, "troubles": found}

    def lines(self) -> list[str]:
        text = [trouble.line() for trouble in self.troubles[:SHOWN]]
        if len(self.troubles) > SHOWN:
            text.append(f"and {len(self.troubles) - SHOWN} more (--json has all)")
        sizes = ", ".join(
            f"{kind} {plural(self.objects[kind], 'object')} of {size_text(self.bytes[kind])}"
            for kind in self.objects
        )
        text.append(f"{plural(self.label_commits, 'label commit')}: {sizes or 'nothing'}")
        text.append(f"local cache: {plural(self.cached, 'object')} read")
        healed = sum(bool(trouble.healed) for trouble in self.troubles)
        if healed:
            text.append(f"{plural(healed, 'object')} healed")
        if not self.wrong:
            text.append("all of it can be restored from the DVC remote, to the byte")
        return text

    def error(self) -> CheckError | None:
        """The error of unrepaired troubles; None without any."""
        if not self.wrong:
            return None
        lost = [trouble for trouble in self.wrong if trouble.is_lost or trouble.why]
        cure = "labeltrail fsck --repair"
        if lost:
            cure = "labeltrail fsck --repair in a clone that has them in its cache, or a backup of the bucket"
        return CheckError(
            f"{plural(len(self.wrong), 'object')} wrong"
            + (f", {len(lost)} of them lost here" if lost else ""),
            where=[trouble.where for trouble in self.wrong[:SHOWN]],
            cure=cure,
        )


def fsck(project: Project, *, repair: bool = False) -> FsckResult:
    """Check everything that branches and tags refer to, and every object of the local cache.

    Args:
        project: the clone.
        repair: repair the cache from the remote, the remote from the cache, and both from the work tree.

    Raises:
        ServiceError: the remote cannot be reached.
        InputError: the remote's address is not set.
    """
    repository = project.repository
    commits, folders = _folders(repository)
    with tempfile.TemporaryDirectory(prefix="labeltrail-") as folder:
        reader = _Reader(repository, Path(folder))
        with repository.remote_errors("the DVC remote cannot be read", "labeltrail fsck"):
            found = reader.read(folders, "reading listings")
            files = list(_files(reader, folders))
            found |= reader.read(files, "reading what they name")
    referenced = {item.md5: item for item in (*folders, *files)}
    troubles = [*_of_history(reader, referenced, found), *_of_cache(reader, referenced)]
    if repair:
        troubles = [
            _repair(repository, trouble, referenced.get(trouble.md5))
            for trouble in track(troubles, "repairing")
        ]
        repository.forget_remote()
    sizes: Counter[str] = Counter()
    for item in referenced.values():
        sizes[item.kind] += found[item.md5][1]
    counts = dict(sorted(Counter(item.kind for item in referenced.values()).items()))
    return FsckResult(commits, counts, dict(sizes), len(repository.cache.sizes()), troubles)


def _of_history(
    reader: _Reader, referenced: Mapping[str, ReferencedObject], found: Mapping[str, tuple[Condition, int]]
) -> Iterator[Trouble]:
    """Missing and damaged objects that history refers to."""
    for md5, item in track(referenced.items(), "reading the cache", len(referenced)):
        remote, cache, why = found[md5][0], reader.cache(md5), reader.defects.get(md5, "")
        if why or remote != "sound" or cache == "damaged":
            yield Trouble(md5, item.kind, f"{item.path} of {item.of}", remote, cache, why)


def _of_cache(reader: _Reader, referenced: Mapping[str, ReferencedObject]) -> Iterator[Trouble]:
    """Damaged, unreferenced objects of the cache."""
    for md5 in sorted(reader.repository.cache.sizes().keys() - referenced.keys()):
        if reader.cache(md5) == "damaged":
            yield Trouble(md5, "cache", "an object", "missing", "damaged")


# -- referenced objects ---------------------------------------------------------------------------


def _folders(repository: Repository) -> tuple[int, list[ReferencedObject]]:
    """The number of label commits, and the folders and files that history refers to, each once."""
    found: dict[str, ReferencedObject] = {}
    commits = 0
    for commit in repository.git.every_synced_commit():
        commits += 1
        for path, md5, kind in ((LABELS, commit.labels, "labels"), (SERIES, commit.series, "recordings")):
            if md5:
                found[md5] = ReferencedObject(md5, kind, path, f"label commit {commit.commit[:12]}")
    for name, lock in references.dvc_locks(repository.git, skip_unreadable=True).items():
        if lock.best:
            found.setdefault(lock.best, ReferencedObject(lock.best, "models", BEST.as_posix(), name))
    for md5 in references.pointer_hashes(repository.git, reflog=False):
        found.setdefault(md5, ReferencedObject(md5, "models", "a .dvc file", "the history"))
    return commits, list(found.values())


def _files(reader: _Reader, folders: list[ReferencedObject]) -> Iterator[ReferencedObject]:
    """The files of folders with a readable listing, each once."""
    seen: set[str] = set()
    for folder in folders:
        for name, md5 in reader.listing(folder).items():
            if md5 not in seen:
                seen.add(md5)
                yield replace(folder, md5=md5, path=f"{folder.path}/{name}")


# -- their condition ------------------------------------------------------------------------------


class _Reader:
    """Reads objects from DVC remote and cache; keeps listings in memory."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository, self.folder = repository, folder
        self.data: dict[str, bytes] = {}
        self.defects: dict[str, str] = {}
        self._cache: dict[str, Condition] = {}

    def read(self, items: list[ReferencedObject], title: str) -> dict[str, tuple[Condition, int]]:
        """Condition and size of each object in the remote."""
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(track(pool.map(self._remote, items), title, len(items)))
        return {item.md5: facts for item, facts in zip(items, found, strict=True)}

    def cache(self, md5: str) -> Condition:
        """Condition of an object in the local cache."""
        if md5 not in self._cache:
            self._cache[md5] = self.repository.cache.condition(md5)
        return self._cache[md5]

    def listing(self, item: ReferencedObject) -> dict[str, str]:
        """The files of a folder, from a sound listing in remote or cache; none for a file."""
        if not item.md5.endswith(".dir"):
            return {}
        data = self.data.get(item.md5)
        if data is None and self.cache(item.md5) == "sound":
            data = self.repository.cache.load(item.md5)
        try:
            path = item.path if item.path in (LABELS, SERIES) else ""
            return dvc_listing.parse(data, item.md5, path) if data is not None else {}
        except DamagedError as error:
            self.defects[item.md5] = error.why
            return {}

    def _remote(self, item: ReferencedObject) -> tuple[Condition, int]:
        path = self.folder / item.md5
        try:
            found = self.repository.download(item.md5, path)
            if found is None:
                return "missing", 0
            size = path.stat().st_size
            if found != item.md5.removesuffix(".dir"):
                return "damaged", size
            if item.md5.endswith(".dir"):
                self.data[item.md5] = path.read_bytes()
            elif item.kind == "labels":
                self._check_shard(item, path.read_bytes())
            return "sound", size
        finally:
            path.unlink(missing_ok=True)

    def _check_shard(self, item: ReferencedObject, data: bytes) -> None:
        try:
            snapshot.parse_shard(data, item.path)
        except InputError as error:
            self.defects[item.md5] = f"{error.what}: {error.where}: {error.why}"


# -- repair ---------------------------------------------------------------------------------------


def _repair(repository: Repository, trouble: Trouble, item: ReferencedObject | None) -> Trouble:
    """Repair an object from remote, cache or work tree."""
    if trouble.why or not MD5.fullmatch(trouble.md5.removesuffix(".dir")):
        return trouble
    if trouble.cache == "damaged":
        repository.cache.set_aside(trouble.md5)
    if trouble.kind == "cache":
        return replace(trouble, healed="cache, where nothing needs it" if trouble.cache == "damaged" else "")
    try:
        return replace(trouble, healed=_copy(repository, trouble, item))
    except LabeltrailError:
        return trouble


def _copy(repository: Repository, trouble: Trouble, item: ReferencedObject | None) -> str:
    """Restore an object from a sound copy; returns from where, "" where none exists."""
    if trouble.remote == "sound":
        repository.require([trouble.md5])
        return "remote"
    source = "cache"
    if trouble.cache != "sound":
        source = "work tree"
        if item is None or not repository.cache.adopt(trouble.md5, repository.root / item.path):
            return ""
    repository.upload(trouble.md5)
    return source


def size_text(count: int) -> str:
    """A number of bytes: `4.1 MB`."""
    size, unit = float(count), 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.{0 if unit == 0 else 1}f} {UNITS[unit]}"
