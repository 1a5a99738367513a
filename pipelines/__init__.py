"""The pipelines that a person runs."""

from storage import imports

imports.guard()
