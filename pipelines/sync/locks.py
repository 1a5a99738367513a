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

HEARTBEAT_S = 3.0  # seconds between two words of somebody who is at it
LEASE_TTL_S = 20.0  # seconds without a new word after which somebody is taken for gone
POLL_S = 0.5
SETTLE_S = (
    2.0  # seconds that Label Studio has to end what a run of this clone had asked for when it was killed
)
LEASE_NOTE = "pushing"
WAITING = "another command is at work in this clone; waiting for it"
LOCKED = threading.local()  # locks of this thread: a file lock does not know its owner again
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def clone_lock(project: Project) -> Iterator[None]:
    """One command that changes a clone at a time; another one waits. What one that was killed left half done goes.

    A thread that has the clone to itself may enter again: a merge calls sync. Which branch is checked out is read
    anew after the wait.
    """
    if project.is_dry and not (project.root / ".labeltrail/lock").exists():
        yield  # it makes no file: nobody has worked here yet
        return
    path = (project.root / ".labeltrail" / "lock").resolve()
    held: set[Path] = LOCKED.__dict__.setdefault("paths", set())
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
        with clone_lock(project):
            return pipeline(project, *words, **options)

    return run


def wait_for_lease(project: Project) -> State | None:
    """`sync.json`, once nobody is changing annotations in Label Studio any more."""
    state = project.remote.state()
    if state is not None and state.pushing and state.pushing == project.mirror.note(LEASE_NOTE):
        note("the last sync of this clone was cut off; going on in its place")
        time.sleep(SETTLE_S)
        state = project.remote.state()
    seen, since = "", time.monotonic()
    while state is not None and state.pushing and state.pushing != project.mirror.note(LEASE_NOTE):
        if state.pushing != seen:
            if not seen:
                note("somebody else's sync changes Label Studio; waiting for it")
            seen, since = state.pushing, time.monotonic()
        elif time.monotonic() - since > LEASE_TTL_S:
            note("it was cut off; going on in its place")
            return state
        time.sleep(POLL_S)
        state = project.remote.state()
    return state


class Lease:
    """Whoever may change annotations in Label Studio now."""

    def __init__(self, project: Project, state: State) -> None:
        self.project, self.state = project, state
        self._next = 0.0
        self.heartbeat()

    def heartbeat(self) -> None:
        """Say that this is still going on.

        Raises:
            OvertakenError: somebody took this run for gone.
        """
        if time.monotonic() >= self._next:
            word = uuid4().hex
            # Noted before it is said, so that after a crash this clone knows its own word.
            self.project.mirror.set_note(LEASE_NOTE, word)
            self.state = write_state(self.project, replace(self.state, pushing=word))
            self._next = time.monotonic() + HEARTBEAT_S


@contextmanager
def lease(project: Project, state: State) -> Iterator[Lease]:
    """Have Label Studio to oneself; whoever leaves with an error lets the others in.

    Raises:
        OvertakenError: somebody else synced since `state` was read.
    """
    holder = Lease(project, state)
    try:
        yield holder
    except LabeltrailError:
        with suppress(LabeltrailError):
            write_state(project, replace(holder.state, pushing=""))
        raise


def write_state(project: Project, state: State) -> State:
    """Write `sync.json`.

    Raises:
        OvertakenError: somebody else did, since `state` was read.
    """
    try:
        return project.remote.write_state(state)
    except ConflictError as error:
        raise OvertakenError("somebody else synced this branch meanwhile", cure="labeltrail sync") from error
