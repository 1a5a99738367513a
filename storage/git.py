"""git, run as a command in one clone: commits, branches, and the label commits among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from storage import process
from storage.errors import InputError

LABELS = "data/labels"
SERIES = "data/series"


@dataclass(frozen=True)
class LabelCommit:
    """A commit that changed `data/labels.dvc`, and the hashes of the labels and recordings it holds."""

    commit: str
    labels: str
    series: str
    subject: str


class Git:
    """One clone's git.

    Args:
        root: the clone's top folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str) -> str:
        """Run git in the clone; returns what it prints.

        Raises:
            ProgramError: git failed; carries its own words.
        """
        return process.run(["git", *arguments], cwd=self.root)

    def branch(self) -> str:
        """The branch that is checked out.

        Raises:
            InputError: HEAD is detached.
        """
        name = self.git("branch", "--show-current").strip()
        if not name:
            raise InputError("no branch is checked out", where=str(self.root), cure="git switch main")
        return name

    def prefix(self) -> str:
        """The branch as the first part of keys in the bucket: `/` becomes `--`."""
        return self.branch().replace("/", "--")

    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD").strip()

    def changed(self, paths: Iterable[str]) -> list[str]:
        """Which of these files differ from the commit that is checked out, or are not in it."""
        known = [path for path in paths if (self.root / path).exists()]
        listing = (
            self.git("status", "--porcelain=v1", "-z", "--untracked-files=all", "--", *known) if known else ""
        )
        return sorted(entry[3:] for entry in listing.split("\0") if entry)

    def missing(self, paths: Iterable[str]) -> list[str]:
        """Which of these files the commit that is checked out has and the work tree lacks."""
        names = self.git("diff", "--name-only", "--diff-filter=D", "-z", "HEAD", "--", *paths).split("\0")
        return [name for name in names if name and not (self.root / name).exists()]

    def commit(self, paths: Iterable[str], message: str) -> str:
        """Commit these files and nothing else that may be staged; returns the commit.

        Returns "" where they are as in the last commit after all: only the index had them otherwise.

        Raises:
            InputError: git does not know who commits.
        """
        names = list(paths)
        subject, _, trailers = message.strip().partition("\n\n")
        paragraphs = ["-m", subject, *(["-m", trailers] if trailers else [])]
        self.git("add", "--", *names)
        if not self.git("diff", "--cached", "--name-only", "HEAD", "--", *names):
            return ""
        try:
            self.git("commit", "--quiet", "--only", *paragraphs, "--", *names)
        except process.ProgramError as error:
            if "user.email" not in error.stderr:
                raise
            cure = 'git config user.name "YOUR NAME"; git config user.email YOU@EXAMPLE.COM; then the command again'
            raise InputError("git does not know who commits", where=str(self.root), cure=cure) from error
        return self.head()

    def show(self, revision: str, path: str) -> str | None:
        """A file's text in a revision; None where it is not there."""
        try:
            return self.git("show", f"{revision}:{path}")
        except process.ProgramError:
            return None

    def label_commits(self) -> Iterator[LabelCommit]:
        """Commits that changed the label snapshot, newest first."""
        return self._synced_commits(f"{LABELS}.dvc")

    def synced_commits(self) -> Iterator[LabelCommit]:
        """Commits that changed the label snapshot or the recordings, newest first."""
        return self._synced_commits(f"{LABELS}.dvc", f"{SERIES}.dvc")

    def _synced_commits(self, *pointers: str) -> Iterator[LabelCommit]:
        for line in self.git("log", "--format=%H%x09%s", "--", *pointers).splitlines():
            commit, _, subject = line.partition("\t")
            labels, series = (parse_pointer(self.show(commit, f"{p}.dvc")) for p in (LABELS, SERIES))
            yield LabelCommit(commit, labels, series, subject)

    def label_commit(self, labels: str) -> str | None:
        """The first commit whose snapshot has this hash: the one that made these labels."""
        commits = [found.commit for found in self.label_commits() if found.labels == labels != ""]
        return commits[-1] if commits else None


def parse_pointer(text: str | None) -> str:
    """Hash in the text of a pointer such as `data/labels.dvc`; "" where there is none."""
    return str(yaml.safe_load(text)["outs"][0]["md5"]) if text else ""
