"""`<branch>/sync.json`: the state of the last sync, the base of the next three-way merge.

It is written last, by a conditional put: of two syncs at the same time one fails.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

from storage.errors import InputError
from storage.files import json_bytes
from storage.labels.snapshot import LONGEST_NAME, is_number
from storage.remote.identity import number_for
from storage.s3.keys import CONTROL, MD5

VERSION = 4  # 3 and older: without `annotators`; 2 and older: `ids` by number alone
HISTORY = 100  # earlier syncs that are kept, as merge bases for clones that are behind
FOLDER = re.compile(r"[0-9a-f]{32}\.dir")
COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
OWN_ID = re.compile(r"[1-9][0-9]{0,18}(-[0-9a-f]{6})?")
LONGEST_WORD = 100
LARGEST = 256_000_000  # bytes: two million annotations that were created again


class Entry(NamedTuple):
    """One sync: the hashes of labels and recordings, and the label commit with both."""

    labels: str
    series: str
    commit: str


@dataclass(frozen=True)
class State:
    """The state of a sync.

    Attributes:
        project: id of the branch's Label Studio project; 0 while it is being created.
        labels: hash of the label snapshot; "" before the first sync.
        series: hash of the folder of recordings.
        commit: the label commit with both; "" where an older Labeltrail wrote this.
        label_config: hash of the label config.
        history: earlier syncs, newest first: merge bases for clones that are behind.
        ids: record ids of annotations that were created again, by their own id (storage/remote/identity.py).
        pushing: heartbeat of a push: changes while one runs; "" when none does.
        etag: of the object itself; "" where it does not exist yet.
        annotators: imported annotators without an account, by number (storage/remote/identity.py).
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
    annotators: dict[str, str] = field(default_factory=dict)

    @property
    def entry(self) -> Entry:
        """This sync as an entry of the history."""
        return Entry(self.labels, self.series, self.commit)

    def after(self, labels: str, series: str, commit: str) -> State:
        """The state after a sync with these hashes; this one is added to the history."""
        if (self.labels, self.series) == (labels, series):
            return self
        history = (self.entry, *self.history) if self.labels else self.history
        return replace(self, labels=labels, series=series, commit=commit, history=history[:HISTORY])

    def dump(self) -> bytes:
        """The bytes of the object."""
        value = {k: v for k, v in asdict(self).items() if k != "etag"} | {"version": VERSION}
        return json_bytes(value, indent=1)


def parse(data: bytes, etag: str, where: str) -> State:
    """Parse and validate the object: anybody with write access to the bucket may have changed it.

    Raises:
        InputError: a newer Labeltrail wrote it.
        DamagedStateError: it is invalid.
    """
    try:
        value = json.loads(data)
        version = value.pop("version")
        if not is_number(version, 0):
            raise TypeError("its version is no number")
        if version > VERSION:
            raise InputError("this project was synced by a newer Labeltrail", where=where, cure="git pull")
        value["history"] = tuple(Entry(*(*entry, "")[:3]) for entry in value["history"])
        state = State(**value, etag=etag)
        invalid = [name for name, is_valid in _rules(state).items() if not is_valid]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedStateError(where, f"{type(error).__name__}: {error}", etag) from error
    if invalid:
        raise DamagedStateError(where, f"{', '.join(invalid)}: invalid", etag)
    return state


def _rules(state: State) -> dict[str, bool]:
    """Whether each field is valid, as in docs/formats.md."""
    return {
        "project": is_number(state.project, 0),
        "labels, series, commit": _is_entry(state.entry),
        "label_config": state.label_config == "" or _matches(MD5, state.label_config),
        "history": len(state.history) <= HISTORY and all(map(_is_entry, state.history)),
        "ids": isinstance(state.ids, dict) and all(_is_pair(*pair) for pair in state.ids.items()),
        "annotators": isinstance(state.annotators, dict)
        and all(_is_annotator(*pair) for pair in state.annotators.items()),
        "pushing": isinstance(state.pushing, str) and len(state.pushing) <= LONGEST_WORD,
    }


def _is_entry(entry: Entry) -> bool:
    hashes = all(folder == "" or _matches(FOLDER, folder) for folder in (entry.labels, entry.series))
    return hashes and (entry.commit == "" or _matches(COMMIT, entry.commit))


def _is_pair(number: object, record: object) -> bool:
    return (
        _matches(OWN_ID, number)
        and isinstance(record, str)
        and len(record) <= LONGEST_WORD
        and not CONTROL.search(record)
    )


def _is_annotator(number: object, name: object) -> bool:
    return isinstance(name, str) and len(name) <= LONGEST_NAME and number == str(number_for(name))


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


class DamagedStateError(InputError):
    """`sync.json` is invalid.

    Attributes:
        etag: of the object, to replace it.
    """

    def __init__(self, where: str, why: str, etag: str) -> None:
        cure = "labeltrail restore writes it anew"
        super().__init__("sync.json is damaged", where=where, why=why, cure=cure)
        self.etag = etag
