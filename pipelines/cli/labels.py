"""Commands that move labels: sync."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.app import Json, app, next_step, project_here, say
from pipelines.cli.options import Ours, Settle, Theirs, settlement


@app.command()
def sync(
    pull: Annotated[
        bool, typer.Option("--pull", help="Only bring what was labeled into a label commit.")
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Only bring the work tree's labels into Label Studio.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete labels where a sync would ask first.")] = False,
    ours: Ours = False,
    theirs: Theirs = False,
    settle: Settle = None,
    annotation: Annotated[
        list[int] | None,
        typer.Option(metavar="NUMBER", help="Look at this annotation of Label Studio only; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make bucket, Label Studio and label commit agree again.

    What was labeled becomes a label commit; what a rollback, a merge or git changed goes into Label Studio. A region
    that both sides changed is a conflict: nothing is written until it is settled. Deletions of labels that may not be
    meant are asked about.

    Example: labeltrail sync --settle 12-9f3c1a/x1=theirs
    """
    from pipelines.sync.result import Options
    from pipelines.sync.sync import sync as bring_together

    if pull and push:
        raise typer.BadParameter("--pull and --push exclude each other")
    options = Options(
        pull=not push,
        push=not pull,
        dry_run=dry_run,
        settlement=settlement(ours, theirs, settle),
        yes=yes,
        annotations=tuple(annotation) if annotation else None,
    )
    done = bring_together(project_here(), options)
    say(as_json, done.to_json(), done.lines())
    if dry_run:
        next_step(as_json, "labeltrail sync")
    else:
        next_step(as_json, "dvc repro" if done.commit else "label in Label Studio, then labeltrail sync")
