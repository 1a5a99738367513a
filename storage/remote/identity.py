"""Annotations that were made again in Label Studio, and the records that they stand for.

Label Studio gives one that is made again a new number and new times. `ids` of `sync.json` remembers it by the id that
it would have as a record of its own, number and hash of its creation time: a Label Studio that was put back to an
earlier state gives numbers a second time, and another annotation may have this one now. Older versions remembered the
number alone.

An annotation that an import took over from somebody without an account is the token owner's in Label Studio, and says
by `import_id` whose it is: a number made of the name. `annotators` of `sync.json` has the names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

Ids = Mapping[str, str]  # record id that is kept, by the annotation's own id, or by its number


def record_of(ids: Ids, own: str, number: int, is_there: Callable[[str], bool] = lambda _: False) -> str:
    """The id of the record that an annotation stands for.

    Args:
        ids: of `sync.json`.
        own: the annotation's own record id.
        number: its number in Label Studio.
        is_there: whether a record has an annotation of its own: no other one stands for it then, whatever
            `sync.json` says, for one of the two would be lost.
    """
    record = ids.get(own) or ids.get(str(number)) or own
    return own if record != own and is_there(record) else record


def number_of(own: str) -> int:
    """Number in Label Studio of the annotation with this own id."""
    return int(own.partition("-")[0])


def numbers(ids: Ids) -> dict[str, int]:
    """Number in Label Studio by the record that it stands for, of those that were made again."""
    return {record: number_of(own) for own, record in ids.items()}


def without(ids: Ids, number: int) -> dict[str, str]:
    """The same without the annotation with this number."""
    return {own: record for own, record in ids.items() if number_of(own) != number}


# -- people without an account --------------------------------------------------------------------


def number_for(annotator: str) -> int:
    """What `import_id` says of an annotation of somebody without an account: a number for each name."""
    name = annotator.encode(errors="surrogatepass")
    return int(hashlib.md5(name, usedforsecurity=False).hexdigest()[:15], 16) + 1


def annotator(names: Mapping[str, str], import_id: object, owner: str) -> str:
    """Who made an annotation.

    Args:
        names: `annotators` of `sync.json`: people without an account, by their number.
        import_id: of the annotation.
        owner: the account that it belongs to.
    """
    return names.get(str(import_id), owner) if isinstance(import_id, int) else owner
