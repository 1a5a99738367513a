"""Progress bars and notes on standard error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from storage.printable import printable

T = TypeVar("T")
console = Console(stderr=True, highlight=False)
COLOURS = {"+": "green", "-": "red", "~": "yellow", "*": "cyan"}


def print_tinted(lines: Iterable[str]) -> None:
    """Print lines in the colour of their first sign; without colours where standard output is no terminal."""
    out = Console(highlight=False)
    for line in map(printable, lines):
        style = COLOURS.get(line.lstrip()[:1], "") if out.is_terminal else ""
        out.print(line, style=style, markup=False, emoji=False, soft_wrap=True)


def note(text: str) -> None:
    """Print a line on standard error."""
    console.print(printable(text), markup=False, emoji=False, soft_wrap=True)


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` with a progress bar, if standard error is a terminal."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with bar(description, total) as advance:
        for item in items:
            yield item
            advance()


class Advance:
    """Advances a progress bar and changes its description."""

    def __init__(self, progress: Progress, description: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total)

    def __call__(self, steps: int = 1, description: str | None = None) -> None:
        self._progress.update(self._task, advance=steps, description=description)


@contextmanager
def bar(description: str, total: int | None = None) -> Iterator[Advance]:
    """A progress bar for work that is not a simple loop."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Advance(progress, description, total)
