"""What all commands share: the app, common options, output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storage import printable

if TYPE_CHECKING:
    from storage.errors import LabeltrailError
    from storage.project import Project
    from storage.repo.repository import Repository

EXIT_CODES = """
Exit codes: 0 success · 1 a bug, with its traceback · 2 wrong usage · 3 invalid input · 4 Label Studio or the bucket
is unavailable · 5 conflict · 6 a check failed · 7 not found · 8 a required program is missing or failed
"""

app = typer.Typer(
    help="Label time series, retrain, roll back: every model traces to the label commit that made it.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def project_here() -> Project:
    """The project of the current folder."""
    from storage.project import Project

    return Project.here()


def repository_here() -> Repository:
    """The clone of the current folder: git and DVC alone, which loads much faster."""
    from storage.repo.git import find_root
    from storage.repo.repository import Repository

    return Repository(find_root(Path.cwd()))


def say(as_json: bool, value: dict[str, Any], lines: list[str], *, tinted: bool = False) -> None:
    """Print a result: `value` with a version as JSON, or `lines`, coloured by their sign if `tinted`."""
    if as_json:
        print(printable.dump_json({"version": 1} | value))
    elif tinted:
        from storage.progress import print_tinted

        print_tinted(lines)
    else:
        for line in lines:
            printable.say(line)


def conclude(as_json: bool, value: dict[str, Any], lines: list[str], error: LabeltrailError | None) -> None:
    """Print a result and its error, if any: in JSON one object, else both texts; an error exits with its code."""
    if error is None:
        say(as_json, value, lines)
        return
    say(as_json, value | {"error": error.to_json()}, lines)
    print(error, file=sys.stderr)
    raise typer.Exit(error.exit_code)


def next_step(as_json: bool, command: str) -> None:
    """Print the next command, unless in JSON."""
    if not as_json:
        printable.say(f"next: {command}")
