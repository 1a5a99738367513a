"""Three-way merge of the label config, which git and Label Studio both have."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from storage.errors import ConflictError, InputError
from storage.label_studio import label_config
from storage.labels.three_way import OPEN, OURS, Settlement


@dataclass(frozen=True)
class ConfigPlan:
    """The label config that both sides will have, and which of them has it already."""

    text: str
    here: bool
    there: bool

    @property
    def settled(self) -> bool:
        """Whether both sides have it."""
        return self.here and self.there

    @property
    def md5(self) -> str:
        """Its hash in `sync.json`."""
        return digest(self.text)


def are_same(one: str, other: str) -> bool:
    """Whether two texts are the same label config: Label Studio strips them."""
    return one.strip() == other.strip()


def plan(ours: str, theirs: str, agreed: str, page: str, settlement: Settlement = OPEN) -> ConfigPlan:
    """Three-way comparison of the label configs of work tree, Label Studio and last sync.

    Args:
        ours: text of the work tree's.
        theirs: text of Label Studio's.
        agreed: digest of that of the last sync.
        page: address of the page on which people change Label Studio's.
        settlement: how conflicts are settled.

    Raises:
        ConflictError: both sides changed it.
        InputError: the new one is invalid, or names another task data key.
    """
    if are_same(ours, theirs):
        return ConfigPlan(ours, here=True, there=True)
    if digest(theirs) == agreed:
        _check_data_key(ours, theirs, str(label_config.PATH))
        return ConfigPlan(ours, here=True, there=False)
    if digest(ours) == agreed or not agreed:
        _check_data_key(theirs, ours, "the project's settings in Label Studio")
        return ConfigPlan(theirs, here=False, there=True)
    side = settlement.side("label_config")
    if side:
        ours_wins = side == OURS
        new, old = (ours, theirs) if ours_wins else (theirs, ours)
        _check_data_key(new, old, str(label_config.PATH))
        return ConfigPlan(new, here=ours_wins, there=not ours_wins)
    raise ConflictError(
        "the label config was changed here and in Label Studio",
        where=str(label_config.PATH),
        why="nothing was written",
        cure=f"labeltrail sync --settle label_config=ours (or =theirs); or make both the same, here or in {page}",
    )


def _check_data_key(new: str, old: str, where: str) -> None:
    """A label config that replaces another must be valid and name the same task data key; else InputError."""
    key = label_config.parse(new, where).data_key
    try:
        before = label_config.parse(old).data_key
    except InputError:
        return  # the old one is invalid, so its key is unknown
    if key != before:
        raise InputError(
            f"the label config looks for recordings under ${key}",
            where=where,
            why=f"the tasks of this project have them under ${before}; nothing was written",
            cure=f'write <TimeSeries value="${before}"> there, then labeltrail sync',
        )


def digest(text: str) -> str:
    """Hash of a label config in `sync.json`, without blanks around it."""
    return hashlib.md5(text.strip().encode(), usedforsecurity=False).hexdigest()
