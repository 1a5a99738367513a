"""Options that several commands share: --dry-run, and the settling of conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from storage.labels.three_way import Settlement

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would change, and change nothing.")]
Ours = Annotated[
    bool, typer.Option("--ours", help="Take this side in all conflicts that --settle does not name.")
]
Theirs = Annotated[
    bool, typer.Option("--theirs", help="Take the other side in all conflicts that --settle does not name.")
]
Settle = Annotated[
    list[str] | None,
    typer.Option(
        "--settle", metavar="NAME=SIDE", help="Take one side of a conflict: ours or theirs; may be repeated."
    ),
]


def settlement(ours: bool, theirs: bool, settle: list[str] | None) -> Settlement:
    """The settlement of the three options."""
    from storage.labels.three_way import OURS, THEIRS, Settlement

    if ours and theirs:
        raise typer.BadParameter("--ours and --theirs exclude each other")
    return Settlement.parse(OURS if ours else THEIRS if theirs else "", settle or [])
