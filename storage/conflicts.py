"""What both sides changed since the last sync, told to the person who has to settle it."""

from __future__ import annotations

from storage import history
from storage.errors import ConflictError
from storage.merge import Merge
from storage.snapshot import Record


def refuse(labels: Merge[Record], series: Merge[str]) -> None:
    """Stop before anything is written.

    Raises:
        ConflictError: an annotation or a recording was changed on both sides; names each with both versions.
    """
    lines = [
        f"annotation {c.name} of {(c.ours or c.theirs or c.base or {}).get('series')}: "
        f"here {_brief(c.ours)}; in Label Studio {_brief(c.theirs)}"
        for c in labels.conflicts
    ]
    lines += [f"recording {c.name}: changed here and in the bucket" for c in series.conflicts]
    if lines:
        raise ConflictError(
            f"{history.plural(len(lines), 'conflict')}: changed on both sides since the last sync",
            where="\n    ".join(lines),
            why="nothing was written",
            cure="make both sides alike (git checkout HEAD -- data/labels.dvc, or the annotation), "
            "then labeltrail sync",
        )


def _brief(record: Record | None) -> str:
    if record is None:
        return "deleted"
    return f"{history.plural(len(record['result']), 'region')} by {record['annotator']} ({record.get('updated_at')})"
