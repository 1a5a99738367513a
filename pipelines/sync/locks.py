"""Locks: a file lock for two commands in one clone, a lease for two clones that change annotations in Label Studio.

A sync needs no lock to read: `sync.json` is replaced only if it is still the one that was read, else the sync is
retried. Changes in Label Studio cannot be undone so easily, so a run acquires a lease first: a random token in
`sync.json`, renewed every few seconds (the heartbeat), for which others wait. A token that stays the same for too
long is that of a killed run.
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
from storage.remote.remote import Remote
from storage.remote.sync_state import State

HEARTBEAT_S = 3.0  # between two renewals of a lease
LEASE_TTL_S = 20.0  # after which a lease that was not renewed has expired
POLL_S = 0.5
SETTLE_S = 2.0  # for Label Studio to finish the requests of a killed run of this clone
LEASE_NOTE = "pushing"  # note in the mirror with this clone's token
WAITING = "another command is running in this clone; waiting for it"
LOCKED = threading.local()  # paths that this thread has locked: a file lock is not reentrant
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def clone_lock(project: Project) -> Iterator[None]:
    """Lock a clone, so that one command at a time changes it; cleans up after a killed command.

    Reentrant within a thread: a merge calls sync. After waiting for the lock, the checked-out branch is read again.
    """
    path = (project.root / ".labeltrail/lock").resolve()
    if project.is_dry and not path.exists():
        yield  # a dry run makes no file, and no other command has run in this clone yet
        return
    locked: set[Path] = LOCKED.__dict__.setdefault("paths", set())
    if path in locked:
        yield
        return
    with process.lock(path, lambda: note(WAITING)):
        locked.add(path)
        try:
            project.forget_branch()
            if not project.is_dry:
                worktree.remove_partial_files(project.root)
            yield
        finally:
            locked.discard(path)


def exclusive(pipeline: Callable[Concatenate[Project, P], R]) -> Callable[Concatenate[Project, P], R]:
    """Run a pipeline under the clone's lock."""

    @wraps(pipeline)
    def run(project: Project, /, *args: P.args, **options: P.kwargs) -> R:
        with clone_lock(project):
            return pipeline(project, *args, **options)

    return run


def wait_for_lease(remote: Remote) -> State | None:
    """Wait until no other run holds the lease, or its lease has expired; returns `sync.json`."""
    state = remote.state()
    if state is not None and state.pushing and state.pushing == remote.mirror.note(LEASE_NOTE):
        note("the last sync of this clone was interrupted; resuming")
        time.sleep(SETTLE_S)
        state = remote.state()
    seen, since = "", time.monotonic()
    while state is not None and state.pushing and state.pushing != remote.mirror.note(LEASE_NOTE):
        if state.pushing != seen:
            if not seen:
                note("somebody else's sync is changing Label Studio; waiting for it")
            seen, since = state.pushing, time.monotonic()
        elif time.monotonic() - since > LEASE_TTL_S:
            note("it was interrupted; resuming")
            return state
        time.sleep(POLL_S)
        state = remote.state()
    return state


class Lease:
    """A lock with a timeout: its holder may change annotations in Label Studio as long as it is renewed."""

    def __init__(self, remote: Remote, state: State) -> None:
        self.remote, self.state = remote, state
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
            self.remote.mirror.set_note(LEASE_NOTE, token)
            self.state = write_state(self.remote, replace(self.state, pushing=token))
            self._next = time.monotonic() + HEARTBEAT_S


@contextmanager
def lease(remote: Remote, state: State) -> Iterator[Lease]:
    """Acquire the lease; an error releases it.

    Raises:
        OvertakenError: somebody else synced since `state` was read.
    """
    acquired = Lease(remote, state)
    try:
        yield acquired
    except LabeltrailError:
        with suppress(LabeltrailError):
            write_state(remote, replace(acquired.state, pushing=""))
        raise


def write_state(remote: Remote, state: State) -> State:
    """Write `sync.json`.

    Raises:
        OvertakenError: somebody else did, since `state` was read.
    """
    try:
        return remote.write_state(state)
    except ConflictError as error:
        raise OvertakenError("somebody else synced this branch meanwhile", cure="labeltrail sync") from error
