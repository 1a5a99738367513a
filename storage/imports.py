"""Import guard: modules that Python imports from the clone's top folder must be in git.

`python -m stages.train` searches that folder first, before the standard library and packages. And plain `dvc pull`
writes files where the listings in the bucket say, also to `../../numpy.py`. This runs before anything else, so it
imports only modules that Python has loaded by then, for one of the standard library could be in that folder, too.

`python -P` is no alternative: it would run the stages of the installed clone, not of the one of `dvc exp run --temp`.
"""

import os
import sys
from importlib.machinery import PathFinder

OURS = frozenset({"benchmarks", "pipelines", "stages", "storage", "tests"})
REFUSED = 6  # exit code of a check that failed


def guard() -> None:
    """Check all further imports, if Python searches the clone's top folder."""
    root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    looked_in = any(os.path.realpath(entry or ".") == root for entry in sys.path)
    if looked_in and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(root))


class _Finder:
    """A finder that finds no module, and ends the program before an untracked one is imported."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.names = {name.partition(".")[0] for name in os.listdir(root)} - OURS

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        """Called by Python for every module that is not loaded yet; only top-level modules matter."""
        if path is not None or name not in self.names:
            return
        spec = PathFinder.find_spec(name, [self.root])
        if spec is None:
            return
        if spec.origin is None and PathFinder.find_spec(name, self._elsewhere()):
            return  # packages have precedence over a folder without `__init__.py`
        if name in sys.stdlib_module_names or not self._is_in_git(spec.origin or name):
            self._exit(name, spec.origin or os.path.join(self.root, name))

    def _elsewhere(self) -> list[str]:
        return [entry for entry in sys.path if os.path.realpath(entry or ".") != self.root]

    def _is_in_git(self, path: str) -> bool:
        import subprocess

        words = ["git", "--literal-pathspecs", "-C", self.root, "ls-files", "-z", "--", path]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0 and done.stdout != b""

    def _exit(self, name: str, path: str) -> None:
        """Print an error and exit at once: the importing code might catch SystemExit."""
        shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in path)
        file = os.path.relpath(shown, self.root)
        sys.stderr.write(
            f"{file} is not in git, and Python would run it as {name!r}\n"
            f"  where: {shown}\n"
            "  why: plain `dvc pull` writes files wherever somebody who may write to the bucket wants them\n"
            "  next: look at it; delete it, or rename it or git add it if it is yours; then labeltrail doctor\n"
        )
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(REFUSED)
