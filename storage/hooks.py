"""git hooks of a clone: after a checkout or a pull `data/` follows the pointers that git moved."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from storage.git import Git
from storage.progress import note

NAMES = ("post-checkout", "post-merge")
SIGN = "# Written by labeltrail: data/ follows what git checks out."
# The path of a clone may hold anything; where its DVC is gone, git's own work goes on.
HOOK = """#!/bin/sh
{sign}
dvc={dvc}
test -f data/labels.dvc || exit 0
test -x "$dvc" && exec "$dvc" checkout --quiet --allow-missing
echo "labeltrail: data/ does not follow this checkout, for $dvc is gone (next: labeltrail git-setup)" >&2
"""


def install(git: Git) -> None:
    """Write the hooks into the clone, or into the one that its worktree belongs to; what others wrote there stays.

    A hook of somebody's own, or a folder of hooks outside of the clone (`core.hooksPath`), is named with what to add.
    """
    hooks = _folder(git, "--git-path", "hooks")
    text = HOOK.format(sign=SIGN, dvc=shlex.quote(str(Path(sys.executable).parent / "dvc")))
    own = _folder(git, "--git-common-dir")
    for path in (hooks / name for name in NAMES):
        known = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        if hooks.parent == own and (not known or SIGN in known):
            if known != text:
                hooks.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
        elif "dvc" not in known:
            note(
                f"{path} is not ours to change; for data/ to follow git, add to it: dvc checkout --allow-missing"
            )


def _folder(git: Git, *words: str) -> Path:
    # A path may end in blanks, and git prints one line feed behind it.
    return (git.root / git.git("rev-parse", *words).removesuffix("\n")).resolve()
