"""git's settings of a clone: the hook that updates data/, and the drivers that diff and merge labels."""

from __future__ import annotations

from storage.labels import git_drivers
from storage.repo import git_hooks
from storage.repo.git import Git


def set_up(git: Git) -> None:
    """Set them, in the place of those of an earlier version."""
    git_hooks.install(git)
    git_drivers.configure(git)
