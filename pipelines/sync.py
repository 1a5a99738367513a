"""`labeltrail sync`: bucket, Label Studio and label commit agree again.

Three-way: *base* is what they agreed on at the last sync, *theirs* what bucket and Label Studio hold now, *ours*
what the work tree's `data/labels.dvc` names. The order of writing makes it safe to kill at any point: files,
DVC cache, git commit, DVC remote, Label Studio, and `sync.json` last; the next sync ends in the same place.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from stages import params as parameters
from stages.timeseries import splits
from storage import history, label_config, outgoing, sets, snapshot, tasks
from storage.bucket import parallel
from storage.errors import ConflictError, InputError, NotFoundError
from storage.files import write_bytes
from storage.merge import Change, Merge, three_way
from storage.mirror import Row
from storage.progress import track
from storage.project import Project
from storage.remote import State, Theirs, series_key
from storage.repository import LABELS, SERIES
from storage.snapshot import Record

PATHS = (
    "data/.gitignore",
    f"{LABELS}.dvc",
    f"{SERIES}.dvc",
    str(tasks.PATH),
    str(sets.PATH),
    str(label_config.PATH),
)
ATTEMPTS = 3  # when somebody else syncs at the same moment


@dataclass(frozen=True)
class Synced:
    """What a sync did.

    Attributes:
        commit: the label commit that was made; "" where nothing changed.
        subject: its first line.
        labels: hash of the label snapshot.
        pushed: annotations that were changed in Label Studio.
        healed: annotations that Label Studio had and the bucket had missed.
        aside: objects in the bucket that say nothing: key and reason. They were left where they are.
        warnings: what else a person should know.
    """

    commit: str = ""
    subject: str = ""
    labels: str = ""
    pushed: int = 0
    healed: int = 0
    aside: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def sync(project: Project) -> Synced:
    """Bring theirs into a new label commit and ours into bucket and Label Studio.

    Raises:
        NotFoundError: this branch has no project in Label Studio yet.
        ConflictError: both sides changed the same annotation, or the label config; nothing was written.
        ServiceError: bucket or Label Studio is away.
    """
    for attempt in range(1, ATTEMPTS + 1):
        state = project.remote.state()
        if state is None:
            why = f"there is no {project.bucket.url(project.remote.state_key)}"
            raise NotFoundError(
                f"branch {project.repository.branch()!r} has no Label Studio project yet",
                why=why,
                cure="labeltrail import PATH",
            )
        try:
            return _sync_once(project, state)
        except OvertakenError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


class OvertakenError(ConflictError):
    """Somebody else synced this branch at the same moment."""


def _sync_once(project: Project, state: State) -> Synced:
    repository = project.repository
    config_changed = _sync_label_config(project, state)
    theirs = project.remote.theirs(state)
    ours = (repository.pointer(LABELS), repository.pointer(SERIES))
    quiet = not theirs.moved and not config_changed and ours == (state.labels, state.series)
    if quiet and not repository.changed(PATHS):
        project.remote.agree(state)
        return Synced(labels=ours[0], aside=_aside(theirs.aside))
    return _bring_together(project, state, theirs)


def _bring_together(project: Project, state: State, theirs: Theirs) -> Synced:
    repository = project.repository
    series = _merge_series(project, state, theirs)
    labels, ids = _merge_labels(project, state, theirs)
    _refuse_conflicts(labels, series)
    _write_series(project, series)
    warnings = _write_labels(project, labels, theirs, set(series.merged))
    hashes = (repository.add(LABELS), repository.add(SERIES))
    changed = repository.changed(PATHS)
    commit = subject = ""
    if changed:
        changes = history.count(_committed(project, labels))
        counts = Counter(
            "+" if c.before is None else "-" if c.after is None else "~" for c in series.incoming
        )
        text = history.message(changes, counts, changed)
        commit, subject = repository.commit(changed, text), text.splitlines()[0]
    repository.push()
    ids = outgoing.push(project.studio, state.project, labels.outgoing, ids)
    config = (project.root / label_config.PATH).read_bytes()
    new = replace(state, labels=hashes[0], series=hashes[1], label_config=_md5(config), ids=ids)
    if new != state:
        try:
            new = project.remote.write_state(new)
        except ConflictError as error:
            raise OvertakenError(
                "somebody else synced this branch meanwhile", cure="labeltrail sync"
            ) from error
    project.remote.agree(new)
    aside = _aside(theirs.aside)
    return Synced(commit, subject, hashes[0], len(labels.outgoing), theirs.healed, aside, warnings)


# -- the label config -----------------------------------------------------------------------------


def _sync_label_config(project: Project, state: State) -> bool:
    """The label config is three-way too: taken from Label Studio, or given to it."""
    path = project.root / label_config.PATH
    theirs = str(project.studio.project(state.project)["label_config"])
    ours = path.read_text(encoding="utf-8")
    if ours == theirs:
        return False
    if _md5(theirs.encode()) == state.label_config:
        project.studio.update_project(state.project, label_config=ours)
    elif _md5(ours.encode()) == state.label_config or not state.label_config:
        label_config.parse(theirs, "the project's settings in Label Studio")
        write_bytes(path, theirs.encode())
    else:
        raise ConflictError(
            "the label config was changed here and in Label Studio",
            where=str(label_config.PATH),
            why="nothing was written",
            cure=f"make both alike, here or in {project.studio.url}/projects/{state.project}/settings/labeling",
        )
    return True


# -- recordings -----------------------------------------------------------------------------------


def _merge_series(project: Project, state: State, theirs: Theirs) -> Merge[str]:
    repository = project.repository
    base = _by_series(repository.folder(state.series))
    ours = _by_series(repository.folder(repository.pointer(SERIES)))
    return three_way(base, ours, theirs.series, lambda a, b: a == b)


def _by_series(folder: dict[str, str]) -> dict[str, str]:
    return {name.removesuffix(".csv"): md5 for name, md5 in folder.items()}


def _write_series(project: Project, series: Merge[str]) -> None:
    folder = project.root / SERIES
    folder.mkdir(parents=True, exist_ok=True)
    paths = {key: folder / f"{key}.csv" for key in series.merged}
    incoming = [change.name for change in series.incoming if change.after is not None]
    if any(not path.exists() for key, path in paths.items() if key not in set(incoming)):
        project.repository.checkout(SERIES)

    def fetch(key: str) -> None:
        write_bytes(paths[key], project.bucket.get(series_key(key))[0])

    for _ in track(parallel(fetch, incoming), "fetching recordings", len(incoming)):
        pass
    known = set(paths.values())
    for path in folder.rglob("*"):
        if path.is_file() and path not in known:
            if path.suffix == ".csv" and path.stem not in {c.name for c in series.incoming}:
                _refuse_stray(path.relative_to(project.root).as_posix())
            path.unlink()
    for change in series.outgoing:
        if change.after is not None:
            project.bucket.put(series_key(change.name), paths[change.name].read_bytes())


def _refuse_stray(path: str) -> None:
    raise InputError(
        "a recording lies in data/series that is not in the bucket",
        where=path,
        why="recordings come in by `labeltrail import` or by the bucket, so that Label Studio shows them",
        cure=f"mv {path} elsewhere, then labeltrail import it",
    )


# -- labels ---------------------------------------------------------------------------------------


def _merge_labels(project: Project, state: State, theirs: Theirs) -> tuple[Merge[Record], dict[str, str]]:
    ours = _records(project, project.repository.pointer(LABELS))
    base = ours if state.labels == project.repository.pointer(LABELS) else _records(project, state.labels)
    found = outgoing.adopt(ours, theirs.labels)
    ids = dict(state.ids)
    current = dict(theirs.labels)
    for name, keeps in found.items():
        ids[str(snapshot.annotation_id(name))] = keeps
        current[keeps] = current.pop(name) | {"id": keeps}
    return three_way(base, ours, current, snapshot.same), ids


def _records(project: Project, md5: str) -> dict[str, Record]:
    """The records of a snapshot by id, from the DVC cache."""
    shards = project.repository.folder(md5)
    data = project.repository.read(shards.values())
    parsed = (snapshot.parse_shard(data[shard], name) for name, shard in shards.items())
    return {record["id"]: record for records in parsed for record in records}


def _committed(project: Project, labels: Merge[Record]) -> list[Change[Record]]:
    """What the label commit changes against the commit before it, whoever changed it."""
    before_text = project.repository.show("HEAD", f"{LABELS}.dvc")
    before = _records(project, project.repository.parse_pointer(before_text))
    return three_way(before, before, labels.merged, snapshot.same).incoming


def _write_labels(project: Project, labels: Merge[Record], theirs: Theirs, series: set[str]) -> list[str]:
    """Write shards, tasks and sets; returns warnings."""
    snapshot.write(project.root / LABELS, labels.merged.values())
    known = tasks.read(project.root / tasks.PATH)
    # What the work tree says of a task wins: Label Studio never reads a task's object twice.
    merged = {key: known.get(key, theirs.tasks.get(key, {})) for key in series}
    tasks.write(merged, project.root / tasks.PATH)
    rows = sets.read(project.root / sets.PATH)
    rules = parameters.load(project.root / parameters.PATH).sets
    groups = {key: str(data.get(rules.group, "") or key) for key, data in merged.items()}
    labeled = {record["series"] for record in labels.merged.values() if not record["was_cancelled"]}
    existing = {key: row.set for key, row in rows.items()}
    assigned = splits.assign(existing, groups, labeled & series, rules.shares.model_dump(), rules.seed)
    sets.write({key: sets.Row(groups[key], name) for key, name in assigned.items()}, project.root / sets.PATH)
    lost = sorted(labeled - series)
    if lost:
        return [f"annotations on {len(lost)} series that the bucket does not have: {', '.join(lost[:5])}"]
    return []


# -- saying it ------------------------------------------------------------------------------------


def _refuse_conflicts(labels: Merge[Record], series: Merge[str]) -> None:
    lines = [
        f"annotation {c.name} of {(c.ours or c.theirs or c.base or {}).get('series')}: "
        f"here {_brief(c.ours)}; in Label Studio {_brief(c.theirs)}"
        for c in labels.conflicts
    ]
    lines += [f"recording {c.name}: changed here and in the bucket" for c in series.conflicts]
    if lines:
        raise ConflictError(
            f"{history.plural(len(lines), 'conflict')}: changed on both sides since the last sync",
            where="\n    ".join(lines),
            why="nothing was written",
            cure="make both sides alike (git checkout data/labels.dvc, or the annotation), then labeltrail sync",
        )


def _brief(record: Record | None) -> str:
    if record is None:
        return "deleted"
    return f"{history.plural(len(record['result']), 'region')} by {record['annotator']} ({record.get('updated_at')})"


def _aside(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.key, row.problem) for row in rows]


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
