"""Three-way merge of an answer that may be any number of choices: each of them comes and goes by itself.

What two people each chose stands; what one of them took back is gone. An annotation without an answer chose nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Item = dict[str, Any]


def agree(was: Item | None, our: Item | None, their: Item | None) -> bool:
    """Whether the answers differ in what was chosen alone, or one side alone changed the rest of them.

    An answer that one side took back, and to which the other wrote something (a note) without choosing more, is none
    that both can have.
    """
    sides = (was, our, their)
    if any(item is not None and _chosen(item) is None for item in sides):
        return False
    before, here, there = map(_rest, sides)
    if not _set(was, our, their):
        return all(rest in (None, before) for rest in (here, there))
    return here is None or there is None or here == there or before in (here, there)


def unite(was: Item | None, our: Item | None, their: Item | None, order: Sequence[str]) -> Item | None:
    """The answer that both sides come to; None where nothing is left of it.

    Args:
        was, our, their: of which `agree` holds.
        order: of the choices in the label config; those that it lacks follow by name.
    """
    chosen = _set(was, our, their)
    if not chosen:
        return None
    sides = [side for side in (our, their) if side is not None]
    changed = [side for side in sides if was is None or _rest(side) != _rest(was)]
    # The id is that of before where a side has kept it, so that nothing that speaks of it is left alone.
    kept = min(changed or sides, key=lambda side: (str(side.get("id")), str(side.get("origin"))))
    ids = [str(side.get("id")) for side in sides]
    known = str(was.get("id")) if was is not None else ""
    ranks = {label: rank for rank, label in enumerate(order)}
    values = sorted(chosen, key=lambda label: (ranks.get(label, len(ranks)), label))
    return {**kept, "id": known if known in ids else min(ids), "value": {**kept["value"], "choices": values}}


def _set(was: Item | None, our: Item | None, their: Item | None) -> set[str]:
    before, here, there = (set(_chosen(item) or ()) if item else set() for item in (was, our, their))
    return (here & there) | (here - before) | (there - before)


def _chosen(item: Item) -> list[str] | None:
    """What was chosen; None where that cannot be read."""
    value = item.get("value")
    found = value.get("choices") if isinstance(value, dict) else None
    return found if isinstance(found, list) and all(isinstance(label, str) for label in found) else None


def _rest(item: Item | None) -> Item | None:
    """All but what was chosen, and id and origin, which an answer loses when it is taken back and given again."""
    if item is None:
        return None
    value = {name: found for name, found in item["value"].items() if name != "choices"}
    return {name: found for name, found in item.items() if name not in ("id", "origin")} | {"value": value}
