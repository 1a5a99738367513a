"""Create merge commits from git objects, without touching the work tree: an interruption changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from storage import process
from storage.labels.git_drivers import NAME as DRIVER
from storage.repo.git import Git

MISSING = ("040000", "tree", "4b825dc642cb6eb9a060e54bf8d69288fbee4904")  # git's empty tree


def tree(git: Git, ours: str, theirs: str, own: Collection[str]) -> tuple[str, list[str]]:
    """Merge two commits as git does; returns the tree, and the files with conflicts that are not `own`."""
    # The caller merges its `own` files, so the merge driver for labels need not run.
    arguments = ["git", "-c", f"merge.{DRIVER}.driver=false", "merge-tree", "--write-tree", "--name-only"]
    try:
        text = process.run([*arguments, "--no-messages", "-z", ours, theirs], cwd=git.root)
    except process.ProgramError as error:
        if error.returncode != 1 or not error.stdout:
            raise
        text = error.stdout
    made, *conflicts = text.split("\0")
    return made, sorted({path for path in conflicts if path} - set(own))


def with_files(git: Git, root: str, files: Mapping[str, str]) -> str:
    """Create a tree with these files, by path, added or replaced; returns the new tree."""
    entries = {}
    for line in git.names("ls-tree", "-z", root):
        facts, _, name = line.partition("\t")
        mode, kind, oid = facts.split(" ")
        entries[name] = (mode, kind, oid)
    for name in {path.partition("/")[0] for path in files}:
        if name in files:
            oid = _write(git, ["hash-object", "-w", "--stdin"], files[name])
            entries[name] = ("100644", "blob", oid)
        else:
            below = {p.partition("/")[2]: text for p, text in files.items() if p.startswith(f"{name}/")}
            oid = with_files(git, entries.get(name, MISSING)[2], below)
            entries[name] = ("040000", "tree", oid)
    return _write(git, ["mktree", "-z"], "".join(f"{' '.join(e)}\t{name}\0" for name, e in entries.items()))


def commit(git: Git, made: str, parents: Iterable[str], message: str) -> str:
    """Create a commit of a tree, on no branch yet."""
    arguments = [argument for parent in parents for argument in ("-p", parent)]
    return git.run("commit-tree", made, *arguments, stdin=message).strip()


def _write(git: Git, arguments: list[str], text: str) -> str:
    return process.output(["git", *arguments], cwd=git.root, stdin=text.encode()).decode().strip()
