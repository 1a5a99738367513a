"""git hooks of a clone that check out `data/` after a git checkout or pull.

They do what `dvc checkout --allow-missing` does, with verified bytes and validated paths: DVC itself writes wherever
a listing says.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from storage import printable
from storage.errors import LabeltrailError
from storage.progress import note
from storage.repo.git import Git, find_root
from storage.repo.repository import Repository

NAMES = ("post-checkout", "post-merge")
SIGN = "# Written by labeltrail: data/ follows what git checks out."
COMMAND = "-P -m storage.repo.git_hooks"
# The path of a clone may hold any character; without its Python the hook only prints a note.
HOOK = """#!/bin/sh
{sign}
python={python}
test -f data/labels.dvc || exit 0
test -x "$python" && exec "$python" {command}
echo "labeltrail: data/ does not follow this checkout, for $python is gone (next: labeltrail git-setup)" >&2
"""


def main() -> int:
    """Run a hook; returns the exit status."""
    try:
        missing = Repository(find_root(Path.cwd())).checkout_cached()
    except LabeltrailError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    missing = [path for path in missing if Path(f"{path}.dvc").exists()]
    if missing:
        names = ", ".join(missing)
        text = f"labeltrail: {names} as before: not in the DVC cache (next: labeltrail sync)"
        printable.say(text, sys.stderr)
    return 0


def install(git: Git) -> None:
    """Write the hooks into the clone, or into the main clone of a linked worktree.

    Hooks of somebody else, or a folder of hooks outside of the clone (`core.hooksPath`), stay: a note says what to
    add.
    """
    hooks = _folder(git, "--git-path", "hooks")
    python = shlex.quote(sys.executable)
    text = HOOK.format(sign=SIGN, python=python, command=COMMAND)
    own = _folder(git, "--git-common-dir")
    for path in (hooks / name for name in NAMES):
        content = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        if hooks.parent == own and (not content or SIGN in content):
            if content != text:
                hooks.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
        elif COMMAND not in content:
            note(f"{path} is not ours to change; for data/ to follow git, add to it: {python} {COMMAND}")


def outdated(git: Git) -> list[str]:
    """Hooks of an earlier Labeltrail, which run `dvc checkout`."""
    folder = _folder(git, "--git-path", "hooks")
    texts = {
        path: path.read_text(encoding="utf-8", errors="replace")
        for name in NAMES
        if (path := folder / name).is_file()
    }
    return [str(path) for path, text in texts.items() if SIGN in text and COMMAND not in text]


def _folder(git: Git, *arguments: str) -> Path:
    # Only the final line feed is removed: a path may end in blanks.
    return (git.root / git.run("rev-parse", *arguments).removesuffix("\n")).resolve()


if __name__ == "__main__":
    sys.exit(main())
