"""Commands that read the history of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.app import Json, app, next_step, repository_here, say

if TYPE_CHECKING:
    from storage.labels.diff import DiffFilter

Series = Annotated[
    str, typer.Option("--series", metavar="PATTERN", help="Only series with this key or pattern: 'user01*'.")
]
Label = Annotated[
    str,
    typer.Option("--label", metavar="LABEL", help="Only regions and choices that have or had this label."),
]
Annotator = Annotated[
    str, typer.Option("--annotator", metavar="PATTERN", help="Only annotations of this person or pattern.")
]


def filters(series: str, label: str, annotator: str) -> DiffFilter:
    """The filters."""
    from storage.labels.diff import DiffFilter

    return DiffFilter(series, label, annotator)


@app.command()
def log(
    revision: Annotated[
        str, typer.Argument(metavar="REV", help="A git revision, or a range: main..walks.")
    ] = "HEAD",
    series: Series = "",
    label: Label = "",
    annotator: Annotator = "",
    since: Annotated[
        str, typer.Option(metavar="DATE", help="Only commits after this date: 2026-01-31, '2 weeks ago'.")
    ] = "",
    until: Annotated[str, typer.Option(metavar="DATE", help="Only commits before this date.")] = "",
    most: Annotated[
        int | None, typer.Option("-n", metavar="NUMBER", min=1, help="At most this many commits.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List label commits, newest first: who changed what.

    Example: labeltrail log --annotator ben@example.com --since '1 week ago'
    """
    from pipelines.history.log import log as read

    options = [f"--{name}={value}" for name, value in (("since", since), ("until", until)) if value]
    repository = repository_here()
    found = []
    for entry in read(repository, revision, filters(series, label, annotator), *options, most=most):
        found.append(entry)
        if not as_json:  # as it is read: a history may be long
            say(as_json, {}, entry.lines())
    shallow = bool(repository.git.shallow_commits())
    text = [] if found else ["no label commit matches"]
    text += ["earlier commits are not in this shallow clone: git fetch --unshallow"] if shallow else []
    say(as_json, {"commits": [entry.to_json() for entry in found], "shallow": shallow}, text)
    next_step(as_json, f"labeltrail show {found[0].commit.commit[:12]}" if found else "labeltrail log")


@app.command()
def show(
    revision: Annotated[str, typer.Argument(metavar="REV", help="A git revision.")] = "HEAD",
    as_json: Json = False,
) -> None:
    """Show a label commit: its label changes and its best model.

    Example: labeltrail show HEAD~1
    """
    from pipelines.history.show import show as read

    found = read(repository_here(), revision)
    say(as_json, found.to_json(), found.lines(), tinted=True)
    next_step(as_json, f"labeltrail diff {found.commit.commit[:12]} (compares it with the work tree)")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A git revision; HEAD if left out.")] = "",
    after: Annotated[
        str, typer.Argument(metavar="B", help="A git revision; the work tree if left out.")
    ] = "",
    stat: Annotated[bool, typer.Option("--stat", help="Print counts only.")] = False,
    series: Series = "",
    label: Label = "",
    annotator: Annotator = "",
    as_json: Json = False,
) -> None:
    """Compare labels and test scores of two revisions.

    Labels are compared region by region; the scores are those of the best models on the test split.

    Example: labeltrail diff main walks --label knock
    """
    from pipelines.history.diff import diff as compare

    found = compare(repository_here(), before, after, filters(series, label, annotator))
    say(as_json, found.to_json(), found.lines(stat), tinted=True)
    commits = (found.before.commit[:12], found.after.commit[:12])
    next_step(as_json, f"labeltrail log {'..'.join(commits)}" if commits[1] else "labeltrail sync")


@app.command()
def tag(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the new tag; if left out, tags are listed.")
    ] = "",
    revision: Annotated[str, typer.Argument(metavar="REV", help="The git revision to tag.")] = "HEAD",
    as_json: Json = False,
) -> None:
    """Tag the labels of a revision, or list such tags.

    The message of the git tag contains the counts of the labels.

    Example: labeltrail tag before-ben HEAD~1
    """
    from pipelines.history.tag import tag as create_tag
    from pipelines.history.tag import tags

    repository = repository_here()
    found = [create_tag(repository, name, revision)] if name else tags(repository.git)
    width = max((len(each.name) for each in found), default=0)
    text = [each.line(width) for each in found] or ["no tag of labels yet"]
    say(as_json, {"tags": [each.to_json() for each in found]}, text)
    next_step(as_json, "git push --tags" if found else "labeltrail tag NAME")


@app.command("git-setup")
def git_setup() -> None:
    """Set up git in this clone to diff and merge labels.

    `git diff`, `git log -p` and `git merge` then work region by region, and a hook updates data/ after each checkout.

    Example: labeltrail git-setup
    """
    from pipelines.git_setup import set_up

    set_up(repository_here().git)
    print("git diff, git log -p and git merge show labels in this clone")
    next_step(False, "git log -p data/labels.dvc")
