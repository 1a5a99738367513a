"""Options that several commands share: a dry run, and how a person settles conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from storage.labels.three_way import Settlement

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Ours = Annotated[bool, typer.Option("--ours", help="In every conflict not named, take what is here.")]
Theirs = Annotated[bool, typer.Option("--theirs", help="In every conflict not named, take the other side.")]
Settle = Annotated[
    list[str] | None,
    typer.Option(
        "--settle", metavar="NAME=SIDE", help="Take ours or theirs in one conflict; can be repeated."
    ),
]


def settlement(ours: bool, theirs: bool, settle: list[str] | None) -> Settlement:
    """What the three options say together."""
    from storage.labels.three_way import OURS, THEIRS, Settlement

    if ours and theirs:
        raise typer.BadParameter("--ours and --theirs exclude each other")
    return Settlement.parse(OURS if ours else THEIRS if theirs else "", settle or [])
