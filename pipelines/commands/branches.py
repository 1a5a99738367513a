"""Commands for label experiments: branches and restoring a project."""

from __future__ import annotations
