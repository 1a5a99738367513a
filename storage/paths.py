"""Paths in a project, relative to its top folder, that several modules share.

The path of a single format is `PATH` in its module.
"""

from __future__ import annotations

from pathlib import Path

LABELS, SERIES = "data/labels", "data/series"  # as DVC names them; each has a pointer in git, `<path>.dvc`
STAGES, LOCK, PARAMS = "dvc.yaml", "dvc.lock", "params.yaml"

# Models.
CANDIDATE = Path("data/candidate")
BEST = Path("data/best")
START = Path("data/start")

MIRROR = Path(".labeltrail/mirror.sqlite")
