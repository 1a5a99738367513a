"""Commands for label experiments: branches and restoring a project."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.line import Json, app, next_step, project_here, say

Name = Annotated[str, typer.Argument(help="Name of the branch, as git has it.", metavar="NAME")]


@app.command()
def branch(
    name: Name,
    start: Annotated[
        str, typer.Option("--from", metavar="REV", help="Where it begins; HEAD if left out.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a branch that is labeled on its own: git branch, place in the bucket, Label Studio project.

    It begins with the tasks, annotations and settings of a commit. Cut off, the same command goes on.

    Example: labeltrail branch knocks
    """
    from pipelines.branch import branch as make

    done = make(project_here(), name, start)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, f"labeltrail switch {name}")


@app.command()
def switch(name: Name, as_json: Json = False) -> None:
    """Check out a branch with its labels, recordings and model; sync then acts on its Label Studio project.

    Example: labeltrail switch knocks
    """
    from pipelines.switch import switch as move

    done = move(project_here(), name)
    say(as_json, done.to_json(), done.lines())
    next_step(as_json, "labeltrail sync" if done.url else f"labeltrail branch {name}")
