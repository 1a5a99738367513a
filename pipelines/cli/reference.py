"""Writes docs/cli.md: every command's `--help` and the exit codes, which keeps the page equal to the program.

`python -m pipelines.cli.reference` (or `make docs`) writes it; a test compares it with what would be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from pipelines.cli.commands import app
from storage.errors import LabeltrailError
from storage.files import write_bytes

PATH = Path("docs/cli.md")
INTRODUCTION = """\
# Commands

Generated from `--help` by `make docs`: edit the docstrings in `pipelines/cli/`, not this page.

To retrain, run DVC's own command `dvc repro`, which runs the stages of `dvc.yaml`. All others are `labeltrail`
commands. With `--json` a command prints one JSON object with a `version` to standard output. If it fails, the object
contains `error` with `what`, `where`, `why` and `next`. Error texts are printed to standard error.
"""
# Exit codes without a class in storage/errors.py.
OTHERS = {0: "Success", 1: "A bug, with its traceback", 2: "Wrong usage: the command line is invalid"}


def main() -> None:
    """Write the page."""
    write_bytes(PATH, render().encode())


def render() -> str:
    """The page as text."""
    pages = [f"## {name}\n\n```text\n{text.strip()}\n```\n" for name, text in help_texts()]
    return "\n".join([INTRODUCTION, *pages, _exit_codes()])


def help_texts(width: int = 100) -> Iterator[tuple[str, str]]:
    """Name and `--help` of the program and of each command, in order: what docs/cli.md is made of."""
    yield from _helps("labeltrail", typer.main.get_command(app), width)


def _helps(called: str, command: Any, width: int) -> Iterator[tuple[str, str]]:
    context = command.context_class(command, info_name=called, terminal_width=width, max_content_width=width)
    yield called, command.get_help(context)
    for name, below in getattr(command, "commands", {}).items():
        yield from _helps(f"{called} {name}", below, width)


def _exit_codes() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in sorted(meanings())]
    return "\n".join(["## Exit codes", "", "| code | meaning |", "|---|---|", *rows, ""])


def meanings() -> Iterator[tuple[int, str]]:
    """Code and meaning of each kind of error, in the words of its class."""
    yield from OTHERS.items()
    for kind in LabeltrailError.__subclasses__():
        if kind.__module__ == LabeltrailError.__module__:
            yield kind.exit_code, (kind.__doc__ or "").partition("\n")[0].rstrip(".")


if __name__ == "__main__":
    main()
