"""Halves of characters that Label Studio holds, and cannot show for that: U+FFFD is put in their place.

A browser that cuts a text may leave half a surrogate pair. Label Studio 1.23.2 stores it, and from then on answers
HTTP 500 for the task and for its page of all tasks. It still takes changes.
"""

from __future__ import annotations

from storage.errors import ServiceError
from storage.labelstudio import LabelStudio
from storage.progress import note
from storage.remote import Remote


def mend(remote: Remote) -> int:
    """Mend the annotations that have such, as the bucket says, and that Label Studio cannot show.

    Args:
        remote: the branch's place in bucket and Label Studio; the mirror is up to date with the bucket.

    Returns:
        How many were mended; Label Studio has written their objects anew.
    """
    mended = 0
    for row in remote.mirror.with_half(remote.annotations_prefix):
        number = row.value["annotation"]
        if not _is_shown(remote.studio, number):
            remote.studio.update_annotation(number, result=row.value["record"]["result"])
            note(f"{row.key}: half a character is U+FFFD now, for Label Studio could not show its task")
            mended += 1
    return mended


def _is_shown(studio: LabelStudio, annotation: int) -> bool:
    """Whether Label Studio shows an annotation, or has none of this number."""
    try:
        studio.annotation(annotation)
    except ServiceError:
        return False
    return True
