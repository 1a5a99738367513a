"""The result of an import: counts and findings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from storage.errors import InputError


@dataclass(frozen=True)
class Finding:
    """A problem of a file, a task or an annotation: `fatal` where it was left out, else a note."""

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
        annotations: annotations that were created in Label Studio.
        known: annotations that Label Studio had already.
        findings: what was left out, and what a person should know, each with where and cure.
        url: the project in Label Studio.
        reassigned: how many of the known annotations were reassigned to another annotator.
        left_out: how much of an export was left out, by kind: tasks, annotations, predictions, drafts, ..
        annotators: number of new and known annotations of the export by annotator.
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

    def note(self, where: str, what: str, cure: str) -> None:
        """Add a finding that leaves nothing out."""
        self.findings.append(Finding(where, what, cure, fatal=False))

    def add_left_out(self, where: str, what: str, cure: str) -> None:
        """Add a finding about something that was left out."""
        self.findings.append(Finding(where, what, cure, fatal=True))

    def count_left_out(self, kind: str, number: int) -> None:
        """Count what of an export was left out."""
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
            what = f"{self.reassigned} annotation(s) {would}reassigned to the export's annotator"
            text.append(f"annotators: {what}")
        if self.task_data:
            text.append(f"task data: {self.task_data} series {would}updated")
        if self.left_out:
            parts = ", ".join(f"{count} {kind}" for kind, count in sorted(self.left_out.items()))
            text.append(f"left out of the export: {parts}")
        return [*text, f"look at them: {self.url}"] if self.url else text

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def raise_first(result: ImportResult) -> None:
    """Raise the error of an import without any valid recording: its first finding, and how many more."""
    first = next(finding for finding in result.findings if finding.fatal)
    why = first.what if result.refused == 1 else f"{first.what} (and {result.refused - 1} more refused)"
    what = "no recording can be used; nothing was uploaded"
    raise InputError(what, where=first.where, why=why, cure=first.cure)
