"""Locks: a file lock for two commands in one clone, a lease for two clones that change annotations in Label Studio.

A sync needs no lock to read: `sync.json` is replaced only if it is still the one that was read, else the sync is
retried. Changes in Label Studio cannot be undone so easily, so a run takes a lease first: a random token in
`sync.json`, renewed every few seconds, for which others wait. A stale heartbeat (a token that stays the same for too
long) is a killed run's.
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

HEARTBEAT_S = 3.0  # between two renewals of a lease
LEASE_TTL_S = 20.0  # after which a lease that was not renewed has expired
POLL_S = 0.5
SETTLE_S = 2.0  # for Label Studio to finish the requests of a killed run of this clone
LEASE_NOTE = "pushing"  # in the mirror: this clone's token
WAITING = "another command is running in this clone; waiting for it"
LOCKED = threading.local()  # paths that this thread has locked: a file lock is not reentrant
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def clone_lock(project: Project) -> Iterator[None]:
    """Let one command at a time change a clone; clears what a killed one left half done.

    Reentrant within a thread: a merge calls sync. Which branch is checked out is read anew after the wait.
    """
    if project.is_dry and not (project.root / ".labeltrail/lock").exists():
        yield  # a dry run makes no file, and nothing has run here yet
        return
    path = (project.root / ".labeltrail" / "lock").resolve()
    locked: set[Path] = LOCKED.__dict__.setdefault("paths", set())
    if path in locked:
        yield
        return
    with process.lock(path, lambda: note(WAITING)):
        locked.add(path)
        try:
            project.forget_branch()
            if not project.is_dry:
                worktree.remove_partial_files(project)
            yield
        finally:
            locked.discard(path)


def exclusive(
    pipeline: Callable[Concatenate[Project, P], R],
) -> Callable[Concatenate[Project, P], R]:
    """Run a pipeline under the clone's lock."""

    @wraps(pipeline)
    def run(project: Project, /, *args: P.args, **options: P.kwargs) -> R:
        with clone_lock(project):
            return pipeline(project, *args, **options)

    return run


def wait_for_lease(project: Project) -> State | None:
    """`sync.json`, once no other run holds the lease, or its lease has expired."""
    state = project.remote.state()
    if state is not None and state.pushing and state.pushing == project.mirror.note(LEASE_NOTE):
        note("the last sync of this clone was interrupted; resuming")
        time.sleep(SETTLE_S)
        state = project.remote.state()
    seen, since = "", time.monotonic()
    while state is not None and state.pushing and state.pushing != project.mirror.note(LEASE_NOTE):
        if state.pushing != seen:
            if not seen:
                note("somebody else's sync is changing Label Studio; waiting for it")
            seen, since = state.pushing, time.monotonic()
        elif time.monotonic() - since > LEASE_TTL_S:
            note("it was interrupted; resuming")
            return state
        time.sleep(POLL_S)
        state = project.remote.state()
    return state


class Lease:
    """The right to change annotations in Label Studio, while it is renewed."""

    def __init__(self, project: Project, state: State) -> None:
        self.project, self.state = project, state
        self._next = 0.0
        self.heartbeat()

    def heartbeat(self) -> None:
        """Renew the lease.

        Raises:
            OvertakenError: it had expired, and somebody else took it.
        """
        if time.monotonic() >= self._next:
            token = uuid4().hex
            # Noted before it is written, so that after a crash this clone knows its own token.
            self.project.mirror.set_note(LEASE_NOTE, token)
            self.state = write_state(self.project, replace(self.state, pushing=token))
            self._next = time.monotonic() + HEARTBEAT_S


@contextmanager
def lease(project: Project, state: State) -> Iterator[Lease]:
    """Hold the lease; an error releases it.

    Raises:
        OvertakenError: somebody else synced since `state` was read.
    """
    held = Lease(project, state)
    try:
        yield held
    except LabeltrailError:
        with suppress(LabeltrailError):
            write_state(project, replace(held.state, pushing=""))
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
