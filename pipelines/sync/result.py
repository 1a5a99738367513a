"""Options of a sync, and its result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.sync.deletions import Deletions
from storage.errors import InputError
from storage.labels import conflicts
from storage.labels.label_changes import plural
from storage.labels.three_way import OPEN, Conflict, Settlement

SHOWN = 5


@dataclass(frozen=True)
class Options:
    """What a sync does.

    Attributes:
        pull: write what bucket and Label Studio have into a label commit.
        push: write what the work tree has into bucket and Label Studio.
        dry_run: write nothing.
        settlement: how conflicts are settled.
        yes: delete labels without confirmation.
        annotations: numbers of the annotations that changed, as a webhook names them: only these are fetched, and
            neither recordings nor label config, unless this clone has to compare everything. None: all are.
        remote: push the label commit to the DVC remote.
    """

    pull: bool = True
    push: bool = True
    dry_run: bool = False
    settlement: Settlement = OPEN
    yes: bool = False
    annotations: tuple[int, ...] | None = None
    remote: bool = True

    def check(self) -> None:
        """InputError for `--pull` with conflicts settled as ours, or `--push` as theirs: that side is not written."""
        sides = {self.settlement.all, *self.settlement.named.values()}
        for side, is_written, option in (("ours", self.push, "--pull"), ("theirs", self.pull, "--push")):
            if side in sides and not is_written:
                raise InputError(f"{option} cannot settle for {side}", cure=f"labeltrail sync --{side}")


ALL = Options()


@dataclass(frozen=True)
class SyncResult:
    """What a sync did.

    Attributes:
        commit: the label commit that was made; "" where nothing changed.
        subject: its first line; of a dry run, what it would be.
        labels: hash of the label snapshot.
        pushed: annotations that were changed in Label Studio.
        healed: annotations that Label Studio had and the bucket lacked.
        deletions: what was deleted, or would be.
        asks: of a dry run: why the sync would need `--yes` for its deletions; "" where it would not.
        made_again: annotations that Label Studio had lost and that were created in it again.
        taken_over: annotations that it has lost and that no label commit had before this one.
        returned: series whose task was deleted in Label Studio and is created again, without annotations.
        aside: invalid objects in the bucket, as key and reason: those of tasks were set aside, the others stay.
        runs: stages that `dvc repro` will run, each with the file that is the reason.
        conflicts: what is not settled; only a dry run ends with them.
        dry: nothing was written.
    """

    commit: str = ""
    subject: str = ""
    labels: str = ""
    pushed: int = 0
    healed: int = 0
    deletions: Deletions = field(default_factory=Deletions)
    asks: str = ""
    made_again: int = 0
    taken_over: int = 0
    returned: list[str] = field(default_factory=list)
    aside: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    dry: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "dry_run": self.dry,
            "commit": self.commit,
            "subject": self.subject,
            "labels": self.labels,
            "pushed": self.pushed,
            "healed": self.healed,
            "deleted": self.deletions.to_json(),
            "asks": self.asks or None,
            "made_again": self.made_again,
            "returned": self.returned,
            "aside": [list(pair) for pair in self.aside],
            "warnings": self.warnings,
            "runs": self.runs,
            "conflicts": [conflicts.to_json(found) for found in self.conflicts],
        }

    def lines(self) -> list[str]:
        would, deleted, returned = "would be " if self.dry else "", self.deletions, self.returned
        keys = ", ".join(returned[:SHOWN]) + (" and more" if len(returned) > SHOWN else "")
        lost = "Label Studio had lost (backup restored? replaced?)"
        changed = self.pushed - deleted.studio - self.made_again
        counts = (
            (self.healed, "annotation", f"that the bucket lacked: {would}written to it"),
            (len(returned), "task", f"deleted in Label Studio came back without annotations: {keys}"),
            (self.made_again, "annotation", f"that {lost}: {would}created in it again"),
            (
                deleted.labels,
                "annotation",
                f"{would}deleted from the labels: gone from Label Studio (labeltrail undo restores them)",
            ),
            (deleted.studio, "annotation", f"{would}deleted in Label Studio"),
            (deleted.recordings, "recording", f"{would}deleted: gone from the bucket"),
        )
        text = [f"set aside: {key}: {problem}" for key, problem in self.aside]
        text += [f"warning: {warning}" for warning in self.warnings]
        text += [f"conflict: {conflicts.line(found)}" for found in self.conflicts]
        text += [f"{plural(count, noun)} {what}" for count, noun, what in counts if count]
        if self.asks:
            text.append(f"the sync would need --yes: {self.asks}")
        if changed > 0:
            how = "would change" if self.dry else "changed"
            text.append(f"{plural(changed, 'annotation')} {how} in Label Studio")
        text.append(self._commit_line())
        if self.runs:
            runs = ", ".join(f"{name} ({why})" for name, why in self.runs.items())
            text.append(f"dvc repro will run: {runs}")
        return text

    def followed_by(self, later: SyncResult) -> SyncResult:
        """One result of this sync and the next one."""
        return replace(
            later,
            commit=later.commit or self.commit,
            subject=self.subject or later.subject,
            healed=self.healed + later.healed,
            deletions=self.deletions,
            taken_over=self.taken_over,
            returned=self.returned or later.returned,
            warnings=[*self.warnings, *later.warnings],
            runs=self.runs | later.runs,
        )

    def _commit_line(self) -> str:
        if self.dry:
            return f"label commit would be  {self.subject}" if self.subject else "nothing to commit"
        if self.commit:
            return f"label commit {self.commit[:12]}  {self.subject}"
        return "nothing to commit: all agree"
