"""Commands that go back, and what keeps going back possible."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.app import Json, app, next_step, project_here, say

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Several = list[str] | None


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
    from pipelines.rollback.partial import Part
    from pipelines.rollback.rollback import rollback as go_back

    part = Part(tuple(series or ()), tuple(annotator or ()), tuple(label or ()))
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


@app.command()
def gc(
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it only sizes are told.")] = False,
    hours: Annotated[
        float, typer.Option(help="What was pushed within so many hours before the newest object stays.")
    ] = 24.0,
    as_json: Json = False,
) -> None:
    """Give up models that no branch and no tag names, in cache and DVC remote; all labels stay.

    `dvc gc` would delete the labels of earlier label commits: use this one.

    Example: labeltrail gc --yes
    """
    from pipelines.gc import gc as collect

    done = collect(project_here(), yes=yes and not dry_run, hours=hours)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, "labeltrail log" if done.deleted else "labeltrail gc --yes")
