"""`<branch>/sync.json`: what bucket, Label Studio and label commit agreed on at the last sync.

It is the base of the three-way comparison, written last and only if it is still the one that was read; so it is also
what keeps two people's syncs apart.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

from storage.errors import InputError

VERSION = 2
Entry = tuple[str, str, str]  # labels, series and label commit of a sync
HISTORY = 100  # syncs that a clone may be behind and still know what it missed


@dataclass(frozen=True)
class State:
    """What was agreed on.

    Attributes:
        project: id of the branch's Label Studio project; 0 while it is made.
        labels: hash of the label snapshot; "" before the first sync.
        series: hash of the folder of recordings.
        commit: the label commit that held both; "" where an older Labeltrail wrote this.
        label_config: hash of the label config.
        history: labels, series and commit of earlier syncs, newest first: the base for a clone that is behind.
        ids: annotations that were created again, by their new id, with the record id they keep.
        pushing: a word that changes as long as somebody changes annotations in Label Studio; "" when nobody does.
        etag: of the object itself; "" where it is not there yet.
    """

    project: int
    labels: str = ""
    series: str = ""
    commit: str = ""
    label_config: str = ""
    history: tuple[Entry, ...] = ()
    ids: dict[str, str] = field(default_factory=dict)
    pushing: str = ""
    etag: str = ""

    @property
    def entry(self) -> Entry:
        """The newest sync, as it will stand in the history."""
        return self.labels, self.series, self.commit

    def follow(self, labels: str, series: str, commit: str) -> State:
        """The state after a sync that ended in these hashes; this one becomes history."""
        if (self.labels, self.series) == (labels, series):
            return self
        history = (self.entry, *self.history) if self.labels else self.history
        return replace(self, labels=labels, series=series, commit=commit, history=history[:HISTORY])

    def dump(self) -> bytes:
        """The bytes of the object."""
        value = {k: v for k, v in asdict(self).items() if k != "etag"} | {"version": VERSION}
        return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def parse(data: bytes, etag: str, where: str) -> State:
    """Read the object.

    Raises:
        InputError: a newer Labeltrail wrote it, or it is damaged.
    """
    try:
        value = json.loads(data)
        if value.pop("version") > VERSION:
            raise InputError("this project was synced by a newer Labeltrail", where=where, cure="git pull")
        value["history"] = tuple((*entry, "")[:3] for entry in value["history"])
        return State(**value, etag=etag)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise InputError("sync.json is damaged", where=where, why=why, cure="labeltrail doctor") from error
