"""Every command, in the order of `labeltrail --help`: importing a module here registers its commands."""

from __future__ import annotations

from pipelines.cli import branches, classify, history, labels, model, project
from pipelines.cli.app import app

__all__ = ["app", "branches", "classify", "history", "labels", "model", "project"]
