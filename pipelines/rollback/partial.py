"""Partial rollback: only the labels of some series, annotators or label names are reverted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from storage.label_studio.label_config import LabelConfig
from storage.labels import label_store, snapshot
from storage.labels.annotation_merge import Item, region_ids, scope_of
from storage.labels.label_changes import is_choice_label, item_labels, record_labels
from storage.labels.snapshot import Record
from storage.labels.three_way import Change
from storage.paths import LABELS
from storage.printable import shortened
from storage.repo.repository import Repository


@dataclass(frozen=True)
class Selection:
    """Which labels are reverted; an empty filter selects all.

    Attributes:
        series: keys, or patterns such as `user01*`.
        annotators: e-mail addresses, or patterns.
        labels: regions, or choices for the whole recording, that have, or had, one of these labels.
    """

    series: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing is filtered."""
        return not (self.series or self.annotators or self.labels)

    def includes(self, record: Record) -> bool:
        """Whether an annotation is selected by series and annotator."""
        return _among(record["series"], self.series) and _among(record["annotator"], self.annotators)

    def filters(self) -> dict[str, tuple[str, ...]]:
        """The patterns by option."""
        return {"series": self.series, "annotator": self.annotators, "label": self.labels}

    def describe(self) -> str:
        """As in a commit's subject; "" for everything."""
        filters = self.filters().items()
        return "; ".join(f"{name} {', '.join(map(shortened, values))}" for name, values in filters if values)


EVERYTHING = Selection()


def unmatched(
    repository: Repository, hashes: Iterable[str], part: Selection, config: LabelConfig | None
) -> list[tuple[str, str]]:
    """Filters, as option and pattern, that match no annotation of these snapshots: likely typing errors."""
    left = {(option, value) for option, values in part.filters().items() for value in values}
    shards = {md5: name for labels in hashes for name, md5 in repository.folder(labels, LABELS).items()}
    for md5, name in shards.items():
        if not left:
            break  # no more shards have to be read
        for record in label_store.parse(repository.read([md5])[md5], name).values():
            left -= {each for each in left if _matches(record, *each, config)}
    return sorted(left)


def _matches(record: Record, option: str, value: str, config: LabelConfig | None) -> bool:
    if option == "label":
        return value in record_labels(record, config)
    return fnmatchcase(record[option], value)


def revert_partially(
    repository: Repository, now: str, then: str, part: Selection, config: LabelConfig | None
) -> str:
    """Store snapshot `now` with the selected labels as in `then`; returns its hash. Reads only differing shards."""
    if part.is_everything:
        return then
    new, old = (label_store.shards_of(repository, labels) for labels in (now, then))
    shards: dict[str, bytes] = {}
    for name in label_store.differing(new.hashes, old.hashes):
        data = new.data(name)
        edits: dict[str, Record | None] = {}
        for change in label_store.between(data, old.data(name)):
            record = revert_record(change, part, config)
            if record is not change.before:
                edits[change.name] = record
        if edits:
            shards[name] = snapshot.edit(data, edits)
    return label_store.store(repository, now, shards) if shards else now


def revert_record(
    change: Change[Record], part: Selection, config: LabelConfig | None = None
) -> Record | None:
    """One annotation with its selected labels reverted; `before` is its version now, `after` that of then.

    An annotation that did not exist then is deleted if no label is left on it: empty, it would mean "nothing here".
    """
    now, then = change.before, change.after
    if not part.includes(now or then or {}):
        return now
    if not part.labels:
        return then
    result = _revert_items(_items(now), _items(then), part, config)
    if result == _items(now):
        return now
    record: dict[str, Any] = {**(now or then or {}), "result": result}
    if not record_labels(record, config) and (now is None or then is None):
        return None
    return then if then is not None and snapshot.same(record, then) else record


def _revert_items(
    now: list[Item], then: list[Item], part: Selection, config: LabelConfig | None
) -> list[Item]:
    """Items of now with the selected ones as they were then, in place; relations to removed items are removed."""
    regions = region_ids(now, then)
    touched = {
        scope_of(item, regions)
        for item in (*now, *then)
        if set(item_labels(item, is_choice_label(item, regions, config))) & set(part.labels)
    }
    old: dict[str, list[Item]] = {}
    for item in then:
        if scope_of(item, regions) in touched:
            old.setdefault(scope_of(item, regions), []).append(item)
    result: list[Item] = []
    for item in now:
        name = scope_of(item, regions)
        result += old.pop(name, []) if name in touched else [item]
    result += [item for items in old.values() for item in items]
    removed = touched - {scope_of(item, regions) for item in result}
    return [item for item in result if not removed & {str(item.get("from_id")), str(item.get("to_id"))}]


def _items(record: Record | None) -> list[Item]:
    return list(record["result"]) if record else []


def _among(value: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)
