"""`labeltrail tag`: names for label commits."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.result import Result
from storage.errors import InputError
from storage.labels import label_changes, label_store
from storage.labels.three_way import Change
from storage.printable import argument
from storage.process import ProgramError
from storage.repo.git import Git
from storage.repo.repository import Repository


@dataclass(frozen=True)
class Tag(Result):
    """One tag on a commit that has labels.

    Attributes:
        commit: the tagged commit, whose `dvc.lock` names the model.
        label_commit, subject: the label commit of its labels.
        labels: hash of the label snapshot.
        counts: first line of its message; "" for a tag that git alone made.
    """

    name: str
    commit: str
    label_commit: str
    subject: str
    labels: str
    counts: str

    def line(self, width: int = 0) -> str:
        return f"{self.name:<{width}}  {self.label_commit[:12]}  {self.counts or self.subject}"


def tag(repository: Repository, name: str, revision: str = "HEAD") -> Tag:
    """Put an annotated git tag on a revision that has labels; its message counts them.

    Raises:
        InputError: the revision has no labels, or the name is taken or invalid.
        NotFoundError: there is no such revision, or its labels are neither in the DVC cache nor in its remote.
    """
    commit = repository.git.resolve(revision)
    md5 = repository.git.labels_at(commit)
    if not md5:
        what = f"{revision} has no labels: there is nothing to name"
        raise InputError(what, where=commit, cure="labeltrail log shows the label commits")
    try:
        message = _message(repository, md5, commit)
        repository.git.run(
            "tag", "--annotate", "--cleanup=whitespace", "--file=-", "--", name, commit, stdin=message
        )
    except ProgramError as error:
        cure = f"another name, or: git tag --delete {argument(name)}, then the command again"
        raise InputError(f"git does not accept the tag {name!r}", why=error.why, cure=cure) from error
    return next(found for found in tags(repository.git) if found.name == name)


def tags(git: Git) -> list[Tag]:
    """The tags on commits that have labels, by name."""
    named = sorted((name, commit) for commit, names in git.tags().items() for name in names)
    # Name and kind of a tag contain no blank, and its subject ends at the first line feed.
    form = "--format=%(refname:short) %(objecttype) %(contents:subject)"
    rows = (line.split(" ", 2) for line in git.lines("for-each-ref", form, "refs/tags"))
    subjects = {name: subject if kind == "tag" else "" for name, kind, subject in rows}
    found = []
    for name, commit in named:
        label_commit = git.label_commit_at(commit)
        if label_commit:
            facts = (label_commit.commit, label_commit.subject, label_commit.labels)
            found.append(Tag(name, commit, *facts, subjects[name]))
    return found


def _message(repository: Repository, md5: str, commit: str) -> str:
    """Counts of all labels, in the form of a label commit's message."""
    every = (Change(record["id"], None, record) for record in label_store.records(repository, md5))
    counts = label_changes.count(every, config=label_store.config_at(repository.git, commit))
    annotations = label_changes.plural(counts.annotations["+"], "annotation")
    series = label_changes.plural(len(counts.series), "series")
    subject = f"labels: {counts.regions['+']} in {annotations} of {series}"
    trailers = label_changes.trailers("Label", counts.labels, signs=False)
    trailers += label_changes.trailers("Annotator", counts.annotators, signs=False)
    return "\n".join([subject, "", *trailers])
