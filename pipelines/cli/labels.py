"""Commands that change labels: sync, rollback, undo."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.app import Json, app, next_step, project_here, say
from pipelines.cli.options import DryRun, Ours, Settle, Theirs, settlement

Several = list[str] | None


@app.command()
def sync(
    pull: Annotated[bool, typer.Option("--pull", help="Only pull new labels into a label commit.")] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Only push the work tree's labels to Label Studio.")
    ] = False,
    dry_run: DryRun = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Allow deletions of labels at which sync would stop.")
    ] = False,
    ours: Ours = False,
    theirs: Theirs = False,
    settle: Settle = None,
    annotation: Annotated[
        list[int] | None,
        typer.Option(
            metavar="NUMBER",
            help="Sync only the annotation with this number in Label Studio; may be repeated.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Sync labels between bucket, Label Studio and git.

    New labels become a label commit; changes by a rollback, a merge or git are pushed to Label Studio. A region that
    both sides changed is a conflict: nothing is written until it is settled. Deletions of many labels need --yes.

    Example: labeltrail sync --settle 12-9f3c1a/x1=theirs
    """
    from pipelines.sync.result import Options
    from pipelines.sync.sync import sync as sync_labels

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
    result = sync_labels(project_here(), options)
    say(as_json, result.to_json(), result.lines())
    if dry_run:
        next_step(as_json, "labeltrail sync")
    else:
        next_step(as_json, "dvc repro" if result.commit else "label in Label Studio, then labeltrail sync")


@app.command()
def rollback(
    revision: Annotated[
        str,
        typer.Argument(
            metavar="REV", help="The git revision whose labels are restored: HEAD~3, a tag, a branch."
        ),
    ],
    series: Annotated[
        Several,
        typer.Option(metavar="PATTERN", help="Only series with this key or pattern; may be repeated."),
    ] = None,
    annotator: Annotated[
        Several,
        typer.Option(metavar="PATTERN", help="Only annotations of this person or pattern; may be repeated."),
    ] = None,
    label: Annotated[
        Several,
        typer.Option(
            metavar="LABEL", help="Only regions and choices that have or had this label; may be repeated."
        ),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Restore the labels of a revision in a new label commit.

    Bucket, Label Studio, best model and its predictions are restored too. New labels are synced first, so that they
    can be restored later. Recordings, task data and the label config do not change.

    Example: labeltrail rollback HEAD~1 --annotator ben@example.com
    """
    from pipelines.rollback.partial import Selection
    from pipelines.rollback.rollback import rollback as roll_back

    part = Selection(tuple(series or ()), tuple(annotator or ()), tuple(label or ()))
    result = roll_back(project_here(), revision, part, dry=dry_run)
    say(as_json, result.to_json(), result.lines())
    if dry_run:
        next_step(as_json, "the same command without --dry-run")
    else:
        next_step(as_json, "labeltrail undo (undoes the rollback)" if result.commit else "labeltrail log")


@app.command()
def undo(dry_run: DryRun = False, as_json: Json = False) -> None:
    """Undo the last label commit, also a rollback.

    Running it twice restores the labels.

    Example: labeltrail undo --dry-run
    """
    from pipelines.rollback.rollback import undo as undo_last

    result = undo_last(project_here(), dry=dry_run)
    say(as_json, result.to_json(), result.lines())
    if dry_run:
        next_step(as_json, "labeltrail undo")
    else:
        next_step(as_json, "labeltrail undo (restores the labels)" if result.commit else "labeltrail log")
