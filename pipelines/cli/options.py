"""Options that several commands share: dry run, and settling of conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from storage.labels.three_way import Settlement

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would change; change nothing.")]
Ours = Annotated[bool, typer.Option("--ours", help="Settle all conflicts not named with this side.")]
Theirs = Annotated[bool, typer.Option("--theirs", help="Settle all conflicts not named with the other side.")]
Settle = Annotated[
    list[str] | None,
    typer.Option(
        "--settle", metavar="NAME=SIDE", help="Settle one conflict with ours or theirs; can be repeated."
    ),
]


def settlement(ours: bool, theirs: bool, settle: list[str] | None) -> Settlement:
    """The settlement of the three options."""
    from storage.labels.three_way import OURS, THEIRS, Settlement

    if ours and theirs:
        raise typer.BadParameter("--ours and --theirs exclude each other")
    return Settlement.parse(OURS if ours else THEIRS if theirs else "", settle or [])
