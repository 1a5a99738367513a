"""Commands that move labels: sync, and those that go back."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.app import Json, app, next_step, project_here, say
from pipelines.cli.options import DryRun, Ours, Settle, Theirs, settlement

Several = list[str] | None


@app.command()
def sync(
    pull: Annotated[
        bool, typer.Option("--pull", help="Only bring what was labeled into a label commit.")
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Only bring the work tree's labels into Label Studio.")
    ] = False,
    dry_run: DryRun = False,
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


@app.command()
def rollback(
    revision: Annotated[str, typer.Argument(help="The commit whose labels come back: HEAD~3, a tag, ...")],
    series: Annotated[
        Several, typer.Option(help="Only these series: a key or a pattern; may be repeated.")
    ] = None,
    annotator: Annotated[Several, typer.Option(help="Only annotations of this person, or a pattern.")] = None,
    label: Annotated[Several, typer.Option(help="Only what has, or had, this label.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring back the labels of a revision in a new label commit; bucket, Label Studio and best model follow.

    What was labeled since the last sync is synced first, so that it can be had back. Recordings, task data and the
    label config stay as they are.

    Example: labeltrail rollback HEAD~1 --annotator ben@example.com
    """
    from pipelines.rollback.partial import Selection
    from pipelines.rollback.rollback import rollback as go_back

    part = Selection(tuple(series or ()), tuple(annotator or ()), tuple(label or ()))
    done = go_back(project_here(), revision, part, dry=dry_run)
    say(as_json, done.to_json(), done.lines())
    if dry_run:
        next_step(as_json, "the same without --dry-run")
    else:
        next_step(as_json, "labeltrail undo takes it back" if done.commit else "labeltrail log")


@app.command()
def undo(dry_run: DryRun = False, as_json: Json = False) -> None:
    """Take back the last label commit, a rollback too; twice is as if never.

    Example: labeltrail undo --dry-run
    """
    from pipelines.rollback.rollback import undo as take_back

    done = take_back(project_here(), dry=dry_run)
    say(as_json, done.to_json(), done.lines())
    if dry_run:
        next_step(as_json, "labeltrail undo")
    else:
        next_step(as_json, "labeltrail undo again brings it back" if done.commit else "labeltrail log")
