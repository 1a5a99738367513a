"""Conflicts of a three-way merge, as text for the person who settles them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from storage.errors import ConflictError
from storage.labels import label_changes
from storage.labels.three_way import Conflict
from storage.printable import argument


class OvertakenError(ConflictError):
    """Somebody else synced this branch, or labeled, at the same moment."""


def check_settled(
    conflicts: Iterable[Conflict], command: str = "labeltrail sync", theirs: str = "Label Studio"
) -> None:
    """Check that no conflict is left, before anything is written.

    Args:
        conflicts: those that are not settled.
        command: settles them with `--ours`, `--theirs` or `--settle`.
        theirs: name of the other side.

    Raises:
        ConflictError: there is one; names each with both values and the annotators.
    """
    open_conflicts = list(conflicts)
    if open_conflicts:
        what = f"{label_changes.plural(len(open_conflicts), 'conflict')}: changed on both sides"
        where, why = [line(conflict, theirs) for conflict in open_conflicts], "nothing was written"
        raise ConflictError(what, where=where, why=why, cure=settle_command(command, open_conflicts[0].name))


def settle_command(command: str, name: str) -> str:
    """The command lines that settle conflicts, with the conflict `name` as the example."""
    one = f"{command} --settle {argument(f'{name}=ours')}"
    return f"{command} --ours, {command} --theirs, or one by one: {one}"


def line(conflict: Conflict, theirs: str = "Label Studio") -> str:
    """One conflict: its name, series, annotators and values; `theirs` names the other side, "" says just "there"."""
    there = f"in {theirs}" if theirs else "there"
    who = f" ({', '.join(conflict.who)})" if conflict.who else ""
    base, ours, their = (value_text(side) for side in (conflict.base, conflict.ours, conflict.theirs))
    return f"{conflict.name} in {conflict.series}{who}: here {ours}; {there} {their}; before {base}"


def value_text(value: Any) -> str:
    """A region, an annotation or a field in a few words."""
    if value is None:
        return "nothing"
    if isinstance(value, dict) and "result" in value:
        return label_changes.record_text(value)
    if isinstance(value, dict) and "value" in value:
        if "start" not in label_changes.region_value(value):
            return label_changes.value_text(value)
        start, end = label_changes.times(value)
        return f"{', '.join(label_changes.item_labels(value)) or value.get('type', '')} {start} to {end}"
    return json.dumps(value, ensure_ascii=False)


def to_json(conflict: Conflict) -> dict[str, Any]:
    """For `--json`, with both values in full."""
    return vars(conflict) | {"who": list(conflict.who)}
