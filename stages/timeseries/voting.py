"""Which annotations of a series count where annotators disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from storage.printable import shortened

Record = Mapping[str, Any]
Disagreement = Literal["vote", "newest", "agree"]


def voters(records: Sequence[Record], disagreement: Disagreement) -> list[Record]:
    """The annotations that count, the newest first."""
    given = sorted((r for r in records if not r.get("was_cancelled")), key=_last_change, reverse=True)
    truths = [r for r in given if r.get("ground_truth")]
    if truths or disagreement == "newest":
        return (truths or given)[:1]
    newest: dict[str, Record] = {}
    for record in given:
        newest.setdefault(str(record.get("annotator", "")), record)
    return list(newest.values())


def _last_change(record: Record) -> tuple[str, str]:
    return str(record.get("updated_at") or record.get("created_at") or ""), str(record["id"])


def quoted(name: str) -> str:
    """A label in quotes, shortened to one line."""
    return f"'{shortened(name)}'"
