"""Which series teach, which stop the training, which test: by group, seeded, and stable.

The rules: what has a split keeps it, whatever is added later; a series whose group has a split follows it, so that
no person is in two splits; a new group goes where most is lacking; the first groups fill all three splits as soon
as there are three, for without a test nothing can be compared.
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
    home = {groups[series]: name for series, name in sorted(splits.items())}
    counts = Counter(splits.values())
    members: dict[str, list[str]] = {}
    for series in sorted(labeled & groups.keys() - splits.keys()):
        members.setdefault(groups[series], []).append(series)
    # Groups that have a split follow it first, so that the new ones are dealt by what is lacking then.
    for group in sorted(members, key=lambda g: (g not in home, _dealt(g, seed))):
        name = home.get(group) or _lacking(counts, shares, len(members[group]))
        home[group] = name
        counts[name] += len(members[group])
        splits.update(dict.fromkeys(members[group], name))
    return {series: splits.get(series, UNASSIGNED) for series in sorted(groups)}


def _dealt(group: str, seed: int) -> str:
    """A place in a seeded order that does not depend on which other groups there are."""
    return hashlib.md5(f"{seed}:{group}".encode(), usedforsecurity=False).hexdigest()


def _lacking(counts: Counter[str], shares: Mapping[str, float], size: int) -> str:
    """The set that is furthest below its share once `size` series are added; an empty one comes first."""
    wanted = [name for name in ORDER if shares.get(name, 0) > 0]
    empty = [name for name in wanted if not counts[name]]
    if empty:
        return empty[0]
    total = sum(counts.values()) + size
    return max(wanted, key=lambda name: (shares[name] * total - counts[name], -wanted.index(name)))
