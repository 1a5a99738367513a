"""Writes docs/cli.md: every command's `--help` and the exit codes, so that the page cannot drift from the program.

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

Made from `--help` by `make docs`; edit the docstrings in `pipelines/cli/`, not this page.

Retraining is `dvc repro`, which is DVC's own command: its stages are those of `dvc.yaml`. Everything else is
`labeltrail`. With `--json` a command prints one object with a `version` on standard output, also when it fails
(then the object is `error` with `what`, `where`, `why`, `next`); people's text about errors goes to standard error.
"""
# What no class of storage/errors.py stands for.
OTHERS = {
    0: "done",
    1: "a bug, with its traceback",
    2: "wrong usage: the command line was not understood",
}


def main() -> None:
    """Write the page."""
    write_bytes(PATH, render().encode())


def render() -> str:
    """The whole page."""
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
