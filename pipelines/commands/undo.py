"""Commands that go back, and what keeps going back possible."""

from __future__ import annotations
