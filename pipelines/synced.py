"""What a sync did, or would do, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from storage import conflicts, history
from storage.merge import Conflict


@dataclass(frozen=True)
class Synced:
    """What a sync did.

    Attributes:
        commit: the label commit that was made; "" where nothing changed.
        subject: its first line; of a dry run, what it would be.
        labels: hash of the label snapshot.
        pushed: annotations that were changed in Label Studio.
        healed: annotations that Label Studio had and the bucket had missed.
        aside: objects in the bucket that say nothing: key and reason. They were left where they are.
        warnings: what else a person should know.
        runs: stages that `dvc repro` will run, each with the file that is the reason.
        conflicts: what is not settled; only a dry run ends with them.
        dry: nothing was written.
    """

    commit: str = ""
    subject: str = ""
    labels: str = ""
    pushed: int = 0
    healed: int = 0
    aside: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    dry: bool = False

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "dry_run": self.dry,
            "commit": self.commit,
            "subject": self.subject,
            "labels": self.labels,
            "pushed": self.pushed,
            "healed": self.healed,
            "aside": [list(pair) for pair in self.aside],
            "warnings": self.warnings,
            "runs": self.runs,
            "conflicts": [conflicts.to_json(found) for found in self.conflicts],
        }

    def lines(self) -> list[str]:
        """For people."""
        text = [f"set aside: {key}: {problem}" for key, problem in self.aside]
        text += [f"warning: {warning}" for warning in self.warnings]
        text += [f"conflict: {conflicts.line(found)}" for found in self.conflicts]
        if self.healed:
            text.append(
                f"{history.plural(self.healed, 'annotation')} that the bucket had missed: written to it"
            )
        if self.pushed:
            how = "would change" if self.dry else "changed"
            text.append(f"{history.plural(self.pushed, 'annotation')} {how} in Label Studio")
        text.append(self._commit_line())
        if self.runs:
            text.append(
                "dvc repro will run: " + ", ".join(f"{name} ({why})" for name, why in self.runs.items())
            )
        return text

    def _commit_line(self) -> str:
        if self.dry:
            return f"label commit would be  {self.subject}" if self.subject else "nothing to commit"
        if self.commit:
            return f"label commit {self.commit[:12]}  {self.subject}"
        return "nothing to commit: all agree"
