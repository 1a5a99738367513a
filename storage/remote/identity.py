"""Identity of annotations: the record ids of those that were created again, and annotators without an account.

An annotation that is created again gets a new number and new times. `ids` of `sync.json` maps its own record id
(number and hash of its creation time) to the record id that it keeps: a Label Studio that was restored from a backup
assigns numbers again. Older versions stored the number alone.

An imported annotation of somebody without an account belongs to the token's owner in Label Studio; its `import_id` is
a number computed from the annotator's name. `annotators` of `sync.json` has the names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

Ids = Mapping[str, str]  # record id by the annotation's own record id, or by its number


def record_of(ids: Ids, own_id: str, number: int, is_there: Callable[[str], bool] = lambda _: False) -> str:
    """The record id of an annotation.

    Args:
        ids: of `sync.json`.
        own_id: the annotation's own record id.
        number: its number in Label Studio.
        is_there: whether a record id is the own id of another annotation, which has precedence over `ids`.
    """
    record = ids.get(own_id) or ids.get(str(number)) or own_id
    return own_id if record != own_id and is_there(record) else record


def number_of(own_id: str) -> int:
    """Number in Label Studio of the annotation with this own record id."""
    return int(own_id.partition("-")[0])


def numbers(ids: Ids) -> dict[str, int]:
    """Number in Label Studio by record id, of annotations that were created again."""
    return {record: number_of(own_id) for own_id, record in ids.items()}


def without(ids: Ids, number: int) -> dict[str, str]:
    """`ids` without the annotation with this number."""
    return {own_id: record for own_id, record in ids.items() if number_of(own_id) != number}


# -- people without an account --------------------------------------------------------------------


def number_for(annotator: str) -> int:
    """The `import_id` for an annotator without an account: a number computed from the name."""
    name = annotator.encode(errors="surrogatepass")
    return int(hashlib.md5(name, usedforsecurity=False).hexdigest()[:15], 16) + 1


def annotator(names: Mapping[str, str], import_id: object, owner: str) -> str:
    """The annotator of an annotation.

    Args:
        names: `annotators` of `sync.json`: people without an account, by their number.
        import_id: of the annotation.
        owner: the account that it belongs to.
    """
    return names.get(str(import_id), owner) if isinstance(import_id, int) else owner
