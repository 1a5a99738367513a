"""Every command. Importing a module registers its commands, in the order of `labeltrail --help`."""

from __future__ import annotations

from pipelines.cli import project, labels, history, branches, model, classify  # isort: skip
from pipelines.cli.app import app

__all__ = ["app", "branches", "classify", "history", "labels", "model", "project"]
