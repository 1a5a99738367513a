"""Finds code in the clone that plain `dvc pull` may have written there.

That is an untracked module that hides another one, and any untracked or changed file whose bytes are in the DVC
cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.machinery import all_suffixes
from importlib.util import find_spec
from pathlib import Path
from sys import stdlib_module_names

from storage.files import md5
from storage.repo.dvc_cache import Cache
from storage.repo.git import Git

CODE = ("pipelines", "stages", "storage")
SUFFIXES = tuple(all_suffixes())


def find(git: Git, cache: Cache) -> tuple[list[str], list[str]]:
    """Paths of suspicious untracked files and of suspicious changed files."""
    known = set(git.names("ls-files", "-z"))
    unknown = [path for path in _modules(git.root) if path not in known]
    untracked = [path for path in unknown if _hides_module(path, known) or _is_in_cache(cache, path)]
    changed = git.names("diff", "--name-only", "-z", "--no-ext-diff", "HEAD")
    return sorted(untracked), [path for path in changed if _is_in_cache(cache, path)]


def _modules(root: Path) -> Iterator[str]:
    """Files that Python could import: at the top of the clone, and in the folders of code."""
    entries = [path for path in root.iterdir() if not path.name.startswith(".")]
    inner = [path for top in entries if top.is_dir() for path in top.glob("__init__.*")]
    below = [path for name in CODE for path in (root / name).rglob("*") if "__pycache__" not in path.parts]
    for path in {*entries, *inner, *below}:
        if path.name.endswith(SUFFIXES) and path.is_file():
            yield path.relative_to(root).as_posix()


def _hides_module(path: str, known: set[str]) -> bool:
    """Whether Python finds it instead of another module of its name."""
    name = _module(path)
    if "/" in name:
        return f"{name}.py" in known or f"{name}/__init__.py" in known
    if name in stdlib_module_names:
        return True
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _module(path: str) -> str:
    """Module of a file, with slashes: `a/b` of `a/b.py`, `a/b.abi3.so` and `a/b/__init__.py`."""
    folder, _, name = path.rpartition("/")
    name = name.partition(".")[0]
    return folder if name == "__init__" else f"{folder}/{name}".lstrip("/")


def _is_in_cache(cache: Cache, path: str) -> bool:
    file = cache.root / path
    return file.is_file() and cache.has(md5(file))
