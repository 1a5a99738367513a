"""Conflicts of a three-way merge, as text for the person who has to settle them."""

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
        conflicts: what is not settled.
        command: what settles them, with `--ours`, `--theirs` or `--settle`.
        theirs: what the other side is called.

    Raises:
        ConflictError: there is one; names each with both values and who labeled.
    """
    found = list(conflicts)
    if found:
        what = f"{label_changes.plural(len(found), 'conflict')}: changed on both sides"
        where, why = [line(conflict, theirs) for conflict in found], "nothing was written"
        raise ConflictError(what, where=where, why=why, cure=settling(command, found[0].name))


def settling(command: str, name: str) -> str:
    """How a command's conflicts are settled, with the conflict `name` as the example."""
    one = f"{command} --settle {argument(f'{name}=ours')}"
    return f"{command} --ours, {command} --theirs, or one by one: {one}"


def line(conflict: Conflict, theirs: str = "Label Studio") -> str:
    """One conflict: its name, series, annotators and both values; the other side is `theirs`, or just there."""
    there = f"in {theirs}" if theirs else "there"
    who = f" ({', '.join(conflict.who)})" if conflict.who else ""
    values = f"here {value(conflict.ours)}; {there} {value(conflict.theirs)}; before {value(conflict.base)}"
    return f"{conflict.name} in {conflict.series}{who}: {values}"


def value(found: Any) -> str:
    """A region, an annotation or a field in a few words."""
    if found is None:
        return "nothing"
    if isinstance(found, dict) and "result" in found:
        return label_changes.record_text(found)
    if isinstance(found, dict) and "value" in found:
        if "start" not in label_changes.region_value(found):
            return label_changes.value_text(found)
        start, end = label_changes.times(found)
        return f"{', '.join(label_changes.item_labels(found)) or found.get('type', '')} {start} to {end}"
    return json.dumps(found, ensure_ascii=False)


def to_json(conflict: Conflict) -> dict[str, Any]:
    """For `--json`: both values whole."""
    return vars(conflict) | {"who": list(conflict.who)}
