"""`dvc.yaml`: the stages, and which of them a change affects."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from storage.errors import InputError
from storage.paths import STAGES
from storage.text.yaml_text import read_yaml

CURE = f"mend it, or: git checkout {STAGES}"


def read(root: Path) -> dict[str, dict[str, Any]]:
    """The stages by name, in the order in which they run.

    Raises:
        InputError: it is no YAML, or has none.
    """
    value = read_yaml(root / STAGES, CURE)
    stages = value.get("stages") if isinstance(value, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        why = "it has no section `stages`"
        raise InputError("the stages cannot be read", where=str(root / STAGES), why=why, cure=CURE)
    return stages


def run_again(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Stages that `dvc repro` runs once these files have changed, and the file that is the reason."""
    changed, stages = set(paths), {}
    for name, stage in read(root).items():
        causes = [dep for dep in stage.get("deps", ()) if dep in changed]
        if causes:
            stages[name] = causes[0]
            changed |= {out if isinstance(out, str) else next(iter(out)) for out in stage.get("outs", ())}
    return stages
