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

# Overrides settings of this user that add to the output.
GIT = ("git", "-c", "log.showSignature=false", "-c", "color.ui=false")
# Fields and commits end in a zero byte, which git allows in no message and no name.
LOG_FIELDS = ("%H", "%P", "%aI", "%an <%ae>", "%s")

WHO = 'git config user.name "YOUR NAME"; git config user.email YOU@EXAMPLE.COM; then the command again'


@dataclass(frozen=True)
class LabelCommit:
    """A commit that changed `data/labels.dvc`, with the hashes of its labels and recordings.

    Attributes:
        commit: its id.
        labels, series: DVC's hashes of the two folders; "" where it has none.
        subject: first line of its message.
        time: of the commit, ISO 8601.
        author: `Ann <ann@example.com>`.
        parents: ids of its parents; of a merge two or more.
        before: hash of the labels of the first parent; "" where it has none.
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
        """Run git in the clone; returns its output.

        Args:
            arguments: of the command line.
            stdin: standard input: messages, which may be longer than an argument and begin with a dash.

        Raises:
            ProgramError: git failed; has its messages.
            InputError: no user name or e-mail address is configured.
        """
        try:
            data = process.output([*GIT, *arguments], cwd=self.root, stdin=stdin.encode())
            return data.decode("utf-8", "replace")
        except process.ProgramError as error:
            if "user.email" in error.stderr:  # in whatever language
                raise InputError("git does not know who commits", where=str(self.root), cure=WHO) from error
            locks = git_locks.in_message(error.stderr)
            if not locks or not git_locks.remove_stale(locks, self.root):
                raise
            return self.run(*arguments, stdin=stdin)

    def lines(self, *arguments: str) -> list[str]:
        """Run git; returns the lines of its output, split at line feeds alone."""
        return [line for line in self.run(*arguments).split("\n") if line]

    def names(self, *arguments: str) -> list[str]:
        """Run git with `-z`; returns the names in its output."""
        return [name for name in self.run(*arguments).split("\0") if name]

    def files(self, *patterns: str) -> list[str]:
        """Paths that match, of files that git tracks and of new ones that it does not ignore; some may be deleted."""
        return self.names("ls-files", "-z", "-co", "--exclude-standard", *patterns)

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
        """Run a git command that moves HEAD and the work tree.

        Raises:
            InputError: git refuses, for example for uncommitted files; nothing was moved.
            ProgramError: git failed after the move, for example in a hook.
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
        """Those of these files that differ from HEAD or are not in it."""
        known = [path for path in paths if (self.root / path).exists()]
        arguments = ("status", "--porcelain=v1", "-z", "--untracked-files=all", "--", *known)
        return sorted(entry[3:] for entry in self.names(*arguments)) if known else []

    def missing(self, paths: Iterable[str]) -> list[str]:
        """Those of these files that HEAD has and the work tree lacks."""
        absent = [path for path in paths if not (self.root / path).exists()]
        if not absent:
            return []
        return self.names("ls-tree", "--name-only", "-z", "HEAD", "--", *absent)

    def commit(self, paths: Iterable[str], message: str) -> str:
        """Commit these files and no others; returns the commit, or "" where they are as in the last commit.

        Raises:
            InputError: no user name or e-mail address is configured.
            ProgramError: git failed, for example in a hook of the clone; the files stay as they are.
        """
        names = list(paths)
        self.run("add", "--", *names)
        try:
            options = ("--quiet", "--only", "--cleanup=whitespace", "--file=-")
            self.run("commit", *options, "--", *names, stdin=message)
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
        """A file's text in a revision; None where it does not exist there."""
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
            arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            return self.run(*arguments).strip()
        except process.ProgramError as error:
            what = f"there is no revision {revision!r} here"
            cure = "git fetch --unshallow" if self.shallow_commits() else "labeltrail log, or git fetch"
            raise NotFoundError(what, where=str(self.root), cure=cure) from error

    def labels_at(self, revision: str) -> str:
        """Hash of the label snapshot in a revision; "" where it has none."""
        return parse_pointer(self.show(revision, f"{LABELS}.dvc"))

    def contents(self, names: Iterable[str]) -> Iterator[str | None]:
        """Texts of `<revision>:<path>`, all by one git process; None where there is no such file."""
        wanted = list(names)
        if not wanted:
            return
        names_text = "".join(f"{name}\n" for name in wanted).encode()
        data = process.output([*GIT, "cat-file", "--batch"], cwd=self.root, stdin=names_text)
        position = 0
        for _ in wanted:
            end = data.index(b"\n", position)
            header, position = data[position:end].split(), end + 1
            if header[-1] == b"missing":
                yield None
                continue
            size = int(header[-1])
            yield data[position : position + size].decode("utf-8", "replace")
            position += size + 1

    def tags(self) -> dict[str, list[str]]:
        """Names of the tags on each commit."""
        form = "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname:short)"
        tags: dict[str, list[str]] = {}
        for line in self.lines("for-each-ref", form, "refs/tags"):
            commit, _, name = line.partition(" ")
            tags.setdefault(commit, []).append(name)
        return tags

    def label_commits(self, revision: str = "HEAD", *options: str) -> Iterator[LabelCommit]:
        """Commits that changed the label snapshot, newest first, on both sides of a merge.

        Args:
            revision: a revision, or a range such as `main..walks`.
            options: of `git log`, such as `--since=2026-01-01`.
        """
        commits = self._commits(revision, [f"{LABELS}.dvc"], "--full-history", *options)
        shallow = self.shallow_commits()  # their changes are unknown
        return (c for c in commits if c.labels != c.before and c.commit not in shallow)

    def synced_commits(self, revision: str = "HEAD") -> Iterator[LabelCommit]:
        """Commits that changed the label snapshot or the recordings, newest first."""
        return self._commits(revision, [f"{LABELS}.dvc", f"{SERIES}.dvc"], "--full-history")

    def every_synced_commit(self) -> Iterator[LabelCommit]:
        """The same for all local and remote-tracking branches and all tags."""
        pointers = [f"{LABELS}.dvc", f"{SERIES}.dvc"]
        return self._commits("HEAD", pointers, "--full-history", "--branches", "--tags", "--remotes")

    def label_commit_at(self, revision: str = "HEAD", *options: str) -> LabelCommit | None:
        """The label commit whose labels a revision has; None where it has none.

        With `--first-parent` a merge of labels is such a commit itself.

        Raises:
            InputError: it is missing from this shallow clone.
        """
        # Without the full history git follows the side of a merge that the labels came from.
        commit = next(self._commits(revision, [f"{LABELS}.dvc"], "--max-count=1", *options), None)
        if commit and commit.commit in self.shallow_commits():
            self.require_whole_history()
        return commit if commit and commit.labels else None

    def shallow_commits(self) -> frozenset[str]:
        """The oldest commits of a shallow clone, which have no parents there; none in a complete clone."""
        own = self.root / ".git"
        # Worktrees and submodules have a file there, and their folder elsewhere.
        name = "" if own.is_dir() else self.run("rev-parse", "--git-path", "shallow").removesuffix("\n")
        path = self.root / name if name else own / "shallow"
        return frozenset(path.read_text(encoding="utf-8").split()) if path.is_file() else frozenset()

    def main_clone(self) -> Path | None:
        """The main clone of a linked worktree; None where this is no linked worktree, or one of a bare repository."""
        if (self.root / ".git").is_dir():
            return None
        listed = self.run("worktree", "list", "--porcelain", "-z")
        first = Path(listed.split("\0")[0].removeprefix("worktree "))
        return None if first == self.root.resolve() or not (first / ".git").exists() else first

    def require_whole_history(self) -> None:
        """Check that this is no shallow clone.

        Raises:
            InputError: this is a shallow clone.
        """
        if self.shallow_commits():
            why = "it is a shallow clone, and earlier commits may have had these labels"
            cure = "git fetch --unshallow; then the same command again"
            raise InputError("the history of this clone is cut off", where=str(self.root), why=why, cure=cure)

    def _commits(self, revision: str, paths: list[str], *options: str) -> Iterator[LabelCommit]:
        form = "--format=" + "%x00".join(LOG_FIELDS)
        text = self.run("log", "-z", form, *options, "--end-of-options", revision, "--", *paths)
        fields = text.split("\0")[:-1]
        commits = list(zip(*(fields[n :: len(LOG_FIELDS)] for n in range(len(LOG_FIELDS))), strict=True))
        names = [
            f"{name}.dvc" for commit, *_ in commits
            for name in (f"{commit}:{LABELS}", f"{commit}:{SERIES}", f"{commit}^:{LABELS}")
        ]  # fmt: skip
        texts = self.contents(names)
        for commit, parents, time, author, subject in commits:
            labels, series, before = (parse_pointer(next(texts)) for _ in range(3))
            yield LabelCommit(commit, labels, series, subject, time, author, tuple(parents.split()), before)

    def label_commit(self, labels: str) -> str | None:
        """The first commit with this label snapshot.

        Raises:
            InputError: this is a shallow clone, which may lack that commit.
        """
        self.require_whole_history()
        commits = [commit.commit for commit in self.label_commits() if commit.labels == labels != ""]
        return commits[-1] if commits else None


def prefix_of(branch: str) -> str:
    """Prefix of a branch's keys in the bucket, without the slash."""
    return branch.replace("/", "--")


def find_root(start: Path) -> Path:
    """The project of a folder: the nearest git clone, upward, with a `dvc.yaml`.

    Raises:
        NotFoundError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() and (folder / ".git").exists():
            return folder
    what, why = "this is not a Labeltrail project", "no git clone with a dvc.yaml here or above"
    raise NotFoundError(what, where=str(start), why=why, cure="cd into the clone")
