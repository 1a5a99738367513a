"""The result of an import: counts and findings."""

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
class ImportResult:
    """What an import did.

    Attributes:
        added, changed, unchanged: recordings in the bucket.
        refused: recordings left out.
        annotations: annotations made in Label Studio.
        known: annotations that were there already.
        findings: what was left out, and what a person should know, each with where and cure.
        url: the project in Label Studio.
        reassigned: of those that were there already, how many were given to another annotator.
        left_out: what of an export was not taken, by kind: tasks, annotations, predictions, drafts, ..
        annotators: annotations of the export that were taken or there, by who made them.
        task_data: series with new task data.
        dry: nothing was changed.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    annotations: int = 0
    known: int = 0
    findings: list[Finding] = field(default_factory=list)
    url: str = ""
    reassigned: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    annotators: dict[str, int] = field(default_factory=dict)
    task_data: int = 0
    dry: bool = False

    def leave_out(self, kind: str, number: int) -> None:
        """Count what of an export was not taken."""
        if number:
            self.left_out[kind] = self.left_out.get(kind, 0) + number

    def lines(self) -> list[str]:
        text = []
        for found in self.findings:
            kind = "left out" if found.fatal else "note"
            text += [f"{kind}: {found.where}: {found.what}", f"  next: {found.cure}"]
        would = "would be " if self.dry else ""
        text.append(
            f"recordings: {self.added} {would}added, {self.changed} {would}changed, {self.unchanged} unchanged, "
            f"{self.refused} refused; annotations: {self.annotations} {would}added, {self.known} already there"
        )
        if self.reassigned:
            text.append(
                f"annotators: {self.reassigned} annotation(s) {would}reassigned to the export's annotator"
            )
        if self.task_data:
            text.append(f"task data: {self.task_data} series {would}updated")
        if self.left_out:
            parts = ", ".join(f"{count} {kind}" for kind, count in sorted(self.left_out.items()))
            text.append(f"left out of the export: {parts}")
        return [*text, f"look at them: {self.url}"] if self.url else text

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def raise_first(done: ImportResult) -> None:
    """Raise the error of an import without any valid recording: its first finding, and how many more."""
    first = next(finding for finding in done.findings if finding.fatal)
    why = first.what if done.refused == 1 else f"{first.what} (and {done.refused - 1} more refused)"
    raise InputError(
        "no recording can be used; nothing was uploaded", where=first.where, why=why, cure=first.cure
    )
