"""The command line: what a person types. One function a command, in `pipelines/cli`; each calls the pipeline
of that name.

Modules are imported inside the commands, so that `labeltrail --help` and a sync with nothing to do stay fast.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from pipelines.cli import (  # noqa: F401 -- they register their commands, in this order
    branches,
    classify,
    history,
    labels,
    model,
    project,
    undo,
)
from pipelines.cli.app import app
from storage import disk, printable
from storage.errors import LabeltrailError
from storage.network import loopback

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> None:
    """Run a command; an error a person can act on becomes its text and exit code, a bug keeps its traceback."""
    loopback.spare()
    try:
        with disk.faults_are_said():
            app()
    except LabeltrailError as error:
        if "--json" in sys.argv:
            print(printable.dump_json({"version": 1, "error": error.to_json()}))
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def help_texts(width: int = 100) -> Iterator[tuple[str, str]]:
    """Name and `--help` of the program and of each command, in order: what docs/cli.md is made of."""
    yield from _helps("labeltrail", typer.main.get_command(app), width)


def _helps(called: str, command: Any, width: int) -> Iterator[tuple[str, str]]:
    context = command.context_class(command, info_name=called, terminal_width=width, max_content_width=width)
    yield called, command.get_help(context)
    for name, below in getattr(command, "commands", {}).items():
        yield from _helps(f"{called} {name}", below, width)


if __name__ == "__main__":
    main()
