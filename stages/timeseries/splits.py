"""Assigns labeled series to the train, validation and test split: by group, seeded, and stable.

The rules: what has a split keeps it, whatever is added later; a series whose group has a split follows it, so that
no person is in two splits; a new group goes to the split that is furthest below its share; the first groups fill all
three splits as soon as there are three, for without a test split nothing can be compared.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Set

ORDER = ("train", "test", "validation")
UNASSIGNED = "unassigned"


def assign(
    existing: Mapping[str, str],
    groups: Mapping[str, str],
    labeled: Set[str],
    shares: Mapping[str, float],
    seed: int,
) -> dict[str, str]:
    """The split of every series.

    Args:
        existing: split by series, as it was; `unassigned` counts as none.
        groups: group by series, for every series there is.
        labeled: series that somebody labeled; the others stay unassigned.
        shares: fraction of the labeled series for train, validation and test.
        seed: order in which new groups are dealt out.

    Returns:
        Split by series, sorted by series.
    """
    splits = {s: name for s, name in existing.items() if s in groups and name != UNASSIGNED}
    split_of_group = {groups[series]: name for series, name in sorted(splits.items())}
    counts = Counter(splits.values())
    members: dict[str, list[str]] = {}
    for series in sorted(labeled & groups.keys() - splits.keys()):
        members.setdefault(groups[series], []).append(series)
    # Groups that have a split follow it first, so that the new ones are dealt by what is lacking then.
    for group in sorted(members, key=lambda g: (g not in split_of_group, _seeded_order(g, seed))):
        name = split_of_group.get(group) or _split_most_below_share(counts, shares, len(members[group]))
        split_of_group[group] = name
        counts[name] += len(members[group])
        splits.update(dict.fromkeys(members[group], name))
    return {series: splits.get(series, UNASSIGNED) for series in sorted(groups)}


def _seeded_order(group: str, seed: int) -> str:
    """A place in a seeded order that does not depend on which other groups there are."""
    return hashlib.md5(f"{seed}:{group}".encode(), usedforsecurity=False).hexdigest()


def _split_most_below_share(counts: Counter[str], shares: Mapping[str, float], size: int) -> str:
    """The split that is furthest below its share once `size` series are added; an empty one comes first."""
    wanted = [name for name in ORDER if shares.get(name, 0) > 0]
    empty = [name for name in wanted if not counts[name]]
    if empty:
        return empty[0]
    total = sum(counts.values()) + size
    return max(wanted, key=lambda name: (shares[name] * total - counts[name], -wanted.index(name)))
