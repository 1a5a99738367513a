"""Results of commands: `to_json` is for `--json`, `lines` for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """A result whose JSON has its fields by name."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
