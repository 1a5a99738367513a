"""Commands for label experiments: branches and restoring a project."""

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
        str, typer.Option("--from", metavar="REV", help="Commit that it begins at; HEAD if left out.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a branch for a label experiment: git branch, prefix in the bucket, Label Studio project.

    It begins with the tasks, annotations and settings of a commit. Interrupted, the same command resumes.

    Example: labeltrail branch knocks
    """
    from pipelines.branches.create import branch as create_branch

    done = create_branch(project_here(), name, start)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, f"labeltrail switch {argument(name)}")


@app.command()
def switch(name: Name, as_json: Json = False) -> None:
    """Check out a branch with its labels, recordings and model; sync then acts on its Label Studio project.

    Example: labeltrail switch knocks
    """
    from pipelines.branches.switch import switch as switch_to

    done = switch_to(project_here(), name)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, "labeltrail sync" if done.url else f"labeltrail branch {argument(name)}")


@app.command()
def restore(
    revision: Annotated[str, typer.Argument(help="Whose labels; HEAD if left out.", metavar="[REV]")] = "",
    ours: Ours = False,
    theirs: Theirs = False,
    settle: Settle = None,
    as_json: Json = False,
) -> None:
    """Restore recordings, tasks, annotations and predictions in an empty bucket and a new Label Studio.

    Labels that only the bucket has become a label commit first. Interrupted, the same command resumes.

    Example: labeltrail restore
    """
    from pipelines.branches.restore import restore as restore_project

    done = restore_project(project_here(), revision, settlement(ours, theirs, settle))
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, "labeltrail sync")


@app.command("branches")
def list_branches(as_json: Json = False) -> None:
    """List branches with their labels, best model and Label Studio project.

    Example: labeltrail branches
    """
    from pipelines.branches.listing import listing, to_json

    found = listing(project_here())
    say(as_json, to_json(found), [facts.line() for facts in found])
    next_step(as_json, "labeltrail diff A B compares two")


@app.command()
def drop(
    name: Name,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete; without it, only list what would be lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete a branch: Label Studio project, prefix in the bucket, git branch. Lists first what would be lost.

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
    say(as_json, found.to_json(), [*found.lines(), "dropped"])
    next_step(as_json, "labeltrail branches")


@app.command()
def merge(
    name: Name,
    ours: Ours = False,
    theirs: Theirs = False,
    settle: Settle = None,
    as_json: Json = False,
) -> None:
    """Merge another branch's labels into this one, region by region, and push them to Label Studio.

    New labels are synced first. Conflicts are listed, and nothing is merged until all are settled.

    Example: labeltrail merge knocks --settle 12-9f3c1a/x1=theirs
    """
    from pipelines.branches.merge import merge as merge_branch

    done = merge_branch(project_here(), name, settlement(ours, theirs, settle))
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, "dvc repro" if done.commit else "labeltrail branches")
