"""The label config, which git and Label Studio both hold: three-way, like labels and recordings."""

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
        """Both sides have it."""
        return self.here and self.there

    @property
    def md5(self) -> str:
        """Its hash in `sync.json`."""
        return digest(self.text)


def are_same(one: str, other: str) -> bool:
    """Whether two texts are the same label config: Label Studio strips them."""
    return one.strip() == other.strip()


def plan(ours: str, theirs: str, agreed: str, page: str, settlement: Settlement = OPEN) -> ConfigPlan:
    """Compare the work tree's, Label Studio's and that of the last sync.

    Args:
        ours: text of the work tree's.
        theirs: text of Label Studio's.
        agreed: digest of the one at the last sync.
        page: where people change Label Studio's.
        settlement: how conflicts are settled.

    Raises:
        ConflictError: both sides changed it.
        InputError: the one to take over cannot be used.
    """
    if are_same(ours, theirs):
        return ConfigPlan(ours, here=True, there=True)
    if digest(theirs) == agreed:
        _check_key(ours, theirs, str(label_config.PATH))
        return ConfigPlan(ours, here=True, there=False)
    if digest(ours) == agreed or not agreed:
        _check_key(theirs, ours, "the project's settings in Label Studio")
        return ConfigPlan(theirs, here=False, there=True)
    side = settlement.side("label_config")
    if side:
        ours_wins = side == OURS
        text = ours if ours_wins else theirs
        _check_key(text, theirs if ours_wins else ours, str(label_config.PATH))
        return ConfigPlan(text, here=ours_wins, there=not ours_wins)
    raise ConflictError(
        "the label config was changed here and in Label Studio",
        where=str(label_config.PATH),
        why="nothing was written",
        cure="labeltrail sync --settle label_config=ours (or =theirs); or make both alike, here or in "
        f"{page}",
    )


def _check_key(new: str, old: str, where: str) -> None:
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
