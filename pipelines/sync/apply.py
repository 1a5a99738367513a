"""What a sync brings into the work tree, and the label commit that it makes of it."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.sync import fetch, merge_base, recordings, shared_label_config
from pipelines.sync.fetch import Labels
from pipelines.sync.shared_label_config import ConfigMerge
from stages import params as parameters
from stages.timeseries import splits
from storage.label_studio import label_config
from storage.labels import label_changes, label_store, snapshot
from storage.labels.snapshot import LONGEST_NAME
from storage.labels.three_way import Merge, changes_between
from storage.printable import printable, shortened
from storage.project import Project
from storage.project_files import splits_file, tasks_file
from storage.remote.sync_state import State
from storage.repo.pointer import LABELS, SERIES, parse_pointer
from storage.s3 import keys

PATHS = (
    "data/.gitignore",
    f"{LABELS}.dvc",
    f"{SERIES}.dvc",
    str(tasks_file.PATH),
    str(splits_file.PATH),
    str(label_config.PATH),
)

SHOWN = 5  # series that a warning names
ONE_NAME = "macOS and Windows take these names for one, so a clone there can hold one of the recordings only"


@dataclass(frozen=True)
class Sides:
    """All that was compared: labels, recordings and label config; None where it was not looked at."""

    labels: Labels
    series: Merge[str] | None
    config: ConfigMerge | None


def take(
    project: Project, state: State, base: merge_base.Base, sides: Sides
) -> tuple[list[str], merge_base.Base]:
    """Write what came in: shards, recordings, label config, and the tasks and sets that follow.

    Shards go into the DVC cache before they go into the work tree, so that whatever a killed run leaves there can be
    told from what a person put there.

    Returns:
        Warnings, and what bucket and Label Studio hold that is in the label commit now: the base of the next sync
        should this one not come to its end.
    """
    repository, merged = project.repository, sides.labels
    if sides.config:
        shared_label_config.take(project, sides.config)
    if sides.series:
        recordings.take(project, sides.series)
    shards = {name: after for name, (_, after) in merged.shards.items()}
    before = repository.pointer(LABELS)
    ours = label_store.store(repository, before, shards)
    base = (merge_base.taken(project, before, merged) if merged.outgoing else ours, base[1])
    merge_base.note(project, state, ours, base)
    snapshot.write(project.root / LABELS, shards)
    warnings = _write_sets(project, sides.series, merged.labeled)
    if shards or not before:
        repository.point(LABELS, ours)
    if sides.series and (sides.series.incoming or not repository.pointer(SERIES)):
        repository.add(SERIES)
        warnings += [f"{', '.join(names)}: {ONE_NAME}" for names in keys.alike(sides.series.merged)]
    if sides.series and not sides.series.outgoing:
        base = (base[0], repository.pointer(SERIES))
        merge_base.note(project, state, ours, base)
    return warnings, base


def _write_sets(project: Project, series: Merge[str] | None, labeled: Iterable[str]) -> list[str]:
    """Bring `data/tasks.jsonl` and `data/sets.csv` up to date; returns warnings."""
    rows = splits_file.read(project.root / splits_file.PATH)
    if series is None and all(rows[key].set != splits.UNASSIGNED for key in labeled if key in rows):
        return []
    known = tasks_file.read(project.root / tasks_file.PATH)
    merged = known
    if series is not None:
        held = fetch.task_data(project.remote)
        # What the work tree says of a task wins: Label Studio never reads a task's object twice.
        merged = {key: known.get(key, held.get(key, {})) for key in series.merged}
        tasks_file.write(merged, project.root / tasks_file.PATH)
    rules = parameters.load(project.root / parameters.PATH).sets
    groups = {key: group_of(data.get(rules.group)) or key for key, data in merged.items()}
    existing = {key: row.set for key, row in rows.items()}
    found = set(labeled)
    assigned = splits.assign(existing, groups, found & merged.keys(), rules.shares.model_dump(), rules.seed)
    splits_file.write(
        {key: splits_file.Row(groups[key], name) for key, name in assigned.items()},
        project.root / splits_file.PATH,
    )
    warnings = []
    lost = sorted(found - merged.keys())
    if lost:
        warnings.append(f"annotations on {len(lost)} series that the bucket does not have: {_some(lost)}")
    long = sorted(key for key, data in merged.items() if len(str(data.get(rules.group, ""))) > LONGEST_NAME)
    if long:
        what = f"say in more than {LONGEST_NAME:,} characters whom they are of ({rules.group}), so nobody knows it"
        warnings.append(f"tasks of {len(long)} series {what}: {_some(long)}")
    return warnings


def _some(names: list[str]) -> str:
    return ", ".join(map(shortened, names[:SHOWN]))


def group_of(value: object) -> str:
    """Whom a series is of, as one line of a table; "" where task data does not say it by a text or a number.

    Nor by a text of any length: no table is read with a cell that is longer than a name.
    """
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return printable(text) if len(text) <= LONGEST_NAME else ""


def commit(project: Project, changed: list[str], hashes: tuple[str, str]) -> tuple[str, str]:
    """Make the label commit; returns it and its subject, both "" where nothing changed.

    The message tells the difference to the last commit, also when a sync that was cut off wrote the files.
    """
    if not changed:
        return "", ""
    repository = project.repository
    head = [
        parse_pointer(text) for text in repository.contents(f"HEAD:{path}.dvc" for path in (LABELS, SERIES))
    ]
    found = label_store.changes(repository, head[0], hashes[0])
    changes = label_changes.count(found, config=label_store.asked(repository))
    before, after = (recordings.by_series(repository.folder(md5, SERIES)) for md5 in (head[1], hashes[1]))
    text = label_changes.message(
        changes, label_changes.signs(changes_between(before, after, operator.eq)), changed
    )
    made = repository.commit(changed, text)
    return made, text.splitlines()[0] if made else ""
