"""Commands that read the history of labels."""

from __future__ import annotations
