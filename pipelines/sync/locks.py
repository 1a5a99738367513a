"""One at a time: two commands in one clone, and two clones that change annotations in Label Studio.

What a sync reads it may read while another one writes: `sync.json` is replaced only if it is still the one that was
read, and whoever loses starts again. Changes in Label Studio cannot be taken back so easily; whoever makes them says
so in `sync.json` first and again every few seconds, and the others wait. A word that no longer changes is of a run
that was killed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar
from uuid import uuid4

from storage import process, worktree
from storage.errors import ConflictError, LabeltrailError
from storage.labels.conflicts import OvertakenError
from storage.progress import note
from storage.project import Project
from storage.remote.sync_state import State

BEAT = 3.0  # seconds between two words of somebody who is at it
PATIENCE = 20.0  # seconds without a new word after which somebody is taken for gone
POLL = 0.5
GRACE = 2.0  # seconds that Label Studio has to end what a run of this clone had asked for when it was killed
NOTE = "pushing"
WAITING = "another command is at work in this clone; waiting for it"
HELD = threading.local()  # locks of this thread: a file lock does not know its owner again
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def alone(project: Project) -> Iterator[None]:
    """One command that changes a clone at a time; another one waits. What one that was killed left half done goes.

    A thread that has the clone to itself may enter again: a merge calls sync. Which branch is checked out is read
    anew after the wait.
    """
    if project.is_dry and not (project.root / ".labeltrail/lock").exists():
        yield  # it makes no file: nobody has worked here yet
        return
    path = (project.root / ".labeltrail" / "lock").resolve()
    held: set[Path] = HELD.__dict__.setdefault("paths", set())
    if path in held:
        yield
        return
    with process.lock(path, lambda: note(WAITING)):
        held.add(path)
        try:
            project.forget_branch()
            if not project.is_dry:
                worktree.sweep(project)
            yield
        finally:
            held.discard(path)


def exclusive(
    pipeline: Callable[Concatenate[Project, P], R],
) -> Callable[Concatenate[Project, P], R]:
    """Have a pipeline run with the clone to itself, from its first look to its last."""

    @wraps(pipeline)
    def run(project: Project, /, *words: P.args, **options: P.kwargs) -> R:
        with alone(project):
            return pipeline(project, *words, **options)

    return run


def wait(project: Project) -> State | None:
    """`sync.json`, once nobody is changing annotations in Label Studio any more."""
    state = project.remote.state()
    if state is not None and state.pushing and state.pushing == project.mirror.note(NOTE):
        note("the last sync of this clone was cut off; going on in its place")
        time.sleep(GRACE)
        state = project.remote.state()
    seen, since = "", time.monotonic()
    while state is not None and state.pushing and state.pushing != project.mirror.note(NOTE):
        if state.pushing != seen:
            if not seen:
                note("somebody else's sync changes Label Studio; waiting for it")
            seen, since = state.pushing, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            note("it was cut off; going on in its place")
            return state
        time.sleep(POLL)
        state = project.remote.state()
    return state


class Holder:
    """Whoever may change annotations in Label Studio now."""

    def __init__(self, project: Project, state: State) -> None:
        self.project, self.state = project, state
        self._next = 0.0
        self.beat()

    def beat(self) -> None:
        """Say that this is still going on.

        Raises:
            OvertakenError: somebody took this run for gone.
        """
        if time.monotonic() >= self._next:
            word = uuid4().hex
            # Noted before it is said, so that after a crash this clone knows its own word.
            self.project.mirror.set_note(NOTE, word)
            self.state = write(self.project, replace(self.state, pushing=word))
            self._next = time.monotonic() + BEAT


@contextmanager
def held(project: Project, state: State) -> Iterator[Holder]:
    """Have Label Studio to oneself; whoever leaves with an error lets the others in.

    Raises:
        OvertakenError: somebody else synced since `state` was read.
    """
    holder = Holder(project, state)
    try:
        yield holder
    except LabeltrailError:
        with suppress(LabeltrailError):
            write(project, replace(holder.state, pushing=""))
        raise


def write(project: Project, state: State) -> State:
    """Write `sync.json`.

    Raises:
        OvertakenError: somebody else did, since `state` was read.
    """
    try:
        return project.remote.write_state(state)
    except ConflictError as error:
        raise OvertakenError("somebody else synced this branch meanwhile", cure="labeltrail sync") from error
