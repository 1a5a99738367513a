"""Commands for label experiments (branches), and for restoring a project."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.app import Json, app, next_step, project_here, say
from pipelines.cli.options import Ours, Settle, Theirs, settlement
from storage.printable import argument

Name = Annotated[str, typer.Argument(help="Name of the git branch.", metavar="NAME")]


@app.command()
def branch(
    name: Name,
    start: Annotated[
        str, typer.Option("--from", metavar="REV", help="Commit to start from; HEAD if left out.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a branch for a label experiment.

    It is a git branch with its own prefix in the bucket and its own Label Studio project, and starts with the tasks,
    annotations and settings of a commit. If the command was interrupted, run it again: it resumes.

    Example: labeltrail branch knocks
    """
    from pipelines.branches.create import branch as create_branch

    result = create_branch(project_here(), name, start)
    say(as_json, result.to_json(), result.lines())
    next_step(as_json, f"labeltrail switch {argument(name)}")


@app.command()
def switch(name: Name, as_json: Json = False) -> None:
    """Check out a branch with its labels, recordings and model.

    Afterwards `labeltrail sync` syncs the Label Studio project of this branch.

    Example: labeltrail switch knocks
    """
    from pipelines.branches.switch import switch as switch_to

    result = switch_to(project_here(), name)
    say(as_json, result.to_json(), result.lines())
    next_step(as_json, "labeltrail sync" if result.url else f"labeltrail branch {argument(name)}")


@app.command()
def restore(
    revision: Annotated[
        str, typer.Argument(help="Git revision of the labels; HEAD if left out.", metavar="REV")
    ] = "",
    ours: Ours = False,
    theirs: Theirs = False,
    settle: Settle = None,
    as_json: Json = False,
) -> None:
    """Restore a project in an empty bucket and a new Label Studio.

    Recordings, tasks, annotations and predictions of a label commit are restored. Labels that only the bucket has
    become a label commit first. If the command was interrupted, run it again: it resumes.

    Example: labeltrail restore
    """
    from pipelines.branches.restore import restore as restore_project

    result = restore_project(project_here(), revision, settlement(ours, theirs, settle))
    say(as_json, result.to_json(), result.lines())
    next_step(as_json, "labeltrail sync")


@app.command("branches")
def list_branches(as_json: Json = False) -> None:
    """List branches, their labels, best models and projects.

    Example: labeltrail branches
    """
    from pipelines.branches.listing import listing

    found = listing(project_here())
    say(as_json, {"branches": [each.to_json() for each in found]}, [each.line() for each in found])
    next_step(as_json, "labeltrail diff A B")


@app.command()
def drop(
    name: Name,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete; without it, only list what would be lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete a branch, its bucket prefix and Label Studio project.

    Without --yes it only lists what would be lost.

    Example: labeltrail drop knocks
    """
    from pipelines.branches.drop import drop as drop_branch
    from pipelines.branches.drop import loss
    from storage.errors import ConflictError

    project = project_here()
    found = loss(project, name)
    if not yes:
        cure = f"labeltrail drop {argument(name)} --yes"
        raise ConflictError(
            f"branch {name!r} was not deleted: this would be lost", where=found.lines(), cure=cure
        )
    drop_branch(project, found)
    say(as_json, found.to_json(), [*found.lines(), "deleted"])
    next_step(as_json, "labeltrail branches")


@app.command()
def merge(
    name: Name, ours: Ours = False, theirs: Theirs = False, settle: Settle = None, as_json: Json = False
) -> None:
    """Merge the labels of another branch into this one.

    Labels are merged region by region and pushed to Label Studio. New labels are synced first. If there are
    conflicts, they are listed, and nothing is merged until all of them are settled.

    Example: labeltrail merge knocks --settle 12-9f3c1a/x1=theirs
    """
    from pipelines.branches.merge import merge as merge_branch

    result = merge_branch(project_here(), name, settlement(ours, theirs, settle))
    say(as_json, result.to_json(), result.lines())
    next_step(as_json, "dvc repro" if result.commit else "labeltrail branches")
