"""git, run as a command in one clone: commits, branches, and the label commits among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from storage import process
from storage.errors import InputError, NotFoundError
from storage.paths import LABELS, SERIES
from storage.repo import git_locks
from storage.repo.pointer import parse_pointer

# Whatever this user's git is set to print besides what it is asked for.
GIT = ("git", "-c", "log.showSignature=false", "-c", "color.ui=false")
# Fields and commits end in a zero byte, the one character that git allows in no message and no name.
LOG_FIELDS = ("%H", "%P", "%aI", "%an <%ae>", "%s")

WHO = 'git config user.name "YOUR NAME"; git config user.email YOU@EXAMPLE.COM; then the command again'


@dataclass(frozen=True)
class LabelCommit:
    """A commit that changed `data/labels.dvc`, and the hashes of the labels and recordings it holds.

    Attributes:
        commit: its id.
        labels, series: DVC's hashes of the two folders; "" where it has none.
        subject: first line of its message.
        time: when it was made, ISO 8601.
        author: `Ann <ann@example.com>`.
        parents: ids of the commits before it; two or more: a merge.
        before: hash of the labels of the first of them; "" where it had none.
    """

    commit: str
    labels: str
    series: str
    subject: str
    time: str = ""
    author: str = ""
    parents: tuple[str, ...] = ()
    before: str = ""


class Git:
    """One clone's git.

    Args:
        root: the clone's top folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run git in the clone; returns what it prints.

        Args:
            arguments: of the command line.
            stdin: what it may read: messages, which may be longer than an argument and begin with a dash.

        Raises:
            ProgramError: git failed; carries its messages.
            InputError: it does not know who commits or tags.
        """
        try:
            data = process.output([*GIT, *arguments], cwd=self.root, stdin=stdin.encode())
            return data.decode("utf-8", "replace")
        except process.ProgramError as error:
            if "user.email" in error.stderr:  # in whatever language
                raise InputError("git does not know who commits", where=str(self.root), cure=WHO) from error
            locks = git_locks.named(error.stderr)
            if not locks or not git_locks.remove_stale(locks, self.root):
                raise
            return self.run(*arguments, stdin=stdin)

    def lines(self, *arguments: str) -> list[str]:
        """Run git; returns its lines, which end in a line feed and in nothing else that Python takes for an end."""
        return [line for line in self.run(*arguments).split("\n") if line]

    def names(self, *arguments: str) -> list[str]:
        """Run git with `-z` among the arguments; returns the names that it prints."""
        return [name for name in self.run(*arguments).split("\0") if name]

    def branch(self) -> str:
        """The branch that is checked out.

        Raises:
            InputError: HEAD is detached.
        """
        name = self.run("branch", "--show-current").strip()
        if not name:
            raise InputError("no branch is checked out", where=str(self.root), cure="git switch main")
        return name

    def move(self, *arguments: str) -> None:
        """Run the git command that moves HEAD and the work tree elsewhere.

        Raises:
            InputError: git refuses, for files of the work tree that are in no commit, say; nothing was moved.
            ProgramError: git moved and failed then: a hook did.
        """
        before = self._place()
        try:
            self.run(*arguments)
        except process.ProgramError as error:
            if self._place() != before:
                raise
            what = f"git refuses to {arguments[0]}"
            cure = "git commit, or git stash -u, what git names; then the same command again"
            raise InputError(what, where=str(self.root), why=error.why, cure=cure) from error

    def _place(self) -> str:
        """Commit and branch that are checked out."""
        return self.run("rev-parse", "HEAD", "--symbolic-full-name", "HEAD")

    def head(self) -> str:
        """The commit that is checked out."""
        return self.run("rev-parse", "HEAD").strip()

    def changed(self, paths: Iterable[str]) -> list[str]:
        """Which of these files differ from the commit that is checked out, or are not in it."""
        known = [path for path in paths if (self.root / path).exists()]
        words = ("status", "--porcelain=v1", "-z", "--untracked-files=all", "--", *known)
        return sorted(entry[3:] for entry in self.names(*words)) if known else []

    def missing(self, paths: Iterable[str]) -> list[str]:
        """Which of these files the commit that is checked out has and the work tree lacks."""
        gone = [path for path in paths if not (self.root / path).exists()]
        if not gone:
            return []
        return self.names("ls-tree", "--name-only", "-z", "HEAD", "--", *gone)

    def commit(self, paths: Iterable[str], message: str) -> str:
        """Commit these files and nothing else that may be staged; returns the commit.

        Returns "" where they are as in the last commit after all: only the index had them otherwise.

        Raises:
            InputError: git does not know who commits.
            ProgramError: git refuses, a hook of the clone for example; the files stay as they are.
        """
        names = list(paths)
        self.run("add", "--", *names)
        try:
            words = ("--quiet", "--only", "--cleanup=whitespace", "--file=-")
            self.run("commit", *words, "--", *names, stdin=message)
        except process.ProgramError as error:
            if not self.run("diff", "--cached", "--name-only", "HEAD", "--", *names):
                return ""
            raise process.ProgramError(
                "git did not commit",
                returncode=error.returncode,
                stderr=error.stderr,
                where=str(self.root),
                why=process.tail(error.stderr) or error.why,
                cure="mend what git names (a hook, signing, user.name), then the same command again: "
                "the labels are in the work tree",
            ) from error
        return self.head()

    def show(self, revision: str, path: str) -> str | None:
        """A file's text in a revision; None where it is not there."""
        try:
            return self.run("show", f"{revision}:{path}")
        except process.ProgramError:
            return None

    def resolve(self, revision: str) -> str:
        """The commit that a revision names.

        Raises:
            NotFoundError: it names none.
        """
        try:
            words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            return self.run(*words).strip()
        except process.ProgramError as error:
            what = f"there is no revision {revision!r} here"
            cure = "git fetch --unshallow" if self.cut_at() else "labeltrail log, or git fetch"
            raise NotFoundError(what, where=str(self.root), cure=cure) from error

    def labels_at(self, revision: str) -> str:
        """Hash of the label snapshot in a revision; "" where it has none."""
        return parse_pointer(self.show(revision, f"{LABELS}.dvc"))

    def contents(self, names: Iterable[str]) -> Iterator[str | None]:
        """Texts of `<revision>:<path>`, by one git for any number; None where there is no such file."""
        wanted = list(names)
        if not wanted:
            return
        listed = "".join(f"{name}\n" for name in wanted).encode()
        data = process.output([*GIT, "cat-file", "--batch"], cwd=self.root, stdin=listed)
        place = 0
        for _ in wanted:
            end = data.index(b"\n", place)
            header, place = data[place:end].split(), end + 1
            if header[-1] == b"missing":
                yield None
                continue
            size = int(header[-1])
            yield data[place : place + size].decode("utf-8", "replace")
            place += size + 1

    def tags(self) -> dict[str, list[str]]:
        """Names of the tags on each commit."""
        form = "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname:short)"
        found: dict[str, list[str]] = {}
        for line in self.lines("for-each-ref", form, "refs/tags"):
            commit, _, name = line.partition(" ")
            found.setdefault(commit, []).append(name)
        return found

    def label_commits(self, revision: str = "HEAD", *narrowed: str) -> Iterator[LabelCommit]:
        """Commits that changed the label snapshot, newest first, on both sides of a merge.

        Args:
            revision: the newest, a branch, or a range such as `main..walks`.
            narrowed: options of `git log`, such as `--since=2026-01-01`.
        """
        found = self._commits(revision, [f"{LABELS}.dvc"], "--full-history", *narrowed)
        cut = self.cut_at()  # what those commits changed nobody can tell
        return (commit for commit in found if commit.labels != commit.before and commit.commit not in cut)

    def synced_commits(self, revision: str = "HEAD") -> Iterator[LabelCommit]:
        """Commits that changed the label snapshot or the recordings, newest first."""
        return self._commits(revision, [f"{LABELS}.dvc", f"{SERIES}.dvc"], "--full-history")

    def every_synced_commit(self) -> Iterator[LabelCommit]:
        """The same of all branches, here and known from git remotes, and of all tags."""
        pointers = [f"{LABELS}.dvc", f"{SERIES}.dvc"]
        return self._commits("HEAD", pointers, "--full-history", "--branches", "--tags", "--remotes")

    def label_commit_at(self, revision: str = "HEAD", *narrowed: str) -> LabelCommit | None:
        """The label commit whose labels a revision has; None where it has none.

        With `--first-parent` a merge that brought labels is itself that commit.

        Raises:
            InputError: it is older than what this shallow clone has.
        """
        # Without the full history git follows the side of a merge that the labels came from.
        found = next(self._commits(revision, [f"{LABELS}.dvc"], "--max-count=1", *narrowed), None)
        if found and found.commit in self.cut_at():
            self.require_whole_history()
        return found if found and found.labels else None

    def cut_at(self) -> frozenset[str]:
        """The oldest commits of a shallow clone, which seem to have no parents; none in a whole one."""
        own = self.root / ".git"
        # Worktrees and submodules have a file there, and their folder elsewhere.
        found = "" if own.is_dir() else self.run("rev-parse", "--git-path", "shallow").removesuffix("\n")
        path = self.root / found if found else own / "shallow"
        return frozenset(path.read_text(encoding="utf-8").split()) if path.is_file() else frozenset()

    def main_clone(self) -> Path | None:
        """The clone that a linked worktree belongs to; None where this is none, or one of a bare repository."""
        if (self.root / ".git").is_dir():
            return None
        listed = self.run("worktree", "list", "--porcelain", "-z")
        first = Path(listed.split("\0")[0].removeprefix("worktree "))
        return None if first == self.root.resolve() or not (first / ".git").exists() else first

    def require_whole_history(self) -> None:
        """Check that the whole history is there, as finding the commit that first made these labels needs it.

        Raises:
            InputError: this is a shallow clone.
        """
        if self.cut_at():
            why = "it is a shallow clone, and earlier commits may have had these labels"
            cure = "git fetch --unshallow; then the same command again"
            raise InputError("the history of this clone is cut off", where=str(self.root), why=why, cure=cure)

    def _commits(self, revision: str, paths: list[str], *options: str) -> Iterator[LabelCommit]:
        form = "--format=" + "%x00".join(LOG_FIELDS)
        text = self.run("log", "-z", form, *options, "--end-of-options", revision, "--", *paths)
        fields = text.split("\0")[:-1]
        found = list(zip(*(fields[n :: len(LOG_FIELDS)] for n in range(len(LOG_FIELDS))), strict=True))
        names = [
            f"{name}.dvc" for commit, *_ in found
            for name in (f"{commit}:{LABELS}", f"{commit}:{SERIES}", f"{commit}^:{LABELS}")
        ]  # fmt: skip
        texts = self.contents(names)
        for commit, parents, time, author, subject in found:
            labels, series, before = (parse_pointer(next(texts)) for _ in range(3))
            yield LabelCommit(commit, labels, series, subject, time, author, tuple(parents.split()), before)

    def label_commit(self, labels: str) -> str | None:
        """The first commit whose snapshot has this hash: the one that made these labels.

        Raises:
            InputError: this is a shallow clone, in which another would seem to be the first.
        """
        self.require_whole_history()
        commits = [found.commit for found in self.label_commits() if found.labels == labels != ""]
        return commits[-1] if commits else None


def prefix_of(branch: str) -> str:
    """The branch as the first part of keys in the bucket."""
    return branch.replace("/", "--")


def find_root(start: Path) -> Path:
    """The project that a folder lies in: the nearest git clone upward with a `dvc.yaml`.

    Raises:
        NotFoundError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() and (folder / ".git").exists():
            return folder
    what, why = "this is not a Labeltrail project", "no git clone with a dvc.yaml here or above"
    raise NotFoundError(what, where=str(start), why=why, cure="cd into the clone")
