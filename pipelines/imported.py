"""What an import did: counts, and what was left out or is worth knowing, with where and cure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from storage.errors import InputError


@dataclass(frozen=True)
class Finding:
    """Something about a file, a task or an annotation: left out where `fatal`, else only worth knowing."""

    where: str
    what: str
    cure: str
    fatal: bool


@dataclass
class Imported:
    """What an import did.

    Attributes:
        added, changed, unchanged: recordings in the bucket.
        refused: recordings left out.
        annotations: annotations made in Label Studio.
        known: annotations that were there already.
        findings: what was left out, and what a person should know, each with where and cure.
        url: the project in Label Studio.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    annotations: int = 0
    known: int = 0
    findings: list[Finding] = field(default_factory=list)
    url: str = ""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def refuse_all(done: Imported) -> None:
    """Raise the error of an import that nothing came of: its first finding, and how many more."""
    first = next(finding for finding in done.findings if finding.fatal)
    why = first.what if done.refused == 1 else f"{first.what} (and {done.refused - 1} more refused)"
    raise InputError(
        "no recording can be used; nothing was uploaded", where=first.where, why=why, cure=first.cure
    )
